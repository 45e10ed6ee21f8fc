"""Mailbox address: local part and domain (RFC 5321 §4.1.2), xtext and unitext (RFC 3461)."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

from msgspec import Struct

MAX_LOCAL_PART = 64
"""Maximum octets of a local part (RFC 5321 §4.5.3.1.1)."""
MAX_DOMAIN = 255
"""Maximum octets of a domain (RFC 5321 §4.5.3.1.2)."""

# RFC 5321 §4.1.2: Local-part = Dot-string / Quoted-string; Domain = sub-domain *("." sub-domain).
# An underscore in a domain is invalid, but real hosts have it.
# RFC 6531 §3.3 adds non-ASCII characters to atext and qtextSMTP, and U-labels (RFC 5890 §2.3.2.1) to domains.
_NON_ASCII = "\x80-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_NON_ASCII}-]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*\Z")
_QUOTED_STRING = re.compile(rf'"((?:[ !#-\[\]-~{_NON_ASCII}]|\\[ -~])*)"\Z')
# A label of more than 63 octets can't be looked up (RFC 1035 §2.3.4).
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?\Z")


_INVALID_DOMAIN = "the domain is not a name of letters, digits, hyphens and dots"


class AddressError(ValueError):
    """The text is not an address; str() is the reason."""


class Address(Struct, frozen=True):
    """One mailbox. The local part is case-sensitive (RFC 5321 §2.4) and is stored without quotes."""

    local: str
    domain: str
    """Domain as written: a name with A-labels or U-labels, without a final dot; or a literal in brackets; or ""
    for the bare `postmaster` (§4.5.1)."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `local@domain`, in ASCII or UTF-8; raises AddressError."""
        return _parse(text)

    @property
    def key(self) -> str:
        """Key for comparison of local addresses: case-folded, without quotes (RFC 5321 §2.4 leaves this to the host).

        The local part is in form NFC (RFC 6532 §3.1), the domain in A-labels.
        """
        return _key(self.local, self.domain)

    @property
    def ascii_domain(self) -> str:
        """The domain with A-labels, as in the DNS (RFC 5890 §2.3.2.1)."""
        return self.domain if self.domain.isascii() else ascii_domain(self.domain)

    @property
    def is_ascii(self) -> bool:
        """Whether the address needs no SMTPUTF8; see `with_a_labels`."""
        return self.local.isascii()

    @property
    def with_a_labels(self) -> Address:
        """The same mailbox with the domain in A-labels, for hosts without SMTPUTF8; see `is_ascii`."""
        return self if self.domain.isascii() else Address(self.local, self.ascii_domain)

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an address literal, `[192.0.2.1]`."""
        return self.domain.startswith("[")

    def __str__(self) -> str:
        return _written(self.local, self.domain)


@lru_cache(maxsize=8192)  # the same addresses recur all day
def _parse(text: str) -> Address:
    local, at, domain = _split(text)
    if not at:
        raise AddressError("an address needs a local part, an @ and a domain")
    if len(local) > MAX_LOCAL_PART + 2:
        raise AddressError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    return Address(parse_local_part(local), parse_domain(domain))


@lru_cache(maxsize=8192)
def _key(local: str, domain: str) -> str:
    if not local.isascii():
        # Case folding can undo the normal form, so it is applied again.
        local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
    return f"{local.lower()}@{ascii_domain(domain).lower()}"


@lru_cache(maxsize=8192)
def _written(local: str, domain: str) -> str:
    if not _DOT_STRING.match(local):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{domain}" if domain else local


ReversePath = Address | None
"""Address for bounces; None is the null reverse-path `<>` (RFC 5321 §4.5.5)."""


def key_of(text: str) -> str:
    """Address.key of a text; of a text other than an address, the text in lower case."""
    try:
        return Address.parse(text).key
    except AddressError:
        return text.casefold()


def _split(text: str) -> tuple[str, str, str]:
    """Local part, "@" or "", and domain, split at the first @ after a leading quoted string."""
    if text.startswith('"'):
        end = 1
        while end < len(text) and text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        return text[: end + 1], text[end + 1 : end + 2] if text[end + 1 : end + 2] == "@" else "", text[end + 2 :]
    return text.partition("@")


def parse_local_part(text: str) -> str:
    """The local part without its quotes; raises AddressError."""
    if not text.isascii() and not text.isprintable():
        raise AddressError("the local part has unprintable characters")
    if _DOT_STRING.match(text):
        local = text
    elif quoted := _QUOTED_STRING.match(text):
        local = re.sub(r"\\(.)", r"\1", quoted.group(1))
    else:
        raise AddressError("the local part is neither a dot-string nor a quoted string")
    if not local:
        raise AddressError("the local part is empty")
    if len(local.encode()) > MAX_LOCAL_PART:
        raise AddressError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    return local


def parse_domain(text: str) -> str:
    """A domain name, with A-labels or U-labels, or an address literal, without a final dot; raises AddressError."""
    if text.startswith("["):
        return _parse_literal(text)
    if len(text) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    if not text.isascii():
        ascii_domain(text.removesuffix("."))
    elif not _DOMAIN.match(text):
        raise AddressError(_INVALID_DOMAIN)
    return text.rstrip(".")


@lru_cache(maxsize=8192)
def ascii_domain(domain: str) -> str:
    """The domain with A-labels in place of U-labels, which are case-folded (RFC 5895 §2); raises AddressError."""
    if domain.isascii():
        return domain
    labels = [label if label.isascii() else _a_label(label) for label in domain[: MAX_DOMAIN + 1].split(".")]
    name = ".".join(labels)
    if not _DOMAIN.match(name) or len(domain) > MAX_DOMAIN or len(name) > MAX_DOMAIN:
        raise AddressError(_INVALID_DOMAIN)
    return name


def _a_label(label: str) -> str:
    import idna  # noqa: PLC0415  # large, and rarely needed

    try:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).lower())
        return idna.alabel(folded).decode()
    except UnicodeError:  # idna.IDNAError is one
        text = label if label.isprintable() else ascii(label)
        raise AddressError(f"the label {text} of the domain is invalid (RFC 5891)") from None


def _parse_literal(text: str) -> str:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3)."""
    if not text.endswith("]"):
        raise AddressError("the address literal has no closing bracket")
    literal = text[1:-1]
    if "%" in literal:
        raise AddressError("the address literal has a zone, which has a meaning on one host only")
    try:
        if literal[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(literal[5:])}]"
        return f"[{ipaddress.IPv4Address(literal)}]"
    except ValueError:
        raise AddressError("the address literal is neither [IPv4] nor [IPv6:address]") from None


