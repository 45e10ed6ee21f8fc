"""IP networks of the configuration, and the network of one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

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
