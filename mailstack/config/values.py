"""Settings that are more than text or a number: how each is read, and how it is named to people."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, NewType
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from mailstack.config import durations, endpoints, sizes
from mailstack.letter import Address, AddressError
from mailstack.letter.address import parse_domain
from mailstack.wire import HostPort

Domain = NewType("Domain", str)
"""A domain name in lower case without a final dot, or an address literal in brackets."""
HostName = NewType("HostName", str)
"""A domain name in lower case; empty in a file for the machine's own name."""
Network = NewType("Network", str)
"""CIDR: "192.0.2.0/24", or one address."""
IpText = NewType("IpText", str)
"""An IP address in text; empty for none."""

DNS_PORT = 53


@frozen
class HostAndPort:
    """A host that is called, by name or by IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class SmartHost:
    """The host that every outbound letter goes to."""

    host: str
    port: int
    implicit_tls: bool
    """smtps: TLS from the first octet (RFC 8314 §3.3); otherwise STARTTLS."""
    user: str = ""
    """Empty: no AUTH."""
    password: str = field(default="", repr=False)


def read_domain(text: object) -> Domain:
    """Raises ValueError."""
    try:
        return Domain(parse_domain(text if isinstance(text, str) else "").lower())
    except AddressError as error:
        raise ValueError(f'a domain name such as "home.test" ({error})') from None


def read_host_name(text: object) -> HostName:
    """Raises ValueError."""
    if text == "":
        return HostName("")
    if isinstance(text, str) and text.startswith("["):
        raise ValueError('a host name such as "mx.home.test"')
    return HostName(read_domain(text))


def read_network(text: object) -> Network:
    """Raises ValueError, also when bits are set behind the mask: then something else was meant."""
    try:
        return Network(str(ipaddress.ip_network(text if isinstance(text, str) else "")))
    except ValueError:
        raise ValueError('a network such as "192.0.2.0/24", "2001:db8::/32" or "127.0.0.1"') from None


def read_ip(text: object) -> IpText:
    """Raises ValueError."""
    if text == "":
        return IpText("")
    try:
        return IpText(str(ipaddress.ip_address(text if isinstance(text, str) else "")))
    except ValueError:
        raise ValueError('an IP address such as "192.0.2.1"') from None


def read_host_and_port(text: object) -> HostAndPort:
    """`host:port` or `[IPv6]:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not colon:
        raise ValueError('a host and a port such as "127.0.0.1:2525" or "[::1]:2525"')
    return HostAndPort(_host(host), _port(port))


def read_nameserver(text: object) -> HostPort:
    """An IP address, with a port if it isn't 53. Raises ValueError."""
    expected = 'the IP address of a name server, as "127.0.0.1", "127.0.0.1:5353" or "[::1]:5353"'
    try:
        return HostPort(str(ipaddress.ip_address(text if isinstance(text, str) else "")), DNS_PORT)
    except ValueError:
        pass
    try:
        where = read_host_and_port(text)
        return HostPort(str(ipaddress.ip_address(where.host)), where.port)
    except ValueError:
        raise ValueError(expected) from None


def read_smart_host(text: object) -> SmartHost:
    """`smtp://[user[:password]@]host[:port]` or `smtps://…`. Raises ValueError that never tells the password.

    Without a port it is 465 for smtps (RFC 8314 §7.3), 587 with a user (RFC 6409 §3.1), 25 without.
    """
    expected = 'a URL such as "smtp://user@host:587" or "smtps://user@host:465"'
    try:
        url = urlsplit(text if isinstance(text, str) else "")
        port, host = url.port, _host(url.hostname or "")
    except ValueError:
        raise ValueError(expected) from None
    if url.scheme not in ("smtp", "smtps") or url.path not in ("", "/") or url.query or url.fragment or port == 0:
        raise ValueError(expected)
    implicit = url.scheme == "smtps"
    user, password = unquote(url.username or ""), unquote(url.password or "")
    return SmartHost(host, port or (465 if implicit else 587 if user else 25), implicit, user, password)


def read_address(text: object) -> Address:
    """Raises ValueError."""
    try:
        return Address.parse(text if isinstance(text, str) else "")
    except AddressError as error:
        raise ValueError(f'an address such as "alice@home.test" ({error})') from None


def read_path(text: object) -> Path:
    """Raises ValueError."""
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("a path, in quotes")
    return Path(text)


def _host(text: str) -> str:
    """A domain name, or an IP address with or without brackets. Raises ValueError."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        return read_host_name(text or "[")
    except ValueError:
        raise ValueError("a host name or an IP address (IPv6 in brackets), a colon and a port") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("a host, a colon and a port from 1 to 65535")
    return int(text)


READERS: dict[Any, Callable[[object], Any]] = {
    durations.Duration: durations.read_duration,
    sizes.Size: sizes.read_size,
    endpoints.Endpoint: endpoints.read_endpoint,
    Domain: read_domain,
    HostName: read_host_name,
    Network: read_network,
    IpText: read_ip,
    HostAndPort: read_host_and_port,
    HostPort: read_nameserver,
    SmartHost: read_smart_host,
    Address: read_address,
    Path: read_path,
}
"""By the type in the model. The ValueError of each says what was expected, as "expected …, got …" needs it."""