# xchar is any printable ASCII but "+" and "="; other characters are "+" and two hexadecimal digits.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_NOT_XCHAR = re.compile(r"[^!-*,-<>-~]")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{1,6})\}")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")


def decode_xtext(text: str) -> str | None:
    """The decoded text; None for invalid xtext, or for a result other than printable ASCII."""
    if not _XTEXT.match(text):
        return None
    decoded = _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)
    return decoded if decoded.isascii() and decoded.isprintable() else None


def xtext(text: str) -> str:
    """ASCII text encoded as xtext (RFC 3461 §4)."""
    return _NOT_XCHAR.sub(lambda match: f"+{ord(match[0]):02X}", text)


def encode_unitext(text: str) -> str:
    r"""An address as 7-bit unitext: each non-ASCII character as `\x{…}` (RFC 6533 §3)."""
    return "".join([char if char.isascii() else f"\\x{{{ord(char):X}}}" for char in text])


def decode_unitext(text: str) -> str:
    """Inverse of `encode_unitext`; also decodes the `+XX` of xtext. Unprintable characters become "?"."""
    return _HEXCHAR.sub(_character, _EMBEDDED.sub(_character, text))


def _character(match: re.Match[str]) -> str:
    character = chr(min(int(match[1], 16), 0x10FFFF))
    return character if character.isprintable() else "?"
