"""Parses PROXY protocol headers, versions 1 and 2 (HAProxy's proxy-protocol.txt, §2.1 and §2.2)."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from mailstack.letter.connection import HostPort

PROXIED = "haproxy:"
"""Prefix of endpoint descriptions with PROXY headers, the same as Twisted's."""

LONGEST_LINE = 107
"""Maximum octets of a version 1 header with its CRLF (§2.1)."""
LONGEST_BLOCK = 4096
"""Maximum octets after the fixed part of a version 2 header; the format allows 65535, but few are in use."""

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_SIZES = {0x11: 4, 0x21: 16}
"""Number of octets of an address, by family and transport: TCP over IPv4, TCP over IPv6."""

_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP[46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))"
)


class BadHeader(Exception):
    """Invalid PROXY header; str() has the reason."""


class Passed(Struct, frozen=True):
    """Addresses of the client's connection. None: a connection of the proxy itself, such as a health check."""

    client: HostPort | None
    server: HostPort | None


def read_header(octets: bytes) -> tuple[Passed, int] | None:
    """The header's addresses, and its length in octets; None: incomplete. Raises BadHeader as early as possible."""
    if octets[: len(SIGNATURE)] == SIGNATURE[: len(octets)]:
        return _version_2(octets)
    begin = b"PROXY "
    if octets[: len(begin)] == begin[: len(octets)]:
        return _version_1(octets)
    raise BadHeader("not a PROXY header")


def _version_1(octets: bytes) -> tuple[Passed, int] | None:
    end = octets.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(octets) >= LONGEST_LINE:
            raise BadHeader(f"a version 1 header has at most {LONGEST_LINE} octets")
        return None
    found = _LINE.fullmatch(octets, 0, end)
    if found is None:
        raise BadHeader("malformed version 1 header")
    if found[1] is None:
        return Passed(None, None), end + 2
    version = int(found[1][3:])
    ends = [_end(found[place].decode(), int(found[place + 2]), version) for place in (2, 3)]
    return Passed(*ends), end + 2


def _end(host: str, port: int, version: int) -> HostPort:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise BadHeader("invalid IP address") from None
    if address.version != version or port > 65535:
        raise BadHeader("invalid address family or port")
    return HostPort(str(address), port)


def _version_2(octets: bytes) -> tuple[Passed, int] | None:
    if len(octets) < _FIXED:
        return None
    command, family, size = octets[12], octets[13], int.from_bytes(octets[14:16])
    if command not in (_LOCAL, _PROXY):
        raise BadHeader("unknown version or command")
    if size > LONGEST_BLOCK:
        raise BadHeader(f"version 2 header of {size} octets, more than {LONGEST_BLOCK}")
    length = _SIZES.get(family)
    if command == _PROXY and length is not None and size < 2 * length + 4:
        raise BadHeader("version 2 header too short for its addresses")
    if len(octets) < _FIXED + size:
        return None
    if command == _LOCAL or length is None:
        # §2.2: addresses of the proxy's own connections, and of protocols other than TCP, are ignored.
        return Passed(None, None), _FIXED + size
    ports = _FIXED + 2 * length
    hosts = (octets[_FIXED : _FIXED + length], octets[_FIXED + length : ports])
    client, server = (
        HostPort(str(ipaddress.ip_address(host)), int.from_bytes(octets[place : place + 2]))
        for host, place in zip(hosts, (ports, ports + 2), strict=True)
    )
    return Passed(client, server), _FIXED + size
