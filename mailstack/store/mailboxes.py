"""Mailboxes of the store: entries, maildrop locks and sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from mailstack.letter import Content, Letter, LetterId
from mailstack.letter.delivery import Step


class Placement(Struct, frozen=True):
    """New entry of a local mailbox. The mailbox is created with its first entry and assigns the uids."""

    mailbox: str
    """`Address.key` of the mailbox."""
    delivery: tuple[LetterId, int]
    """Letter and number of the fulfilled delivery."""
    headers: bytes
    """Trace fields before the content, of this entry only."""
    size: int
    """Octets of headers and content together."""
    at: float
    """Time of arrival, seconds since 1970. It is also the validity of a mailbox that this entry creates."""
    account: str = ""
    """Account of a folder; "" for INBOX. If the folder is gone by then, the letter enters the account's INBOX."""


class Entry(NamedTuple):
    """One letter in a mailbox. A NamedTuple, because mailboxes hold tens of thousands."""

    uid: int
    """Increases with each entry of the mailbox; never reused (RFC 1939 §7, RFC 9051 §2.3.1.1)."""
    size: int
    """Octets, headers and content."""
    letter: LetterId


class Maildrop(Struct, frozen=True):
    """The letters of one mailbox as they were when the session began, held exclusively (RFC 1939 §4)."""

    mailbox: str
    validity: int
    """Changes when a mailbox of this name is created again, so that no UIDL repeats. 0: no mailbox."""
    entries: list[Entry]
    """Entries in the order of arrival."""


class Flags(NamedTuple):
    """Flags of one message as bits."""

    system: int
    """Sum of SEEN, ANSWERED, FLAGGED, DELETED and DRAFT."""
    keywords: int
    """Bit n is the keyword with the number n of the mailbox; at most MAX_KEYWORDS."""


SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
MAX_KEYWORDS = 64


class MailboxStatus(Struct, frozen=True):
    """Counters of one mailbox, kept by each change and read without a scan (RFC 3501 §6.3.10)."""

    validity: int
    next_uid: int
    messages: int
    unseen: int
    deleted: int
    octets: int
    modseq: int
    """Highest mod-sequence, at least 1 (RFC 7162 §3.1.2.1)."""
    keywords: tuple[str, ...]
    """Keywords by number; a number is never given to another keyword."""
    recent_from: int = 1
    r"""Lowest uid of the messages that are \Recent for the next session (RFC 3501 §2.3.2)."""


class MailboxMessage(NamedTuple):
    """One message of a mailbox, for IMAP."""

    uid: int
    size: int
    letter: LetterId
    flags: Flags
    modseq: int
    at: float
    """Internal date, seconds since 1970."""
    saved: float
    """Time at which it entered this mailbox, seconds since 1970 (RFC 8514)."""


class LetterEntry(NamedTuple):
    """Entry of a letter in one mailbox."""

    letter: LetterId
    mailbox: str
    uid: int
    system: int
    """System flags, as in `Flags`."""


class FlagChange(Struct, frozen=True):
    """STORE of flags: `removed` are cleared, then `added` set; a replacement removes all others."""

    added: Flags = Flags(0, 0)
    removed: Flags = Flags(0, 0)


class FlagsStored(Struct, frozen=True):
    """Result of a STORE."""

    modseq: int
    """Mod-sequence of the change; the highest of the mailbox if nothing was changed."""
    changed: list[tuple[int, Flags]]
    """Uids of all messages that exist and were not refused, with the flags after the change."""
    refused: list[int]
    """Uids of messages that were changed after `unchanged_since`."""
    updated: Sequence[int] = ()
    """Uids among `changed` that have got `modseq`; the others had these flags before, and keep their mod-sequence."""
    removed: Sequence[int] = ()
    """Uids of removed messages that are kept and have the new flags."""


class AppendedLetter(Struct, frozen=True):
    """Message that a client appends."""

    letter: Letter
    flags: Flags
    at: float
    """Internal date, seconds since 1970."""


class Copied(Struct, frozen=True):
    """Result of APPEND, COPY and MOVE, for APPENDUID and COPYUID (RFC 4315 §3)."""

    validity: int
    """Validity of the target."""
    source_uids: list[int]
    """Uids of the copied messages, in ascending order; empty for APPEND."""
    uids: list[int]
    """New uids, in the order of `source_uids` or of the letters."""


class Expunged(Struct, frozen=True):
    """Removed messages."""

    uids: list[int]
    modseq: int
    """Mod-sequence of the removal; the highest of the mailbox if nothing was removed."""
    letters: Sequence[LetterId] = ()
    """Letters in the order of `uids`; empty for MOVE."""


class Removals(Struct, frozen=True):
    """Removals since a mod-sequence (RFC 7162 §3.2.5)."""

    uids: list[tuple[int, int]]
    """Ranges of removed uids."""
    is_complete: bool
    """Whether the log reaches back that far. If not, every unused uid counts as removed."""


