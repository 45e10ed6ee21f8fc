"""Whether the domain of the reverse-path can be answered at all (RFC 7505 §4.2, RFC 5321 §4.5.5)."""

from __future__ import annotations

from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.lookups import Lookups
from mailstack.protocols.smtp.commands import Mail
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

NO_MAIL_THERE = reply(550, "5.7.27", "the sender's domain takes no mail (null MX), so nobody could answer")
NO_SUCH_DOMAIN = reply(550, "5.1.8", "the sender's domain does not exist, so nobody could answer")


class SenderDomain:
    """Refuses a sender to whom no report could go. When the DNS does not say, it is taken."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        if mail.sender is None or mail.sender.is_literal:
            return PASS
        domain = mail.sender.ascii_domain
        exchanges = await self._lookups.exchanges(domain)
        if exchanges == ("",):
            return Refuse(NO_MAIL_THERE, f"{domain} has a null MX")
        if exchanges == () and await self._lookups.addresses(domain) == ():
            return Refuse(NO_SUCH_DOMAIN, f"{domain} has neither MX nor address")
        return PASS
