"""ENVELOPE of a message: its main fields and addresses (RFC 3501 §7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailstack.letter.address_lists import Mailbox, read_address_list
from mailstack.protocols.imap.responses import nstring, string

NO_ENVELOPE = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
"""Envelope of a message without a header section."""

MAX_ADDRESSES = 2000
"""Maximum addresses of a field, and maximum groups; they take ten milliseconds."""

_GROUP_END = b"(NIL NIL NIL NIL)"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"?', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_AROUND_DOT = re.compile(rb"\s*+([.@])\s*+")


def envelope(fields: Mapping[bytes, bytes], *, utf8: bool = False) -> bytes:
    """The envelope from unfolded bodies of fields, by name in lower case.

    Sender and Reply-To default to From. With `utf8` the client takes UTF-8 in quoted strings (RFC 6855 §3).
    """
    authors = addresses(fields.get(b"from", b""), utf8=utf8)
    sender, reply_to, to, cc, bcc = [
        addresses(fields.get(name, b""), utf8=utf8) for name in (b"sender", b"reply-to", b"to", b"cc", b"bcc")
    ]
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.get(b"date"), utf8=utf8),
        nstring(fields.get(b"subject"), utf8=utf8),
        authors,
        authors if sender == b"NIL" else sender,
        authors if reply_to == b"NIL" else reply_to,
        to,
        cc,
        bcc,
        nstring(fields.get(b"in-reply-to"), utf8=utf8),
        nstring(fields.get(b"message-id"), utf8=utf8),
    )


def addresses(body: bytes, *, utf8: bool = False) -> bytes:
    """Address structures of a field's body; NIL without any.

    An address without a domain has an empty one: without a name and with NIL it would begin a group.
    """
    if not body:
        return b"NIL"
    listed = read_address_list(body, MAX_ADDRESSES)
    written: list[bytes] = []
    at = 0
    for group in listed.groups:
        written += [_address(mailbox, utf8=utf8) for mailbox in listed.mailboxes[at : group.start]]
        written.append(b"(NIL NIL %b NIL)" % string(unquoted(group.name), utf8=utf8))
        written += [_address(mailbox, utf8=utf8) for mailbox in listed.mailboxes[group.start : group.end]]
        written.append(_GROUP_END)
        at = group.end
    written += [_address(mailbox, utf8=utf8) for mailbox in listed.mailboxes[at:]]
    return b"(%b)" % b"".join(written) if written else b"NIL"


def _address(mailbox: Mailbox, *, utf8: bool) -> bytes:
    name = unquoted(mailbox.name).strip() if mailbox.name else b""
    local, domain = split_address(mailbox.text)
    return b"(%b %b %b %b)" % (
        nstring(name or None, utf8=utf8),
        nstring(mailbox.route or None, utf8=utf8),
        string(local, utf8=utf8),
        string(domain, utf8=utf8),
    )


def split_address(text: bytes) -> tuple[bytes, bytes]:
    """Local part without quotes, and domain, of the text of an address; either may be empty."""
    if text.startswith(b'"') and (quoted := _QUOTED.match(text)):
        local, rest = quoted[0], text[quoted.end() :].lstrip()
        if rest.startswith(b"@"):
            return unquoted(local), _compact(rest[1:])
    local, at, domain = text.rpartition(b"@")
    return (unquoted(_compact(local)), _compact(domain)) if at else (unquoted(_compact(text)), b"")


def unquoted(phrase: bytes) -> bytes:
    """A phrase without its quotes and escapes; encoded words remain (RFC 5322 §3.2.4)."""
    if b'"' in phrase:
        phrase = _QUOTED.sub(rb"\1", phrase)
    return _ESCAPE.sub(rb"\1", phrase) if b"\\" in phrase else phrase


def _compact(text: bytes) -> bytes:
    """Part of an address without the blanks that obsolete syntax permits (RFC 5322 §4.4)."""
    return _AROUND_DOT.sub(rb"\1", text.strip()) if b" " in text or b"\t" in text else text
