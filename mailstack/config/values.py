"""Values of settings beyond text and numbers: their types and parsers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NewType
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from mailstack.config.syntax import Endpoint, Size, SizeOrNone, read_endpoint, read_size, read_size_or_none
from mailstack.letter import Address, AddressError, times
from mailstack.letter.address import ascii_domain, parse_domain
from mailstack.letter.envelope import HostPort
from mailstack.letter.patterns import address_pattern, domain_pattern
from mailstack.policy.authentication.signature import is_selector
from mailstack.policy.networks import is_network
from mailstack.protocols.log import Redacted
from mailstack.protocols.smtp.extensions import OFFERED
from mailstack.relay.routes import RouteTarget, SmartHost

Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
CountOrNone = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")]
Port = Annotated[int, Meta(ge=1, le=65535, description="a whole number from 1 to 65535")]
Priority = Annotated[int, Meta(ge=-9, le=9, description="a whole number from -9 to 9")]
PortOrNone = Annotated[int, Meta(ge=0, le=65535, description="a whole number from 0 to 65535")]
Percent = Annotated[int, Meta(ge=1, le=100, description="a whole number from 1 to 100")]
Rounds = Annotated[int, Meta(ge=4, le=20, description="a whole number from 4 to 20")]
PasswordLength = Annotated[int, Meta(ge=1, le=72, description="a whole number from 1 to 72")]
Iterations = Annotated[int, Meta(ge=4096, le=10_000_000, description="a whole number from 4096 to 10000000")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Attempts = Annotated[int, Meta(ge=1, le=10, description="a whole number from 1 to 10")]
Threads = Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64")]

Domain = NewType("Domain", str)
"""A domain name in lower case and A-labels, without a final dot, or an address literal in brackets."""
DomainPattern = NewType("DomainPattern", str)
"""A domain, "*." and a domain for every name beneath it, or "*", as parsed by `mailstack.letter.patterns`."""
HostName = NewType("HostName", str)
"""A domain name in lower case; empty in a file for the machine's own name."""
Network = NewType("Network", str)
"""CIDR: "192.0.2.0/24", or one address."""
Blocked = NewType("Blocked", str)
"""Entry of a block list, in lower case: a network, a host name, an address, or "@" and a domain."""
AddressPattern = NewType("AddressPattern", str)
"""A pattern of addresses, as parsed by `mailstack.letter.patterns`."""
IpText = NewType("IpText", str)
"""An IP address in text; empty for none."""

HookName = NewType("HookName", str)
"""Name of a webhook in commands; empty for none."""
WebUrl = NewType("WebUrl", str)
"""An http or https URL without user, password and fragment; empty for none."""
WebRoot = NewType("WebRoot", str)
"""Path of the web interface, with a slash at both ends."""

Origin = NewType("Origin", str)
"""Scheme, host and port of a web page, as a browser names it (RFC 6454): "http://localhost:3000"."""

Keyword = NewType("Keyword", str)
"""A keyword of EHLO, in upper case."""
Selector = NewType("Selector", str)
"""Selector of a DKIM key (RFC 6376 §3.1), in lower case; empty for none."""
FieldName = NewType("FieldName", str)
"""The name of a header field, in lower case."""


SchemaName = NewType("SchemaName", str)
"""PostgreSQL schema; empty for the first one in the role's search_path."""
NodeName = NewType("NodeName", str)
"""Name of a node of a deployment; empty for a generated name."""


class StoreName(Redacted, frozen=True):
    """Location of the store of letters and accounts."""

    SECRETS: ClassVar[tuple[str, ...]] = ("url",)

    url: str = ""
    """PostgreSQL's, which may have a password; empty: SQLite in the data directory."""


class Owner(Struct, frozen=True):
    """Account that a client certificate belongs to."""

    sha256: str
    """SHA-256 fingerprint of the certificate, in lower case hexadecimal."""
    account: Address


class ImapFolder(Struct, frozen=True):
    """Folder that each account has from its first login on."""

    path: str
    use: str
    """Special use such as "\\Sent" (RFC 6154); "" without one."""


