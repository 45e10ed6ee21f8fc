"""A mailbox address: local part and domain, as the envelope carries it (RFC 5321 §4.1.2, §4.1.3)."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from attrs import frozen

MAX_LOCAL_PART = 64
"""Octets, RFC 5321 §4.5.3.1.1."""
MAX_DOMAIN = 255
"""Octets, RFC 5321 §4.5.3.1.2."""

# RFC 5321 §4.1.2: Local-part = Dot-string / Quoted-string; Domain = sub-domain *("." sub-domain).
# An underscore in a domain is against the grammar, but real hosts have it and no harm comes of it.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\[ -~])*)"\Z')
# A label of more than 63 octets can't be looked up (RFC 1035 §2.3.4).
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?\Z")


class AddressError(ValueError):
    """The text is not an address; str() says what is wrong with it."""


@frozen
class Address:
    """One mailbox. The local part keeps its case (RFC 5321 §2.4) and is stored without quotes."""

    local: str
    domain: str
    """A domain name without a final dot, or a literal in brackets, or "" for the bare `postmaster` (§4.5.1)."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `local@domain`; raises AddressError."""
        return _parse(text)

    @property
    def key(self) -> str:
        """What local addresses are compared by: case folded, quotes gone (RFC 5321 §2.4 leaves that to the host)."""
        return _key(self.local, self.domain)

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an address literal, `[192.0.2.1]`."""
        return self.domain.startswith("[")

    def __str__(self) -> str:
        return _written(self.local, self.domain)


@lru_cache(maxsize=8192)  # the same people write and are written to all day
def _parse(text: str) -> Address:
    local, at, domain = _split(text)
    if not at:
        raise AddressError("an address needs a local part, an @ and a domain")
    if len(local) > MAX_LOCAL_PART + 2:
        raise AddressError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    return Address(parse_local_part(local), parse_domain(domain))


@lru_cache(maxsize=8192)
def _key(local: str, domain: str) -> str:
    return f"{local.lower()}@{domain.lower()}"


@lru_cache(maxsize=8192)
def _written(local: str, domain: str) -> str:
    if not _DOT_STRING.match(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{domain}" if domain else local


ReversePath = Address | None
"""Where bounces go; None is the null reverse-path `<>` (RFC 5321 §4.5.5)."""


def _split(text: str) -> tuple[str, str, str]:
    """Local part, "@" (or ""), domain: the @ that counts stands behind a quoted string, or is the first one."""
    if text.startswith('"'):
        end = 1
        while end < len(text) and text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        return text[: end + 1], text[end + 1 : end + 2] if text[end + 1 : end + 2] == "@" else "", text[end + 2 :]
    return text.partition("@")


def parse_local_part(text: str) -> str:
    """The local part without its quotes; raises AddressError."""
    if _DOT_STRING.match(text):
        local = text
    elif quoted := _QUOTED_STRING.match(text):
        local = re.sub(r"\\(.)", r"\1", quoted.group(1))
    else:
        raise AddressError("the local part is neither a dot-string nor a quoted string")
    if not local:
        raise AddressError("the local part is empty")
    if len(local) > MAX_LOCAL_PART:
        raise AddressError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    return local


def parse_domain(text: str) -> str:
    """A domain name or an address literal, as given but without a final dot; raises AddressError."""
    if text.startswith("["):
        return _parse_literal(text)
    if len(text) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    if not _DOMAIN.match(text):
        raise AddressError("the domain is not a name of letters, digits, hyphens and dots")
    return text.rstrip(".")


def _parse_literal(text: str) -> str:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3)."""
    if not text.endswith("]"):
        raise AddressError("the address literal has no closing bracket")
    literal = text[1:-1]
    if "%" in literal:
        raise AddressError("the address literal has a zone, which means nothing to others")
    try:
        if literal[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(literal[5:])}]"
        return f"[{ipaddress.IPv4Address(literal)}]"
    except ValueError:
        raise AddressError("the address literal is neither [IPv4] nor [IPv6:address]") from None
