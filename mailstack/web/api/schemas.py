"""JSON schemas of letters in API requests and responses."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

Time = str
"""ISO 8601, UTC: "2026-11-23T21:00:00.123456Z"."""
MAX_IDS = 10_000
"""Letters that one request may name."""
Ids = Annotated[list[str], Meta(max_length=MAX_IDS)]
Texts = Annotated[list[str], Meta(max_length=100)]


class AddressInfo(Struct, frozen=True):
    """Display name and address in a header field."""

    name: str
    address: str


class RecipientState(Struct, frozen=True):
    """What became of a letter for one recipient."""

    address: str
    state: str
    """ "queued", "held", "delivered", "relayed", "bounced", "collected", "removed", or "mixed" behind an alias."""


class LetterSummary(Struct, frozen=True):
    """A letter as lists show it."""

    id: str
    number: int
    """Grows with each letter that enters."""
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
    tags: list[str]
    attachments: int
    snippet: str
    state: str
    """State of all recipients, or "mixed"."""


class PartSummary(Struct, frozen=True):
    """One part of a letter that is no multipart."""

    part: str
    """Number of the part, as in IMAP: "1", "2.1"."""
    name: str
    type: str
    size: int
    content_id: str
    inline: bool


class UnsubscribeInfo(Struct, frozen=True):
    """What List-Unsubscribe says."""

    header: str
    links: list[str]
    post: str
    one_click: bool
    """Whether one POST to the first https link is enough (RFC 8058)."""
    faults: list[str]


class LetterDetail(LetterSummary, frozen=True, kw_only=True):
    """A letter, read."""

    bcc: list[AddressInfo]
    reply_to: list[AddressInfo]
    date: Time | None
    """Time of the Date field."""
    message_id: str
    text: str
    text_truncated: bool
    """Whether the letter has more text than `text`; its source has all of it."""
    html: str
    parts: list[PartSummary]
    headers: list[tuple[str, str]]
    links: list[str]
    codes: list[str]
    """One-time codes, the likeliest first."""
    envelope: dict[str, Any]
    """How it came: sender, recipients, client, account, TLS."""
    list_unsubscribe: UnsubscribeInfo | None
    warnings: list[str] = field(default_factory=list)
    """Deviations that other servers reject; only in the response for a single letter."""


class LetterList(Struct, frozen=True):
    """Some letters, the newest first."""

    letters: list[LetterSummary]
    total: int
    """Number of letters that match."""
    unread: int
    exact: bool
    """Whether that is all: of a search that finds more than 10,000 letters no more are counted."""
    next: int | None
    """`before` of the next page; null at the end."""


class LetterSelection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters: by id, by a query, or all."""

    ids: Ids | None = None
    query: str | None = None
    mailbox: str | None = None
    all: bool = False
    without: Ids = field(default_factory=list)
    """Ids of those that are left as they are."""


class LetterUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """What shall become of letters that are chosen as for DELETE."""

    ids: Ids | None = None
    query: str | None = None
    mailbox: str | None = None
    all: bool = False
    without: Ids = field(default_factory=list)
    unread: bool | None = None
    add_tags: Texts = field(default_factory=list)
    remove_tags: Texts = field(default_factory=list)


class ChangedLetters(Struct, frozen=True):
    """How many letters changed."""

    changed: int


class DeletedLetters(Struct, frozen=True):
    """How many letters are deleted, and what brings them back."""

    deleted: int
    undo: str | None
    """Token for POST /v1/undo, valid for a limited time; null if nothing was deleted."""


class UndoRequest(Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class RestoredLetters(Struct, frozen=True):
    """How many letters are back."""

    restored: int


class PartNode(Struct, frozen=True):
    """A part of a letter, with those within it."""

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
    """The letters that were waited for, the oldest first."""

    letters: list[LetterDetail]
