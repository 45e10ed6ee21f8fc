"""JSON schemas of letters in API requests and responses."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from mailstack.mailbox.index.items import LetterFolder

Time = str
"""ISO 8601, UTC: "2026-11-23T21:00:00.123456Z"."""
MAX_IDS = 10_000
"""Maximum ids in one request."""
Ids = Annotated[list[str], Meta(max_length=MAX_IDS)]
Texts = Annotated[list[str], Meta(max_length=100)]


class AddressInfo(Struct, frozen=True):
    """Display name and address in a header field."""

    name: str
    address: str


class RecipientState(Struct, frozen=True):
    """State of a letter for one recipient."""

    address: str
    state: str
    """ "queued", "held", "delivered", "relayed", "bounced", "collected", "removed", or "mixed" behind an alias."""


class LetterSummary(Struct, frozen=True):
    """Letter in a list."""

    id: str
    number: int
    """Serial number; a newer letter has a greater one."""
    subject: str
    author: AddressInfo | None = field(name="from")
    to: list[AddressInfo]
    cc: list[AddressInfo]
    sender: str
    """Envelope sender; "" is the null reverse-path."""
    recipients: list[RecipientState]
    size: int
    arrived: Time
    unread: bool
    flagged: bool
    tags: list[str]
    attachments: int
    snippet: str
    state: str
    """State of all recipients, or "mixed"."""


class PartSummary(Struct, frozen=True):
    """Part of a letter other than a multipart."""

    part: str
    """Number of the part, as in IMAP: "1", "2.1"."""
    name: str
    type: str
    size: int
    content_id: str
    inline: bool


class UnsubscribeInfo(Struct, frozen=True):
    """List-Unsubscribe of a letter."""

    header: str
    links: list[str]
    post: str
    one_click: bool
    """Whether one POST to the first https link is enough (RFC 8058)."""
    faults: list[str]


class CalendarEventInfo(Struct, frozen=True):
    """Event of a calendar in a letter, as its author wrote it."""

    method: str
    """"REQUEST" is an invitation, "CANCEL" a cancellation; "" without a method."""
    summary: str
    start: str | None
    """Wall clock in `time_zone`: "2026-12-03T10:00:00", or a date for whole days."""
    end: str | None
    """Exclusive; null if there is none."""
    all_day: bool
    time_zone: str
    """"UTC", a name such as "Europe/Berlin", or "" for the reader's."""
    location: str
    organizer: AddressInfo | None
    recurring: bool


class LetterDetail(LetterSummary, frozen=True, kw_only=True):
    """Letter with its content."""

    bcc: list[AddressInfo]
    reply_to: list[AddressInfo]
    date: Time | None
    """Time of the Date field."""
    message_id: str
    text: str
    text_truncated: bool
    """Whether `text` is only the beginning."""
    html: str
    parts: list[PartSummary]
    headers: list[tuple[str, str]]
    links: list[str]
    codes: list[str]
    """One-time codes, most likely first."""
    envelope: dict[str, Any]
    """Facts of the arrival: sender, recipients, client, account, TLS."""
    list_unsubscribe: UnsubscribeInfo | None
    events: list[CalendarEventInfo]
    """Events of calendar invitations."""
    folders: list[LetterFolder] = field(default_factory=list)
    """IMAP folders that have it, of the user's own account, or of all in a dev environment; only for a single letter."""
    warnings: list[str] = field(default_factory=list)
    """Deviations that other servers reject; only in the response for a single letter."""


class LetterList(Struct, frozen=True):
    """Page of letters, newest first."""

    letters: list[LetterSummary]
    total: int
    """Number of matches."""
    unread: int
    exact: bool
    """Whether `total` is exact; without `exact=1` a search counts at most 10,000 letters."""
    next: int | None
    """`before` of the next page; null at the end."""


class LetterSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """Selection of letters: by id, by query, or all."""

    ids: Ids | None = None
    query: str | None = None
    mailbox: str | None = None
    all: bool = False
    without: Ids = field(default_factory=list)
    """Ids of letters to exclude."""


class LetterDeletion(LetterSelection, frozen=True, forbid_unknown_fields=True):
    """Selection of letters to delete."""

    undo: bool = True
    """False: the letters are removed at once, and can't be restored."""


class LetterUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """Change of selected letters."""

    ids: Ids | None = None
    query: str | None = None
    mailbox: str | None = None
    all: bool = False
    without: Ids = field(default_factory=list)
    unread: bool | None = None
    flagged: bool | None = None
    add_tags: Texts = field(default_factory=list)
    remove_tags: Texts = field(default_factory=list)


class ChangedLetters(Struct, frozen=True):
    """Number of changed letters."""

    changed: int


class DeletedLetters(Struct, frozen=True):
    """Number of deleted letters, and the token that restores them."""

    deleted: int
    undo: str | None
    """Token for POST /v1/undo, valid for a limited time; null if nothing was deleted, or with `"undo": false`."""


class UndoRequest(Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class RestoredLetters(Struct, frozen=True):
    """Number of restored letters."""

    restored: int


class PartNode(Struct, frozen=True):
    """Part of a letter with its subparts."""

    part: str
    type: str
    name: str
    size: int
    disposition: str
    content_id: str
    charset: str
    encoding: str
    parts: list[PartNode]


class WaitResult(Struct, frozen=True):
    """Letters that a long poll found, oldest first."""

    letters: list[LetterDetail]
