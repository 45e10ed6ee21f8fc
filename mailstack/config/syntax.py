"""Syntax of sizes ("50MiB") and of Twisted's endpoint descriptions ("tcp:587:interface=127.0.0.1")."""

from __future__ import annotations

import ipaddress
import re
from typing import NewType

from mailstack.net.proxy_protocol import PROXIED

Size = NewType("Size", int)
"""Octets."""

SizeOrNone = NewType("SizeOrNone", int)
"""Octets; 0 is no limit."""

UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
"""Octets per unit. There is no "MB": it may mean 1,000,000 or 1,048,576 octets."""

MAX_SIZE = 1 << 40
"""Maximum size in octets: a larger one is a mistake."""

EXPECTED_SIZE = 'a number of octets from 1, or a size such as "50MiB"'

_SYNTAX = re.compile(r"([0-9]{1,13})[ ]?(|KiB|MiB|GiB)")


def read_size(value: object) -> Size:
    """Parses a number of octets, or a text such as "50MiB". Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        octets = value
    elif isinstance(value, str) and (found := _SYNTAX.fullmatch(value)):
        octets = int(found.group(1)) * UNITS[found.group(2)]
    else:
        raise ValueError(EXPECTED_SIZE)
    if not 1 <= octets <= MAX_SIZE:
        raise ValueError(EXPECTED_SIZE)
    return Size(octets)


def read_size_or_none(value: object) -> SizeOrNone:
    """Parses a size, or 0 for no limit. Raises ValueError."""
    if value in (0, "0") and value is not False:
        return SizeOrNone(0)
    try:
        return SizeOrNone(read_size(value))
    except ValueError:
        raise ValueError('0, or a size such as "50MiB"') from None


Endpoint = NewType("Endpoint", str)
"""Server endpoint description, in the syntax of `twisted.internet.endpoints.serverFromString`."""

EXPECTED_ENDPOINT = 'a Twisted endpoint description such as "tcp:587" or "tcp:587:interface=127.0.0.1"'

_PART = re.compile(r"((?:[^\\:]|\\.)*)(?::|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TYPE = re.compile(r"[a-z][a-z0-9]*")

_TCP_NAMES = ("port", "interface", "backlog")


def read_endpoint(text: object) -> Endpoint:
    """Checks a description; the arguments of "tcp" and "tcp6" too. Raises ValueError."""
    description = text if isinstance(text, str) else ""
    kind, *arguments = _parts(description.removeprefix(PROXIED))
    if description.startswith(PROXIED) and kind not in ("tcp", "tcp6"):
        raise ValueError(f'{EXPECTED_ENDPOINT}, as "haproxy:tcp:25" behind a load balancer')
    if kind.isdigit() and not arguments:
        raise ValueError(f'{EXPECTED_ENDPOINT} (write "tcp:{kind}")')
    if not _TYPE.fullmatch(kind) or not arguments:
        raise ValueError(EXPECTED_ENDPOINT)
    if kind in ("ssl", "tls"):
        raise ValueError(
            "a description without TLS, as tcp: (the service adds TLS itself, with the certificate of [tls])"
        )
    if kind in ("tcp", "tcp6"):
        _check_tcp(arguments)
    return Endpoint(description)


def port_of(endpoint: str) -> tuple[str, int] | None:
    """Interface ("": all) and port of a "tcp" or "tcp6" description, also behind a proxy; None for other types."""
    kind, *arguments = _parts(endpoint.removeprefix(PROXIED))
    if kind not in ("tcp", "tcp6"):
        return None
    named = _named(arguments)
    return named.get("interface", "" if kind == "tcp" else "::"), int(named["port"])


def _parts(text: str) -> list[str]:
    """Split a text at its unescaped colons; escapes stay. Raises ValueError."""
    parts = []
    position = 0
    while found := _PART.match(text, position):
        parts.append(found.group(1))
        position = found.end()
        if not found.group(0).endswith(":"):
            return parts
    raise ValueError(f"{EXPECTED_ENDPOINT} (it ends in a backslash)")


def _named(arguments: list[str]) -> dict[str, str]:
    """Arguments by name; an unnamed first one is the port. Raises ValueError."""
    named = {}
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not equals:
            if index:
                raise ValueError(
                    f"{EXPECTED_ENDPOINT} (an IPv6 interface is written with escaped colons: interface=\\:\\:1)"
                )
            name, value = "port", argument
        if name not in _TCP_NAMES or name in named:
            raise ValueError(EXPECTED_ENDPOINT)
        named[name] = _ESCAPE.sub(r"\1", value)
    return named


def _check_tcp(arguments: list[str]) -> None:
    named = _named(arguments)
    port = named.get("port", "")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError(f"{EXPECTED_ENDPOINT} (a port is a number from 0 to 65535)")
    backlog = named.get("backlog", "50")
    if not (backlog.isascii() and backlog.isdigit() and len(backlog) <= 6):
        raise ValueError(f"{EXPECTED_ENDPOINT} (a backlog is a number)")
    try:
        ipaddress.ip_address(named.get("interface", "::") or "::")
    except ValueError:
        raise ValueError(f"{EXPECTED_ENDPOINT} (an interface is an IP address)") from None
