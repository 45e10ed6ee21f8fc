"""A domain's TLSRPT record: who wants its reports (RFC 8460 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from mailstack.letter import Address, AddressError

MOST_ADDRESSES = 5
"""Of a record that are told."""

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;")
_RUA = re.compile(r"[ \t]*rua[ \t]*=([^;]*)\Z")
_URI = re.compile(r"[!-~]{1,1000}\Z")


class Rua(Struct, frozen=True):
    """One of them."""

    uri: str
    """As it is written."""
    mailbox: Address | None = None
    """Of a mailto: URI; else it is an https: URI."""


def read_record(texts: Iterable[str]) -> tuple[Rua, ...]:
    """Who is to get reports, by the TXT records of `_smtp._tls.DOMAIN`; nobody unless there is just one that can be read.

    URIs of other kinds are left out.
    """
    records = [text for text in texts if _RECORD.match(text)]
    if len(records) != 1:
        return ()
    found: dict[str, Rua] = {}
    for part in records[0].split(";")[1:]:
        if (rua := _RUA.match(part)) is not None:
            for text in rua[1].split(","):
                if (each := _read_uri(text.strip(" \t"))) is not None:
                    found.setdefault(each.uri, each)
    return tuple(found.values())[:MOST_ADDRESSES]


def _read_uri(text: str) -> Rua | None:
    if not _URI.match(text):
        return None
    scheme, _, rest = text.partition(":")
    if scheme.lower() == "mailto":
        try:
            mailbox = Address.parse(unquote(rest.partition("?")[0]))
        except AddressError:
            return None
        return Rua(text, mailbox) if mailbox.is_ascii else None
    if scheme.lower() != "https":
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return None
    return Rua(text) if usable else None