DNS_PORT = 53
_HOOK_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
_SCHEMA_NAME = re.compile(r"(?:[a-z_][a-z0-9_]{0,62})?\Z")
_NODE_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62})?\Z")
_POSTGRESQL = re.compile(r"postgres(?:ql)?://[!-~]{0,2000}\Z")
_WEB_ROOT = re.compile(r"[A-Za-z0-9/_.@-]{0,200}")
_WEB_URL = re.compile(r"https?://[!-~]{1,2000}\Z")
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_FIELD_NAME = re.compile(r"[!-9;-~]+\Z")
"""RFC 5322 §3.6.8."""


def read_domain(text: object) -> Domain:
    """Raises ValueError."""
    try:
        return Domain(ascii_domain(parse_domain(text if isinstance(text, str) else "")).lower())
    except AddressError as error:
        raise ValueError(f'a domain name such as "home.test" ({error})') from None


def read_domain_pattern(text: object) -> DomainPattern:
    """Raises ValueError."""
    return DomainPattern(domain_pattern(text if isinstance(text, str) else ""))


def read_address_pattern(text: object) -> AddressPattern:
    """Raises ValueError."""
    return AddressPattern(address_pattern(text if isinstance(text, str) else ""))


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


def read_blocked(text: object) -> Blocked:
    """Raises ValueError."""
    text = text if isinstance(text, str) else ""
    try:
        if is_network(text):
            return Blocked(read_network(text))
        if text.startswith("@"):
            return Blocked("@" + read_domain(text[1:]))
        return Blocked(read_address(text).key if "@" in text else read_domain(text))
    except ValueError:
        expected = (
            'a network ("192.0.2.0/24"), a host name ("spam.test"), an address, or all of a domain ("@spam.test")'
        )
        raise ValueError(expected) from None


def read_ip(text: object) -> IpText:
    """Raises ValueError."""
    if text == "":
        return IpText("")
    try:
        return IpText(str(ipaddress.ip_address(text if isinstance(text, str) else "")))
    except ValueError:
        raise ValueError('an IP address such as "192.0.2.1"') from None


def read_nameserver(text: object) -> HostPort:
    """An IP address, with a port if it isn't 53. Raises ValueError."""
    expected = 'the IP address of a name server, as "127.0.0.1", "127.0.0.1:5353" or "[::1]:5353"'
    try:
        return HostPort(str(ipaddress.ip_address(text if isinstance(text, str) else "")), DNS_PORT)
    except ValueError:
        pass
    try:
        where = RouteTarget.parse(text if isinstance(text, str) and "//" not in text else "")
        return HostPort(str(ipaddress.ip_address(where.host)), where.port)
    except ValueError:
        raise ValueError(expected) from None


def read_smart_host(text: object) -> SmartHost:
    """Raises ValueError without the password. A password missing in the URL is "" until its file is read."""
    return SmartHost.parse(text, password="")


def read_hook_name(text: object) -> HookName:
    """Raises ValueError."""
    if not isinstance(text, str) or not _HOOK_NAME.match(text):
        raise ValueError('a name such as "billing" (up to 40 letters, digits, hyphens and underscores)')
    return HookName(text)


def read_store_name(text: object) -> StoreName:
    """Raises ValueError without the text, which may contain a password."""
    if text == "sqlite":
        return StoreName()
    if not isinstance(text, str) or not _POSTGRESQL.match(text):
        raise ValueError('"sqlite", or a URL such as "postgresql://mailstack@db.home.test/mailstack"')
    return StoreName(text)


def read_schema_name(text: object) -> SchemaName:
    """Raises ValueError."""
    if not isinstance(text, str) or not _SCHEMA_NAME.match(text):
        raise ValueError('a name such as "mailstack" (lower case letters, digits and underscores)')
    return SchemaName(text)


def read_node_name(text: object) -> NodeName:
    """Raises ValueError."""
    if not isinstance(text, str) or not _NODE_NAME.match(text):
        raise ValueError('a name such as "mx1" (letters, digits, dots, hyphens and underscores)')
    return NodeName(text)


def read_web_url(text: object) -> WebUrl:
    """Parses an http or https URL without credentials or fragment. Raises ValueError."""
    expected = 'a URL such as "https://hooks.example.org/mail", without user and password'
    if not isinstance(text, str) or not _WEB_URL.match(text):
        raise ValueError(expected)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(expected) from None
    if not host or port == 0 or parts.username is not None or parts.fragment:
        raise ValueError(expected)
    return WebUrl(text)


