"""TLSRPT record of a domain: the addresses of its reports (RFC 8460 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from mailstack.letter import Address, AddressError

MAX_ADDRESSES = 5
"""Maximum number of addresses of a record that get reports."""

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;")
_RUA = re.compile(r"[ \t]*rua[ \t]*=([^;]*)\Z")
_URI = re.compile(r"[!-~]{1,1000}\Z")


class Rua(Struct, frozen=True):
    """Address for reports."""

    uri: str
    """URI as in the record."""
    mailbox: Address | None = None
    """Mailbox of a mailto: URI; None for an https: URI."""


def read_record(texts: Iterable[str]) -> tuple[Rua, ...]:
    """Return the addresses for reports from the TXT records of `_smtp._tls.DOMAIN`; none unless exactly one is valid.

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
    return tuple(found.values())[:MAX_ADDRESSES]


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
