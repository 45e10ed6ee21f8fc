"""Signature fields of DKIM and ARC, parsed from tag lists (RFC 6376 §3.2, §3.5)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.address import AddressError, ascii_domain, parse_domain
from mailstack.policy.authentication.canonical import BodyForm

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_BLANK = " \t\r\n"
_VALUE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f;]*\Z")


class MalformedTags(ValueError):
    """Malformed tag list; str() has the position."""


def read_tags(text: str) -> dict[str, str]:
    """Values by tag, without surrounding white space; names keep their case.

    Raises MalformedTags, also for a repeated tag.
    """
    found: dict[str, str] = {}
    pieces = text.split(";")
    if not pieces[-1].strip(_BLANK):
        pieces.pop()
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name, value = name.strip(_BLANK), value.strip(_BLANK)
        if not equals or not _NAME.match(name) or not _VALUE.match(value):
            raise MalformedTags(f"no tag and value: {piece.strip(_BLANK)[:40]!r}")
        if name in found:
            raise MalformedTags(f"{name}= is repeated")
        found[name] = value
    return found


def remove_blanks(value: str) -> str:
    """Value without white space, as base64 that was folded."""
    return "".join(value.split())


def items(value: str) -> list[str]:
    """Values between colons, as in h= and t=, in lower case."""
    return [item.strip(_BLANK).lower() for item in value.split(":")]


Result = Literal["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"]
"""Result of a signature (RFC 8601 §2.7.1)."""

ALGORITHMS = ("rsa-sha256", "ed25519-sha256")
"""Accepted algorithms (RFC 8301 §3.1, RFC 8463 §3); rsa-sha1 is never valid."""
MAX_FIELD = 16384
"""Maximum octets of a signature field."""
MAX_SELECTOR = 200
_NUMBER = re.compile(r"[0-9]{1,15}\Z")
_SELECTOR = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\Z")
_FORMS = {"simple": False, "relaxed": True}


class InvalidSignature(Exception):
    """Signature that is invalid with any key."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


