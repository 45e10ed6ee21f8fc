"""DNS block lists: look-ups of a client's address (RFC 5782)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.lookups import Lookups
from mailstack.policy.networks import ip_address
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import Reply, clean, reply

_TURNED_AWAY = reply(554, "5.7.1", "")
_LISTED = reply(550, "5.7.1", "")

_LISTS = ipaddress.ip_network("127.0.0.0/8")
"""RFC 5782 §2.1: what an answer that means "listed" looks like; anything else comes from a list that is gone."""
_TROUBLE = ipaddress.ip_network("127.255.255.0/24")
"""Network of answers that mean a refused query: they say nothing about the client."""


class DnsBlockLists:
    """Fails open: a list that does not answer blocks no client. Answers are cached for some minutes."""

    def __init__(
        self, zones: Sequence[str], lookups: Lookups, now: Callable[[], float], *, believed: float = 300.0
    ) -> None:
        self._zones = tuple(zones)
        self._lookups = lookups
        self._known: TTLCache[str, str] = TTLCache(now, believed, 10_000)

    async def at_connection(self, client: Client) -> Verdict:
        """The refusal is the greeting (RFC 5321 §3.1)."""
        return await self._verdict(client, _TURNED_AWAY)

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Judge the client, but for letters to the postmaster (RFC 5321 §4.5.1)."""
        if rcpt.address.local.lower() == "postmaster":
            return PASS
        return await self._verdict(client, _LISTED)

    async def _verdict(self, client: Client, refusal: Reply) -> Verdict:
        host = client.remote.host
        zone = self._known.get(host)
        if zone is None:
            zone = await self._ask(host)
            self._known.put(host, zone)
        if not zone:
            return PASS
        text = clean(f"{host} is listed by {zone}")
        return Refuse(Reply(refusal.code, text, refusal.status), text)

    async def _ask(self, host: str) -> str:
        """The first list that has the host; "" when none has."""
        address = ip_address(host)
        if address is None or address.is_loopback:
            return ""
        for zone in self._zones:
            answers = await self._lookups.addresses(f"{reversed_name(address)}.{zone}") or ()
            if any(_is_listing(answer) for answer in answers):
                return zone
        return ""


def reversed_name(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The address as it is looked up: octets, or half octets, the last first (RFC 5782 §2.1, §2.4)."""
    return address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _is_listing(answer: str) -> bool:
    address = ip_address(answer)
    return address is not None and address in _LISTS and address not in _TROUBLE
