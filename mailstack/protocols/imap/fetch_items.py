"""Fetch items of IMAP (RFC 3501 §6.4.5, RFC 3516, RFC 8970)."""

from __future__ import annotations

from msgspec import Struct


class FetchAttribute(Struct, frozen=True):
    """Item with a fixed name; ALL, FAST and FULL are expanded by the parser."""

    name: str
    """FLAGS, UID, INTERNALDATE, RFC822.SIZE, ENVELOPE, BODY, BODYSTRUCTURE, MODSEQ, SAVEDATE, EMAILID, THREADID."""


class BodySection(Struct, frozen=True):
    """BODY[…], and RFC822, RFC822.HEADER, RFC822.TEXT under their own `label`."""

    part: tuple[int, ...] = ()
    """Part numbers; empty for the message itself."""
    text: str = ""
    """"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "MIME" or "TEXT"."""
    fields: tuple[str, ...] = ()
    """Field names of HEADER.FIELDS as the client wrote them."""
    partial: tuple[int, int] | None = None
    """First octet and maximum octets."""
    sets_seen: bool = True
    r"""Whether the fetch sets \Seen: not for PEEK and RFC822.HEADER."""
    label: str = ""
    """Name in the response, "RFC822" for example; "" for BODY[…]."""


class BinarySection(Struct, frozen=True):
    """BINARY[…], BINARY.PEEK[…] and BINARY.SIZE[…] (RFC 3516 §4)."""

    part: tuple[int, ...]
    partial: tuple[int, int] | None = None
    sets_seen: bool = True
    size_only: bool = False


class Preview(Struct, frozen=True):
    """PREVIEW (RFC 8970)."""

    is_lazy: bool = False


FetchItem = FetchAttribute | BodySection | BinarySection | Preview