class Signature(Struct, frozen=True):
    """Parsed signature field. The domain is in A-labels and lower case."""

    field: bytes
    """Field as in the letter."""
    algorithm: str
    domain: str
    selector: str
    names: tuple[str, ...]
    """Names of the signed header fields, in order and lower case; empty in a seal."""
    relaxed: bool
    """Whether header fields are in relaxed canonical form."""
    body: BodyForm | None
    body_hash: bytes
    value: bytes
    """The signature itself."""
    identity: str = ""
    """Domain in i= of DKIM."""
    instance: int = 0
    """Value of i= in ARC."""
    chain: str = ""
    """Value of cv= in a seal."""
    signed_at: int | None = None
    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Domain name of the public key (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def read_dkim(field: bytes) -> Signature:
    """Parses a DKIM-Signature (RFC 6376 §3.5, §6.1.1). Raises InvalidSignature."""
    tags = _tags(field)
    if tags.get("v") != "1":
        raise InvalidSignature("neutral", "v= is not 1")
    signature = _read(field, tags)
    if "from" not in signature.names:
        raise InvalidSignature("permerror", "From is not signed")
    if "dns/txt" not in items(tags.get("q", "dns/txt")):
        raise InvalidSignature("permerror", "its key is not in the DNS")
    _, at, host = tags.get("i", f"@{signature.domain}").rpartition("@")
    identity = _domain(host)
    if not at or not is_within(identity, signature.domain):
        raise InvalidSignature("permerror", f"i= is not within d={signature.domain}")
    return replace(signature, identity=identity)


def read_message_signature(field: bytes) -> Signature:
    """Parses an ARC-Message-Signature (RFC 8617 §4.1.2). Raises InvalidSignature."""
    tags = _tags(field)
    signature = _read(field, tags, instance=_instance(tags))
    if "arc-seal" in signature.names or "from" not in signature.names:
        raise InvalidSignature("permerror", "it signs an ARC-Seal, or no From")
    return signature


def read_seal(field: bytes) -> Signature:
    """Parses an ARC-Seal (RFC 8617 §4.1.3): only header fields, always relaxed. Raises InvalidSignature."""
    tags = _tags(field)
    if "h" in tags or "bh" in tags:
        raise InvalidSignature("permerror", "a seal with h= or bh=")
    chain = tags.get("cv", "").lower()
    if chain not in ("none", "pass", "fail"):
        raise InvalidSignature("permerror", "cv= is missing")
    return Signature(
        field=field,
        algorithm=_algorithm(tags),
        domain=_domain(_needed(tags, "d")),
        selector=_selector(tags),
        names=(),
        relaxed=True,
        body=None,
        body_hash=b"",
        value=_base64(_needed(tags, "b")),
        instance=_instance(tags),
        chain=chain,
        signed_at=_number(tags, "t"),
    )


def _read(field: bytes, tags: dict[str, str], instance: int = 0) -> Signature:
    default = "simple/simple" if not instance else "relaxed/relaxed"
    header_form, _, body_form = tags.get("c", default).lower().partition("/")
    body_form = body_form or "simple"
    if header_form not in _FORMS or body_form not in _FORMS:
        raise InvalidSignature("permerror", "c= is unknown")
    names = tuple(items(_needed(tags, "h")))
    signed_at, expires = _number(tags, "t"), _number(tags, "x")
    if signed_at is not None and expires is not None and expires <= signed_at:
        raise InvalidSignature("permerror", "x= is before t=")
    return Signature(
        field=field,
        algorithm=_algorithm(tags),
        domain=_domain(_needed(tags, "d")),
        selector=_selector(tags),
        names=names,
        relaxed=_FORMS[header_form],
        body=BodyForm(_FORMS[body_form], _number(tags, "l")),
        body_hash=_base64(_needed(tags, "bh")),
        value=_base64(_needed(tags, "b")),
        instance=instance,
        signed_at=signed_at,
        expires=expires,
    )


def _tags(field: bytes) -> dict[str, str]:
    if len(field) > MAX_FIELD:
        raise InvalidSignature("neutral", "it is too long")
    try:
        return read_tags(field.partition(b":")[2].decode())
    except UnicodeDecodeError:
        raise InvalidSignature("neutral", "it is not UTF-8") from None
    except MalformedTags as error:
        raise InvalidSignature("neutral", str(error)) from None


def _needed(tags: dict[str, str], name: str) -> str:
    if not tags.get(name):
        raise InvalidSignature("neutral", f"{name}= is missing")
    return tags[name]


def _algorithm(tags: dict[str, str]) -> str:
    algorithm = _needed(tags, "a").lower()
    if algorithm not in ALGORITHMS:
        raise InvalidSignature("permerror", f"a={algorithm[:20]} is not taken")
    return algorithm


def _domain(text: str) -> str:
    try:
        domain = ascii_domain(parse_domain(remove_blanks(text))).lower()
    except AddressError:
        raise InvalidSignature("neutral", "it has an invalid domain") from None
    if domain.startswith("["):
        raise InvalidSignature("neutral", "it has an invalid domain")
    return domain


def _selector(tags: dict[str, str]) -> str:
    selector = remove_blanks(_needed(tags, "s"))
    if not is_selector(selector):
        raise InvalidSignature("neutral", "s= is not a selector")
    return selector.lower()


def is_selector(text: str) -> bool:
    """Whether a text is a selector (RFC 6376 §3.1)."""
    return len(text) <= MAX_SELECTOR and _SELECTOR.match(text) is not None


def _instance(tags: dict[str, str]) -> int:
    instance = _number(tags, "i")
    if instance is None or not 1 <= instance <= 50:
        raise InvalidSignature("permerror", "i= is not from 1 to 50")
    return instance


def _number(tags: dict[str, str], name: str) -> int | None:
    text = tags.get(name)
    if text is None:
        return None
    if not _NUMBER.match(text):
        raise InvalidSignature("neutral", f"{name}= is not a number")
    return int(text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(remove_blanks(text), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSignature("neutral", "it is not base64") from None


def is_within(domain: str, parent: str) -> bool:
    """Whether a domain is `parent` or a subdomain of it."""
    return domain == parent or domain.endswith("." + parent)
