"""Reverse DNS: requires a confirmed name of each client (FCrDNS, RFC 8601 §2.7.3)."""

from __future__ import annotations

from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import ip_address
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

NO_NAME = reply(550, "5.7.25", "your address has no name in the DNS that leads back to it")

_MOST_NAMES = 5


class ReverseDnsRequired:
    """Refuses clients without a confirmed name; without an answer of the DNS they are accepted."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Judge the client, but for letters to the postmaster (RFC 5321 §4.5.1)."""
        address = ip_address(client.remote.host)
        if address is None or address.is_loopback or rcpt.address.local.lower() == "postmaster":
            return PASS
        names = await self._lookups.pointers(str(address))
        if names is None:
            return PASS
        for name in names[:_MOST_NAMES]:
            found = await self._lookups.addresses(name)
            if found is None or any(ip_address(each) == address for each in found):
                return PASS
        return Refuse(NO_NAME, f"{client.remote.host} has no confirmed name")
