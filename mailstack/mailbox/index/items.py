"""Values of the index: letters in lists, filters, results of changes."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.address_lists import Correspondent
from mailstack.mailbox.index.query import Term


class Item(Struct, frozen=True):
    """Letter in lists."""

    number: int
    """Number in order of indexing; never reused."""
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
    """New letter, with its search terms."""

    item: Item
    addresses: tuple[tuple[str, str], ...]
    """Fields ("from", "to" …, "recipient", "sender") with an `Address.key` each."""
    words: str
    """Beginning of its text, for searches."""


class Copy(Struct, frozen=True):
    """Copy of a letter that was relayed within this store."""

    id: LetterId
    of: LetterId
    mailboxes: tuple[str, ...]


class ItemFilter(Struct, frozen=True):
    """Filter of letters; all criteria that are set must match."""

    ids: tuple[str, ...] | None = None
    """Ids of letters, or of their copies."""
    without: tuple[str, ...] = ()
    """Ids of excluded letters."""
    numbers: tuple[int, ...] | None = None
    terms: tuple[Term, ...] = ()
    mailbox: str | None = None
    """`Address.key` of a mailbox that has them."""
    seen_by: str | None = None
    """`Address.key` of an account that may see them, as recipient or sender."""
    addressed: str | None = None
    """`Address.key` of a recipient in the envelope, To or Cc."""
    written_by: str | None = None
    """`Address.key` of From or the reverse-path."""
    after: int | None = None
    """Number below those of the letters."""
    before: int | None = None
    """Number above those of the letters."""


class ItemList(Struct, frozen=True):
    """Part of a list of letters, the newest first, and the total counts."""

    items: tuple[Item, ...]
    total: int
    unread: int
    is_exact: bool = True
    """Whether `total` is exact; a search counts at most MAX_COUNTED letters."""


MAX_LISTED = 1000
MAX_COUNTED = 10_000
"""Maximum number of letters that a search counts."""


class DeletedItems(Struct, frozen=True):
    """Deleted letters, and the token of the undo."""

    count: int
    token: str
    ids: tuple[LetterId, ...]
    """Ids of the first letters, at most MOST_TOLD."""
    only_for: str = ""
    """Account that no longer sees them; "" for all accounts."""


class ChangedItems(Struct, frozen=True):
    """Letters that were marked, tagged or restored."""

    count: int
    items: tuple[Item, ...]
    """First letters, at most MOST_TOLD."""
    ids: tuple[LetterId, ...] = ()
    """Ids of these letters."""


class MailboxCount(Struct, frozen=True):
    """Number of letters of one mailbox."""

    mailbox: str
    total: int
    unread: int
