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
"""Bits of an IPv6 address that name one site (RFC 6177 §2): a client with one address of it has 2**64 of them."""


@lru_cache(maxsize=4096)  # the same clients come with letter after letter
def ip_address(host: str) -> IpAddress | None:
    """The address in `host`, an IPv4-mapped one as IPv4 (RFC 4291 §2.5.5.2); None for anything else, as a UNIX path."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_networks(texts: Iterable[str]) -> tuple[IpNetwork, ...]:
    """CIDR texts read; a bare address is a network of one. Raises ValueError when bits are set behind the mask."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def contains_host(host: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether the address in `host` is in one of the networks; False when there is no address in it."""
    address = ip_address(host)
    return address is not None and bool([network for network in networks if address in network])


def is_exempt(host: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether no limit of a client holds: its address is in one of the networks, or it came by a UNIX socket."""
    address = ip_address(host)
    return address is None or bool([network for network in networks if address in network])


@lru_cache(maxsize=4096)  # asked several times for each connection
def client_network(host: str) -> str:
    """Network that counts as one client: an IPv4 address, or an IPv6 site."""
    address = ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), ONE_SITE), strict=False))
    return host if address is None else str(address)


CLIENT_BLOCKED = reply(554, "5.7.1", "no mail is taken from you here; ask the postmaster why")
BLOCKED_AT_RECIPIENT = reply(550, "5.7.1", "no mail is taken from you here; ask the postmaster why")


class BlockList:
    """An entry is a network ("192.0.2.0/24"), a host name and all below it ("spam.test"), an address
    ("eve@spam.test"), or all addresses of a domain ("@spam.test").
    """

    def __init__(self, entries: Iterable[str], name_of: Callable[[Client], Awaitable[str]] | None = None) -> None:
        """`name_of` knows the confirmed name of a client, "" if none. Raises ValueError for a network that is none."""
        entries = tuple(entry.lower() for entry in entries)
        networks = [entry for entry in entries if is_network(entry)]
        self.networks: tuple[IpNetwork, ...] = parse_networks(networks)
        self._addresses = frozenset(entry for entry in entries if "@" in entry)
        self._names = frozenset(entries) - self._addresses - set(networks)
        self._name_of = name_of

    async def at_connection(self, client: Client) -> Verdict:
        """Judge the client by its address alone; the refusal is the greeting (RFC 5321 §3.1)."""
        if contains_host(client.remote.host, self.networks):
            return Refuse(CLIENT_BLOCKED, f"{client.remote.host} is on the block list")
        return PASS

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:
        """Judge client, sender and recipient. The postmaster accepts letters of all, complaints too (RFC 5321 §4.5.1)."""
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
        """The entry by which a name of the client is blocked: what it calls itself, or its confirmed name."""
        names = [client.helo.lower(), await self._name_of(client) if self._name_of is not None else ""]
        return next((entry for name in names for entry in _with_parents(name) if entry in self._names), "")


def is_network(entry: str) -> bool:
    """Whether an entry is to be read as a network: its part before the slash is an IP address."""
    return ip_address(entry.partition("/")[0]) is not None


def _with_parents(name: str) -> Iterable[str]:
    """The name and every domain above it: "a.b.c", "b.c", "c"."""
    labels = name.rstrip(".").split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