def read_web_root(text: object) -> WebRoot:
    """Returns the path with a slash at both ends. Raises ValueError."""
    if not isinstance(text, str) or not _WEB_ROOT.fullmatch(text):
        raise ValueError('a path such as "/mail/" (letters, digits, and - _ . @ between slashes)')
    parts = [part for part in text.split("/") if part]
    if any(not part.strip(".") for part in parts):
        raise ValueError('a path such as "/mail/", and no dots alone')
    return WebRoot("/" + "".join(f"{part}/" for part in parts))


def read_origin(text: object) -> Origin:
    """Raises ValueError."""
    if not isinstance(text, str) or not _ORIGIN.match(text.lower()):
        raise ValueError('the origin of a web page such as "http://localhost:3000", without a path')
    return Origin(text.lower())


def read_keyword(text: object) -> Keyword:
    """Parses the name of an SMTP extension. Raises ValueError."""
    keywords = sorted(extension.keyword for extension in OFFERED)
    if not isinstance(text, str) or text.upper() not in keywords:
        raise ValueError(f"one of {', '.join(keywords)}")
    return Keyword(text.upper())


def read_owner(text: object) -> Owner:
    """Raises ValueError."""
    fingerprint, _, account = (text if isinstance(text, str) else "").strip().partition(" ")
    digits = fingerprint.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError('a SHA-256 fingerprint and an account, as "3F:A2:… bob@home.test"')
    return Owner(digits, read_address(account.strip()))


_SPECIAL_USES = ("Archive", "Drafts", "Junk", "Sent", "Trash")


def read_imap_folder(text: object) -> ImapFolder:
    """Raises ValueError."""
    path, _, use = (text if isinstance(text, str) else "").partition(":")
    attribute = use.strip().capitalize()
    levels = path.split("/")
    if not all(levels) or not path.isprintable() or any(letter in path for letter in "%*") or path.upper() == "INBOX":
        raise ValueError('a folder name and its special use, as "Sent:sent"')
    if attribute and attribute not in _SPECIAL_USES:
        raise ValueError(f'a folder name with one of the uses {", ".join(_SPECIAL_USES).lower()}, as "Sent:sent"')
    return ImapFolder(path, f"\\{attribute}" if attribute else "")


def read_address(text: object) -> Address:
    """Raises ValueError."""
    try:
        return Address.parse(text if isinstance(text, str) else "")
    except AddressError as error:
        raise ValueError(f'an address such as "alice@home.test" ({error})') from None


def read_selector(text: object) -> Selector:
    """Raises ValueError."""
    if not isinstance(text, str) or not is_selector(text):
        raise ValueError('a selector such as "s2026" (letters, digits and hyphens)')
    return Selector(text.lower())


def read_field_name(text: object) -> FieldName:
    """Raises ValueError."""
    if not isinstance(text, str) or not _FIELD_NAME.match(text):
        raise ValueError('the name of a header field such as "subject"')
    return FieldName(text.lower())


def read_path(text: object) -> Path:
    """Raises ValueError."""
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("a path, in quotes")
    return Path(text)


READERS: dict[Any, Callable[[object], Any]] = {
    times.Duration: times.read_duration,
    Size: read_size,
    SizeOrNone: read_size_or_none,
    Endpoint: read_endpoint,
    Domain: read_domain,
    DomainPattern: read_domain_pattern,
    AddressPattern: read_address_pattern,
    HostName: read_host_name,
    Network: read_network,
    Blocked: read_blocked,
    IpText: read_ip,
    HostPort: read_nameserver,
    SmartHost: read_smart_host,
    Keyword: read_keyword,
    Origin: read_origin,
    HookName: read_hook_name,
    WebUrl: read_web_url,
    WebRoot: read_web_root,
    Selector: read_selector,
    StoreName: read_store_name,
    SchemaName: read_schema_name,
    NodeName: read_node_name,
    FieldName: read_field_name,
    Address: read_address,
    Owner: read_owner,
    ImapFolder: read_imap_folder,
    Path: read_path,
}
"""Parsers by type. The text of their ValueError follows "expected "."""
