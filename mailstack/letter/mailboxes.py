"""The addresses in a From, Sender, To or Cc field (RFC 5322 §3.4), found in whatever stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailstack.letter.address import Address, AddressError

# One piece of a field's body: a quoted pair, a quoted string, what stands in angle brackets, a comma or the like, other
# text. Each alternative is possessive, so that no input makes it try again; a bracket without its end is text, and a
# quote without its end is not met, for pairs are taken here as in _without_comments.
_PIECE = re.compile(
    rb'\\.|"(?:[^"\\]|\\.)*+"|<(?:[^<>"\\]|\\.|"(?:[^"\\]|\\.)*+")*+>|[,;:]|[^"\\,;:<()\s]++|[\s]++|.', re.DOTALL
)
_LONGEST = 65536
"""Octets of a field that is read; no list of authors comes near it."""
AUTHORS = 8192
"""Octets of all From fields of a letter that are read: some hundred authors. What is made to take long takes a millisecond a kilobyte."""
_SPECIAL = (b",", b";", b":")


def authors_in(section: Iterable[tuple[bytes, bytes]]) -> list[tuple[Address, ...] | None]:
    """What each From field of a header section names, as `addresses_in`; None for those beyond AUTHORS octets, too."""
    found: list[tuple[Address, ...] | None] = []
    left = AUTHORS
    for name, field in section:
        if name == b"from":
            body = field.partition(b":")[2]
            left -= len(body)
            found.append(addresses_in(body) if left >= 0 else None)
    return found


def addresses_in(body: bytes, domain: str = "") -> tuple[Address, ...] | None:
    """Every address of a mailbox list or group; None when a part of it is no address, or it is not to be read.

    A name without a domain is completed with `domain`, if that is given.

    Comments are left out, and so are display names: only what a letter would be sent to counts.
    """
    text = _without_comments(body) if len(body) <= _LONGEST else None
    if text is None:
        return None
    found: list[Address] = []
    bare, bracketed = b"", b""
    for piece in [*_PIECE.findall(text), b","]:
        if piece.startswith(b"<") and len(piece) > 1:
            if bracketed:
                return None
            bracketed = piece[1:-1]
        elif piece == b":":
            bare = b""  # what stood before it is the name of a group
        elif piece in _SPECIAL:
            part = (bracketed or bare).strip()
            if part:
                try:
                    found.append(_address(part.decode("utf-8", "surrogateescape"), domain))
                except AddressError:
                    return None
            bare, bracketed = b"", b""
        else:
            bare += piece
    return tuple(found)


def _address(text: str, domain: str) -> Address:
    """Raises AddressError."""
    return Address.parse(f"{text}@{domain}" if domain and "@" not in text else text)


def _without_comments(body: bytes) -> bytes | None:
    """The body with a blank for each comment; None when parentheses or quotes don't match."""
    kept, depth, quoted, at = bytearray(), 0, False, 0
    while at < len(body):
        octet = body[at : at + 1]
        if octet == b"\\":
            octet = body[at : at + 2]
        elif octet == b'"' and not depth:
            quoted = not quoted
        elif octet == b"(" and not quoted:
            depth += 1
        elif octet == b")" and not quoted:
            depth -= 1
            if depth < 0:
                return None
            at += 1
            kept += b" "
            continue
        if not depth:
            kept += octet
        at += len(octet)
    return None if depth or quoted else bytes(kept)
