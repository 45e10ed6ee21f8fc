"""DNS policies: block lists (RFC 5782), null MX (RFC 7505 §4), reverse DNS."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from mailstack.letter import Address
from mailstack.letter.address import AddressError, parse_domain
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.policy.networks import ip_address
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import Reply, clean, reply


class Lookups(Protocol):
    """DNS lookups. An answer is None without a reply in time; a missing name has no records."""

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        """The IP addresses of a host."""

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        """The hosts of a domain's MX records; "" is the root, for a domain without mail (RFC 7505)."""

    async def texts(self, name: str) -> tuple[str, ...] | None:
        """The TXT records of a name, each with its strings joined."""

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        """The names in an IP address's PTR records."""


_LISTED_AT_CONNECTION = reply(554, "5.7.1", "")
_LISTED = reply(550, "5.7.1", "")

_LISTS = ipaddress.ip_network("127.0.0.0/8")
"""Form of an answer that means "listed" (RFC 5782 §2.1). Any other answer is from a list that has ended."""
_TROUBLE = ipaddress.ip_network("127.255.255.0/24")
"""Network of answers that mean a refused query, not a listing."""


class DnsBlockLists:
    """DNS block lists, with a cache. Fails open: without an answer the client passes."""

    def __init__(self, zones: Sequence[str], lookups: Lookups, now: Callable[[], float], *, ttl: float = 300.0) -> None:
        self._zones = tuple(zones)
        self._lookups = lookups
        self._cache: TTLCache[str, str] = TTLCache(now, ttl, 10_000)

    async def at_connection(self, client: Client) -> Verdict:
        """Verdict on the client; a refusal is the greeting (RFC 5321 §3.1)."""
        return await self._verdict(client, _LISTED_AT_CONNECTION)

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Verdict on the client; letters to the postmaster always pass (RFC 5321 §4.5.1)."""
        if rcpt.address.local.lower() == "postmaster":
            return PASS
        return await self._verdict(client, _LISTED)

    async def _verdict(self, client: Client, refusal: Reply) -> Verdict:
        host = client.remote.host
        zone = self._cache.get(host)
        if zone is None:
            zone = await self._find_zone(host)
            self._cache.put(host, zone)
        if not zone:
            return PASS
        text = clean(f"{host} is listed by {zone}")
        return Refuse(Reply(refusal.code, text, refusal.status), text)

    async def _find_zone(self, host: str) -> str:
        """The first list that has the host; "" for none."""
        address = ip_address(host)
        if address is None or address.is_loopback:
            return ""
        for zone in self._zones:
            answers = await self._lookups.addresses(f"{reversed_name(address)}.{zone}") or ()
            if any(_is_listing(answer) for answer in answers):
                return zone
        return ""


def reversed_name(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Reversed octets of an IPv4 address, or hexadecimal digits of an IPv6 address (RFC 5782 §2.1, §2.4)."""
    return address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def _is_listing(answer: str) -> bool:
    address = ip_address(answer)
    return address is not None and address in _LISTS and address not in _TROUBLE


SENDER_NULL_MX = reply(550, "5.7.27", "the sender's domain takes no mail (null MX), so no reply could reach it")
NO_SENDER_DOMAIN = reply(550, "5.1.8", "the sender's domain does not exist, so no reply could reach it")
RECIPIENT_NULL_MX = reply(556, "5.1.10", "the recipient's domain takes no mail (null MX)")
NO_RECIPIENT_DOMAIN = reply(550, "5.1.2", "the recipient's domain does not exist")


class SenderDomain:
    """Refuses senders in domains without mail, which no report can reach (RFC 7505 §4.2, RFC 5321 §4.5.5)."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        if mail.sender is None or mail.sender.is_literal:
            return PASS
        return await _judge(self._lookups, mail.sender.ascii_domain, SENDER_NULL_MX, NO_SENDER_DOMAIN)


class RecipientDomain:
    """Refuses recipients in domains that accept no mail, so that they don't bounce later (RFC 7505 §4.1)."""

    def __init__(self, lookups: Lookups, is_routed_by_dns: Callable[[Address], bool]) -> None:
        """`is_routed_by_dns` is false for local addresses and those with a static route."""
        self._lookups = lookups
        self._is_routed_by_dns = is_routed_by_dns

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        if rcpt.address.is_literal or not self._is_routed_by_dns(rcpt.address):
            return PASS
        return await _judge(self._lookups, rcpt.address.domain, RECIPIENT_NULL_MX, NO_RECIPIENT_DOMAIN)


async def _judge(lookups: Lookups, domain: str, null_mx: Reply, no_domain: Reply) -> Verdict:
    exchanges = await lookups.exchanges(domain)
    if exchanges == ("",):
        return Refuse(null_mx, f"{domain} has a null MX")
    if exchanges == () and await lookups.addresses(domain) == ():
        return Refuse(no_domain, f"{domain} has neither MX nor address")
    return PASS


NO_NAME = reply(550, "5.7.25", "your address has no name in the DNS that leads back to it")

_MAX_NAMES = 5
"""Maximum names of one address that are confirmed."""


class ReverseDnsRequired:
    """Refuses clients without a confirmed name. Fails open without an answer of the DNS."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Verdict on the client; letters to the postmaster always pass (RFC 5321 §4.5.1)."""
        address = ip_address(client.remote.host)
        if address is None or address.is_loopback or rcpt.address.local.lower() == "postmaster":
            return PASS
        names = await self._lookups.pointers(str(address))
        if names is None:
            return PASS
        for name in names[:_MAX_NAMES]:
            found = await self._lookups.addresses(name)
            if found is None or any(ip_address(each) == address for each in found):
                return PASS
        return Refuse(NO_NAME, f"{client.remote.host} has no confirmed name")


class ClientNames:
    """Cache of confirmed names of clients, looked up in the background while their sessions continue."""

    def __init__(
        self,
        lookups: Lookups,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        ttl: float = 600.0,
        capacity: int = 10_000,
        max_lookups: int = 100,
    ) -> None:
        """`ttl` is in seconds. Beyond `max_lookups` concurrent lookups a client has no name."""
        self._lookups = lookups
        self._spawn = spawn
        self._max_lookups = max_lookups
        self._cache: TTLCache[str, str] = TTLCache(now, ttl, capacity)
        self._pending: set[str] = set()

    def start_lookup(self, host: str) -> None:
        """Start a lookup for an IP address, unless it is cached or under way."""
        if host in self._pending or len(self._pending) >= self._max_lookups or self._cache.get(host) is not None:
            return
        address = ip_address(host)
        if address is not None and not address.is_loopback:
            self._pending.add(host)
            self._spawn(self._lookup(host))

    def cached(self, host: str) -> str:
        """The cached confirmed name; "" for none."""
        return self._cache.get(host) or ""

    async def resolve(self, host: str) -> str:
        """The confirmed name, looked up if it is not cached; "" for none."""
        cached = self._cache.get(host)
        if cached is None:
            cached = await self._confirmed(host)
            self._cache.put(host, cached)
        return cached

    async def _lookup(self, host: str) -> None:
        try:
            self._cache.put(host, await self._confirmed(host))
        finally:
            self._pending.discard(host)

    async def _confirmed(self, host: str) -> str:
        """The first name of an address that resolves to it."""
        address = ip_address(host)
        if address is None:
            return ""
        for pointer in (await self._lookups.pointers(str(address)) or ())[:_MAX_NAMES]:
            try:
                name = parse_domain(pointer).lower()
            except AddressError:
                continue
            if any(ip_address(each) == address for each in await self._lookups.addresses(name) or ()):
                return name
        return ""
