"""Whether the domain of a recipient takes mail at all (RFC 7505 §4.1), told at once and not by a report."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.letter import Address
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.lookups import Lookups
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

NO_MAIL_THERE = reply(556, "5.1.10", "the recipient's domain takes no mail (null MX)")
NO_SUCH_DOMAIN = reply(550, "5.1.2", "the recipient's domain does not exist")


class RecipientDomain:
    """Of recipients elsewhere, as the DNS leads to them. When the DNS does not say, the letter is taken."""

    def __init__(self, lookups: Lookups, is_asked_about: Callable[[Address], bool]) -> None:
        """`is_asked_about` leaves out those that the DNS does not lead to: our own, and those with a route."""
        self._lookups = lookups
        self._is_asked_about = is_asked_about

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        domain = rcpt.address.domain
        if rcpt.address.is_literal or not self._is_asked_about(rcpt.address):
            return PASS
        exchanges = await self._lookups.exchanges(domain)
        if exchanges == ("",):
            return Refuse(NO_MAIL_THERE, f"{domain} has a null MX")
        if exchanges == () and await self._lookups.addresses(domain) == ():
            return Refuse(NO_SUCH_DOMAIN, f"{domain} has neither MX nor address")
        return PASS