class MailboxStore(Protocol):
    """Part `mailboxes` of `mailstack.store.Store`."""

    async def open(self, mailbox: str, owner: str) -> Maildrop:
        """Lock the maildrop for `owner` and list it; an unknown mailbox is empty. Raises MaildropInUse.

        The lock also excludes other processes, and ends with its process.
        """

    async def release(self, mailbox: str, owner: str) -> None:
        """Release the lock; harmless when `owner` does not hold it."""

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        """The first `limit` entries of a mailbox with a greater uid than `after`, in order; takes no lock."""

    async def read(self, mailbox: str, uid: int) -> Content:
        """Letter with its trace fields on top. Raises KeyError if it is gone, Damaged if its content differs from the
        accepted one.

        Damaged is raised here, or before the last octets; a damaged content is never returned whole.
        """

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        """Several letters by uid, in one query; missing and damaged ones are left out."""

    async def update(
        self,
        mailbox: str,
        *,
        collected: Sequence[int],
        deleted: Sequence[int],
        steps: Sequence[Step],
        sets_seen: bool = True,
    ) -> list[Step]:
        r"""Marks letters (uids) as collected, and removes others, atomically (RFC 1939 §6).

        Returns the written `steps`. A letter gets "collected" only once. `sets_seen`: whether it gets \Seen as well.
        """

    async def octets_in(self, mailbox: str) -> int:
        """Size of a mailbox in octets, headers and contents, from stored sums; an account's counts its folders."""

    async def sizes(self) -> dict[str, int]:
        """Size of each mailbox in octets, by name; an account's counts its folders."""

    # --- IMAP; `mailbox` is a name from `FolderStore.list`

    async def status(self, mailbox: str) -> MailboxStatus | None:
        """Counters of a mailbox; None if it has never had a message and is no folder."""

    async def statuses(self, mailboxes: Sequence[str]) -> dict[str, MailboxStatus]:
        """Counters of several mailboxes, in one query."""

    async def messages(
        self, mailbox: str, *, after: int = 0, changed_since: int = 0, limit: int
    ) -> list[MailboxMessage]:
        """The first `limit` messages with a greater uid than `after` and a greater mod-sequence than `changed_since`,
        by uid.
        """

    async def entries_of(self, letters: Sequence[LetterId]) -> list[LetterEntry]:
        """Entries of letters in all mailboxes, without removed ones, by mailbox and uid."""

    async def positions(self) -> dict[str, tuple[int, int]]:
        """Validity and highest mod-sequence of every mailbox, by name: what changed since is found by comparison."""

    async def letters_of(self, mailbox: str, uids: Sequence[int]) -> list[LetterId]:
        """Letters of those messages that exist, in the order of their uids."""

    async def removals(self, mailbox: str, since: int) -> Removals:
        """Messages that were removed after the mod-sequence `since`."""

    async def add_keywords(self, mailbox: str, names: Sequence[str]) -> dict[str, int]:
        """Numbers of keywords, without regard to case; new ones are added while there are fewer than MAX_KEYWORDS.

        Keywords beyond that are missing in the result.
        """

    async def store_flags(
        self, mailbox: str, uids: Sequence[int], change: FlagChange, *, unchanged_since: int | None = None
    ) -> FlagsStored:
        """Change flags atomically, so that concurrent changes of other flags remain; missing uids are ignored.

        A message with a greater mod-sequence than `unchanged_since` is left as it is. Removed messages that are kept are
        changed for those that still show them, and nothing else is.
        """

    async def recent_counts(self, mailboxes: Sequence[str]) -> dict[str, int]:
        r"""Numbers of messages that no session has claimed as \Recent, in one query; mailboxes without any are missing."""

    async def claim_recent(self, mailbox: str, below: int) -> int:
        r"""Claim messages with lower uids than `below` as \Recent, for one session of all processes.

        Returns the lowest uid that the session gets; not below `below` if others have claimed all.
        """

    async def append(
        self,
        mailbox: str,
        letters: Sequence[AppendedLetter],
        steps: Sequence[Step] = (),
        *,
        replaced: tuple[str, int] | None = None,
    ) -> Copied:
        """Store all letters in one transaction. Raises StoreFull, StoreError: then nothing was stored.

        `replaced` is the mailbox and uid of a message that the transaction removes, if it exists (RFC 8508).
        """

    async def copy(self, source: str, uids: Sequence[int], target: str, now: float) -> Copied:
        """Copy messages with flags and internal dates, all or none; missing uids are ignored. `now`: their save date."""

    async def move(self, source: str, uids: Sequence[int], target: str, now: float) -> tuple[Copied, Expunged]:
        """Move messages atomically (RFC 6851 §3.3); missing uids are ignored."""

    async def expunge(self, mailbox: str, uids: Sequence[int] | None = None) -> Expunged:
        r"""Remove the messages with \Deleted, with `uids` only those among them."""

    async def keep_removed(self, mailbox: str, seconds: float) -> None:
        """Keep messages that are removed within `seconds`, whichever process removes them, until `purge_removed`.

        They count and are listed nowhere. Those of a mailbox that is removed itself are not kept.
        """

    async def removed_messages(self, mailbox: str, uids: Sequence[int]) -> list[MailboxMessage]:
        """Removed messages among `uids` that are kept, by uid."""

    async def read_removed(self, mailbox: str, uid: int) -> Content:
        """Like `read`, for a removed message that is kept."""

    async def purge_removed(self, before: float) -> int:
        """Delete kept messages that were removed before a time, in parts; returns their number."""

    def on_change(self, callback: Callable[[str | None], None]) -> Callable[[], None]:
        """Call `callback` in the reactor's thread with the name of each changed mailbox, after the commit.

        None stands for an unknown mailbox: another process has changed something. Returns a function that ends it.
        """
