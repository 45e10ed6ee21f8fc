"""Domain checks: a null MX or a missing domain is refused (RFC 7505 §4).

When the DNS gives no answer in time, the letter is accepted.
"""

from __future__ import annotations

from collections.abc import Callable

from mailstack.letter import Address
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.lookups import Lookups
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import Reply, reply

SENDER_NULL_MX = reply(550, "5.7.27", "the sender's domain takes no mail (null MX), so no reply could reach it")
NO_SENDER_DOMAIN = reply(550, "5.1.8", "the sender's domain does not exist, so no reply could reach it")
RECIPIENT_NULL_MX = reply(556, "5.1.10", "the recipient's domain takes no mail (null MX)")
NO_RECIPIENT_DOMAIN = reply(550, "5.1.2", "the recipient's domain does not exist")


class SenderDomain:
    """Refuses a sender that no report could reach (RFC 7505 §4.2, RFC 5321 §4.5.5)."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        if mail.sender is None or mail.sender.is_literal:
            return PASS
        return await _judge(self._lookups, mail.sender.ascii_domain, SENDER_NULL_MX, NO_SENDER_DOMAIN)


class RecipientDomain:
    """Refuses a recipient in a domain without mail, instead of a report later (RFC 7505 §4.1)."""

    def __init__(self, lookups: Lookups, is_asked_about: Callable[[Address], bool]) -> None:
        """`is_asked_about` excludes addresses that the DNS does not lead to: local ones, and those with a route."""
        self._lookups = lookups
        self._is_asked_about = is_asked_about

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        if rcpt.address.is_literal or not self._is_asked_about(rcpt.address):
            return PASS
        return await _judge(self._lookups, rcpt.address.domain, RECIPIENT_NULL_MX, NO_RECIPIENT_DOMAIN)


async def _judge(lookups: Lookups, domain: str, null_mx: Reply, no_domain: Reply) -> Verdict:
    exchanges = await lookups.exchanges(domain)
    if exchanges == ("",):
        return Refuse(null_mx, f"{domain} has a null MX")
    if exchanges == () and await lookups.addresses(domain) == ():
        return Refuse(no_domain, f"{domain} has neither MX nor address")
    return PASS
