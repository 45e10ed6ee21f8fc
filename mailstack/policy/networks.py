"""IP networks, and the block list of networks, host names, addresses and domains."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache

from mailstack.letter import ReversePath
from mailstack.policy import PASS, Refuse, Verdict
from mailstack.protocols.smtp.commands import Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

ONE_SITE = 64
"""Prefix length of an IPv6 site (RFC 6177 §2): one client has 2**64 addresses."""


@lru_cache(maxsize=4096)  # the same clients connect again and again
def ip_address(host: str) -> IpAddress | None:
    """Parses an IP address, an IPv4-mapped one as IPv4 (RFC 4291 §2.5.5.2); None for other text, as a UNIX path."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_networks(texts: Iterable[str]) -> tuple[IpNetwork, ...]:
    """Parses networks in CIDR notation, or single addresses. Raises ValueError, also for host bits."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def contains_host(host: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether `host` is an IP address in one of the networks."""
    address = ip_address(host)
    return address is not None and bool([network for network in networks if address in network])


def is_exempt(host: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether a client is exempt from limits: by its network, or because it uses a UNIX socket."""
    address = ip_address(host)
    return address is None or bool([network for network in networks if address in network])


@lru_cache(maxsize=4096)  # called several times for each connection
def client_network(host: str) -> str:
    """Network that counts as one client: an IPv4 address, or an IPv6 site."""
    address = ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), ONE_SITE), strict=False))
    return host if address is None else str(address)


CLIENT_BLOCKED = reply(554, "5.7.1", "no mail is taken from you here; ask the postmaster why")
BLOCKED_AT_RECIPIENT = reply(550, "5.7.1", "no mail is taken from you here; ask the postmaster why")


class BlockList:
    """Refuses networks ("192.0.2.0/24"), host names with their subdomains ("spam.test"), addresses ("eve@spam.test") and
    all addresses of a domain ("@spam.test").
    """

    def __init__(self, entries: Iterable[str], name_of: Callable[[Client], Awaitable[str]] | None = None) -> None:
        """`name_of` returns the confirmed name of a client, "" for none. Raises ValueError for an invalid network."""
        entries = tuple(entry.lower() for entry in entries)
        networks = [entry for entry in entries if is_network(entry)]
        self.networks: tuple[IpNetwork, ...] = parse_networks(networks)
        self._addresses = frozenset(entry for entry in entries if "@" in entry)
        self._names = frozenset(entries) - self._addresses - set(networks)
        self._name_of = name_of

    async def at_connection(self, client: Client) -> Verdict:
        """Verdict on the client's address; a refusal is the greeting (RFC 5321 §3.1)."""
        if contains_host(client.remote.host, self.networks):
            return Refuse(CLIENT_BLOCKED, f"{client.remote.host} is on the block list")
        return PASS

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Verdict on client and sender; letters to the postmaster always pass (RFC 5321 §4.5.1)."""
        if rcpt.address.local.lower() == "postmaster":
            return PASS
        if contains_host(client.remote.host, self.networks):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{client.remote.host} is on the block list")
        if self._addresses and self._has_sender(client.sender):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{client.sender} is on the block list")
        if self._names and (entry := await self._entry_of_name(client)):
            return Refuse(BLOCKED_AT_RECIPIENT, f"{entry} is on the block list")
        return PASS

    def _has_sender(self, sender: ReversePath) -> bool:
        return sender is not None and not self._addresses.isdisjoint((sender.key, f"@{sender.ascii_domain.lower()}"))

    async def _entry_of_name(self, client: Client) -> str:
        """The entry that blocks the client's EHLO name or confirmed name; "" for none."""
        names = [client.helo.lower(), await self._name_of(client) if self._name_of is not None else ""]
        return next((entry for name in names for entry in _with_parents(name) if entry in self._names), "")


def is_network(entry: str) -> bool:
    """Whether the part of an entry before the slash is an IP address."""
    return ip_address(entry.partition("/")[0]) is not None


def _with_parents(name: str) -> Iterable[str]:
    """The name and its parent domains: "a.b.c", "b.c", "c"."""
    labels = name.rstrip(".").split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
