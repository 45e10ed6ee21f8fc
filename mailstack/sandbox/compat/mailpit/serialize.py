"""Serializes letters as Mailpit's messages, in the schemas of its API v1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct, field

from mailstack.letter.address_lists import Correspondent
from mailstack.letter.parsed import ParsedLetter, Part
from mailstack.mailbox.index.items import Item


class MailpitAddress(Struct, frozen=True, rename="pascal"):
    name: str
    address: str


class MessageSummary(Struct, frozen=True, rename="pascal"):
    """MessageSummary: a row of a list."""

    id: str = field(name="ID")
    message_id: str = field(name="MessageID")
    read: bool
    from_: MailpitAddress | None = field(name="From")
    to: tuple[MailpitAddress, ...]
    cc: tuple[MailpitAddress, ...]
    bcc: tuple[MailpitAddress, ...]
    """Recipients of the envelope that the header does not name."""
    reply_to: tuple[MailpitAddress, ...]
    subject: str
    created: str
    username: str
    tags: tuple[str, ...]
    size: int
    attachments: int
    snippet: str


class MessagesSummary(Struct, frozen=True):
    """MessagesSummary: a page of a list."""

    total: int
    unread: int
    count: int
    messages_count: int
    messages_unread: int
    start: int
    tags: tuple[str, ...]
    messages: tuple[MessageSummary, ...]


class Checksums(Struct, frozen=True):
    md5: str = field(name="MD5")
    sha1: str = field(name="SHA1")
    sha256: str = field(name="SHA256")


class MailpitAttachment(Struct, frozen=True, rename="pascal"):
    part_id: str = field(name="PartID")
    file_name: str
    content_type: str
    content_id: str = field(name="ContentID")
    size: int
    checksums: Checksums


class ListUnsubscribe(Struct, frozen=True, rename="pascal"):
    header: str
    links: tuple[str, ...]
    errors: str
    header_post: str


class MailpitMessage(Struct, frozen=True, rename="pascal"):
    """Message: one letter."""

    id: str = field(name="ID")
    message_id: str = field(name="MessageID")
    from_: MailpitAddress | None = field(name="From")
    to: tuple[MailpitAddress, ...]
    cc: tuple[MailpitAddress, ...]
    bcc: tuple[MailpitAddress, ...]
    reply_to: tuple[MailpitAddress, ...]
    return_path: str
    subject: str
    list_unsubscribe: ListUnsubscribe
    date: str
    tags: tuple[str, ...]
    username: str
    text: str
    html: str = field(name="HTML")
    size: int
    inline: tuple[MailpitAttachment, ...]
    attachments: tuple[MailpitAttachment, ...]
    read: bool = True
    """Constant field that older clients read."""


class RuntimeStats(Struct, frozen=True, rename="pascal"):
    uptime: int
    memory: int
    messages_deleted: int
    smtp_accepted: int = field(name="SMTPAccepted")
    smtp_accepted_size: int = field(name="SMTPAcceptedSize")
    smtp_rejected: int = field(name="SMTPRejected")
    smtp_ignored: int = field(name="SMTPIgnored")


class AppInformation(Struct, frozen=True, rename="pascal"):
    """AppInformation."""

    version: str
    latest_version: str
    database: str
    database_size: int
    messages: int
    unread: int
    tags: dict[str, int]
    runtime_stats: RuntimeStats


class MessageRelay(Struct, frozen=True, rename="pascal"):
    enabled: bool
    smtp_server: str = field(name="SMTPServer", default="")
    return_path: str = ""
    allowed_recipients: str = ""
    blocked_recipients: str = ""
    override_from: str = ""
    preserve_message_ids: bool = field(name="PreserveMessageIDs", default=False)


class InterfaceSettings(Struct, frozen=True, rename="pascal"):
    """WebUIConfiguration."""

    label: str
    message_relay: MessageRelay
    spam_assassin: bool
    chaos_enabled: bool
    duplicates_ignored: bool
    hide_delete_all_button: bool


class MarkRequest(Struct, frozen=True):
    """PUT /messages."""

    ids: tuple[str, ...] | None = None
    read: bool = False
    search: str | None = None


class DeleteRequest(Struct, frozen=True):
    """DELETE /messages."""

    ids: tuple[str, ...] | None = None


class TagsRequest(Struct, frozen=True):
    """PUT /tags."""

    ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


class TagNameRequest(Struct, frozen=True):
    """PUT /tags/{Tag}."""

    name: str


class ReleaseRequest(Struct, frozen=True):
    """POST /release."""

    to: tuple[str, ...]


class ChaosTrigger(Struct, frozen=True):
    """Chaos trigger: reply code of a refusal, and its probability in percent."""

    error_code: int = field(name="errorcode", default=0)
    probability: int = 0


class ChaosRequest(Struct, frozen=True):
    """PUT /chaos."""

    sender: ChaosTrigger | None = None
    recipient: ChaosTrigger | None = None
    authentication: ChaosTrigger | None = None


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
    unsubscribe = reading.unsubscribe
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
        list_unsubscribe=ListUnsubscribe(
            unsubscribe.field, unsubscribe.links, "; ".join(unsubscribe.faults), unsubscribe.post
        )
        if unsubscribe
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
