"""Serializes letters as Mailpit's messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from mailstack.letter.address_lists import Correspondent
from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.mailbox.index.items import Item
from mailstack.sandbox.compat.mailpit.schemas import (
    Checksums,
    ListUnsubscribe,
    MailpitAddress,
    MailpitAttachment,
    MailpitMessage,
    MessageSummary,
)


def summary(item: Item) -> MessageSummary:
    """Row of a list."""
    return MessageSummary(
        id=item.id,
        message_id=item.message_id,
        read=not item.unread,
        from_=_address(item.author) if item.author else None,
        to=_addresses(item.to),
        cc=_addresses(item.cc),
        bcc=_addresses(item.bcc),
        reply_to=_addresses(item.reply_to),
        subject=item.subject,
        created=instant(item.arrived),
        username=item.account,
        tags=item.tags,
        size=item.size,
        attachments=item.attachments,
        snippet=item.snippet,
    )


def message(item: Item, reading: ParsedLetter) -> MailpitMessage:
    """One letter with its texts and attachments; takes time in proportion to its size."""
    left = reading.unsubscribe
    return MailpitMessage(
        id=item.id,
        message_id=item.message_id,
        from_=_address(item.author) if item.author else None,
        to=_addresses(item.to),
        cc=_addresses(item.cc),
        bcc=_addresses(item.bcc),
        reply_to=_addresses(item.reply_to),
        return_path=item.sender,
        subject=item.subject,
        list_unsubscribe=ListUnsubscribe(left.field, left.links, "; ".join(left.faults), left.post)
        if left
        else ListUnsubscribe("", (), "", ""),
        date=_iso(reading.date) if reading.date else instant(item.arrived),
        tags=item.tags,
        username=item.account,
        text=reading.readable,
        html=reading.html,
        size=item.size,
        inline=tuple(attachment(part, reading) for part in reading.inline),
        attachments=tuple(attachment(part, reading) for part in reading.attachments),
    )


def attachment(part: Part, reading: ParsedLetter) -> MailpitAttachment:
    octets = reading.content_of(part)
    sums = [hashlib.new(name, octets, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")]
    return MailpitAttachment(part.number, part.name, part.type, part.content_id, len(octets), Checksums(*sums))


def instant(at: float) -> str:
    """Time as Go writes it: RFC 3339, in UTC, with milliseconds."""
    return _iso(datetime.fromtimestamp(at, UTC))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _address(one: Correspondent) -> MailpitAddress:
    return MailpitAddress(one.name, one.address)


def _addresses(people: Iterable[Correspondent]) -> tuple[MailpitAddress, ...]:
    return tuple(_address(one) for one in people)
