"""Values of the index: letters in lists, filters, results of changes."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.address_lists import Correspondent
from mailstack.mailbox.index.query import Term


class Item(Struct, frozen=True):
    """One letter as lists show it."""

    number: int
    """Grows with each letter that enters; never used again."""
    id: LetterId
    arrived: float
    """UTC, as seconds since 1970."""
    size: int
    """Octets."""
    subject: str
    author: Correspondent | None
    to: tuple[Correspondent, ...]
    cc: tuple[Correspondent, ...]
    bcc: tuple[Correspondent, ...]
    reply_to: tuple[Correspondent, ...]
    message_id: str
    sender: str
    """The reverse-path; "" is the null one."""
    recipients: tuple[str, ...]
    """The forward-paths, as sent."""
    account: str
    """Account that submitted it, an `Address.key`; "" for a letter of another host, or of the server itself."""
    snippet: str
    attachments: int
    inline: int
    unread: bool = True
    tags: tuple[str, ...] = ()
    copies: tuple[LetterId, ...] = ()
    """Ids of its copies in other servers of this store."""
    mailboxes: tuple[str, ...] = ()
    """Mailboxes of its recipients."""


class NewItem(Struct, frozen=True):
    """A letter that enters the index, with what it is found by."""

    item: Item
    addresses: tuple[tuple[str, str], ...]
    """Fields ("from", "to" …, "recipient", "sender") with an `Address.key` each."""
    words: str
    """Beginning of its text, for searches."""


class Copy(Struct, frozen=True):
    """A letter that is another one, after it was relayed within this store."""

    id: LetterId
    of: LetterId
    mailboxes: tuple[str, ...]


class ItemFilter(Struct, frozen=True):
    """Which letters: every part that is set must hold."""

    ids: tuple[str, ...] | None = None
    """Ids of letters, or of their copies."""
    without: tuple[str, ...] = ()
    """Ids of letters to leave out."""
    numbers: tuple[int, ...] | None = None
    terms: tuple[Term, ...] = ()
    mailbox: str | None = None
    """An `Address.key`: those that are for this mailbox."""
    seen_by: str | None = None
    """An `Address.key`: those that this account may see, for it or by it."""
    addressed: str | None = None
    """An `Address.key`: for this recipient, by envelope, To or Cc."""
    written_by: str | None = None
    """An `Address.key`: From, or the reverse-path."""
    after: int | None = None
    """Numbers greater than this."""
    before: int | None = None
    """Numbers less than this."""


class ItemList(Struct, frozen=True):
    """Some letters of a list, the newest first, and how many there are in all."""

    items: tuple[Item, ...]
    total: int
    unread: int
    is_exact: bool = True
    """Whether there are no more: of a search that finds very many, the newest are not all counted."""


MOST_TOLD = 1000
MOST_COUNTED = 10_000
"""Letters that a search finds and that are counted."""


class DeletedItems(Struct, frozen=True):
    """Letters that are out of sight, and can be brought back for a while."""

    count: int
    token: str
    ids: tuple[LetterId, ...]
    """Ids of the first letters, at most MOST_TOLD."""
    only_for: str = ""
    """Account that no longer sees them; "" for all accounts."""


class ChangedItems(Struct, frozen=True):
    """Letters that people marked, tagged or brought back."""

    count: int
    items: tuple[Item, ...]
    """The first of them, at most MOST_TOLD."""
    ids: tuple[LetterId, ...] = ()
    """Ids of these letters."""


class MailboxCount(Struct, frozen=True):
    """How many letters are for one mailbox."""

    mailbox: str
    total: int
    unread: int
