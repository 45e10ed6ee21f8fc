"""Selected mailbox of a session: message numbers, and news (RFC 3501 §7.4.1)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from mailstack.mailbox.imap.capabilities import EnabledExtensions
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.mailbox_view import SYSTEM_FLAGS, MailboxView
from mailstack.mailbox.imap.recent import RecentMessages
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import (
    Fetch,
    ImapEvent,
    Search,
    Sort,
    StoreFlags,
    Thread,
)
from mailstack.protocols.imap.sequence_set import (
    SequenceOutOfRange,
    SequenceSet,
    format_set,
    number_ranges,
    position_ranges,
)
from mailstack.store.folders import Folder
from mailstack.store.mailboxes import MAX_KEYWORDS

SLICE = 500
"""Responses that are made in one turn of the reactor."""

_WITHOUT_EXPUNGE = (Fetch, StoreFlags, Search, Sort, Thread)
"""Commands with message numbers in their responses, so that none may change (RFC 3501 §7.4.1, RFC 5256 §3)."""


def may_expunge(command: ImapEvent) -> bool:
    """Whether EXPUNGE may be sent during a command: not with FETCH, STORE or SEARCH, but with their UID forms."""
    return not isinstance(command, _WITHOUT_EXPUNGE) or command.by_uid


async def send_slices(dialogue: ImapDialogue, lines: Iterable[bytes]) -> None:
    """Sends lines as they are made, at the speed of the client; other sessions run after each slice."""
    gathered: list[bytes] = []
    for line in lines:
        gathered.append(line)
        if len(gathered) >= SLICE:
            dialogue.send(b"".join(gathered))
            gathered = []
            await dialogue.drain()
            await dialogue.pause(0)
    dialogue.send(b"".join(gathered))


class SelectedMailbox:
    """Messages of the selected mailbox as the client knows them.

    `uids` has the uid of each message number, from position 0. It is the view's own array, as long as no removal waits
    to be reported.
    """

    def __init__(self, view: MailboxView, folder: Folder, enabled: EnabledExtensions, *, read_only: bool) -> None:
        self.view = view
        self.folder = folder
        self.read_only = read_only
        self.uids: array[int] = view.columns.uids
        self.count = len(self.uids)
        """Number of messages that the client knows."""
        self.saved: array[int] = array("I")
        """Uids of the saved search result (RFC 5182)."""
        self.recent = RecentMessages(view, enabled, read_only=read_only)
        self._enabled = enabled
        self._serial = view.serial
        self._modseq = self._flagged = view.modseq
        """Mod-sequences up to which the client knows all changes, and all but removals."""
        self._keywords = len(view.keyword_names)
        self._removed: set[int] = set()
        """Uids of removed messages that the client still has numbers for."""

    def check_writable(self) -> None:
        """Raises CommandRefused after EXAMINE."""
        if self.read_only:
            raise CommandRefused("the mailbox was selected read-only", "READ-ONLY")

    @property
    def modseq(self) -> int:
        """Mod-sequence up to which the client knows all changes, removals too; at least 1."""
        return max(1, self._modseq)

    def reported_modseq(self) -> bytes:
        """HIGHESTMODSEQ for a client that may have got a greater MODSEQ than it knows all changes of.

        It would resynchronize from there, and never be told of a removal before it (RFC 7162 §3.2.5).
        """
        if "QRESYNC" not in self._enabled or self._modseq >= self.view.columns.modseq:
            return b""
        return responses.untagged_ok("changes are to follow", f"HIGHESTMODSEQ {self.modseq}")

    def with_view(self, view: MailboxView) -> SelectedMailbox:
        """Read-only mailbox with the same message numbers, of which those in `view` exist."""
        other = SelectedMailbox(view, self.folder, self._enabled, read_only=True)
        other.uids, other.count, other.recent = self.uids, self.count, self.recent
        # The client gets new keywords with the other messages: here PERMANENTFLAGS would be empty.
        other._keywords = MAX_KEYWORDS
        return other

    # --- numbers

    @property
    def last_uid(self) -> int:
        return self.uids[self.count - 1] if self.count else 0

    @property
    def known(self) -> Sequence[int]:
        """Uids by position, without those that the client does not know yet."""
        return self.uids if len(self.uids) == self.count else self.uids[: self.count]

    def index(self, uid: int) -> int | None:
        """Position of a uid in `uids`; None if the client does not know it."""
        at = bisect_left(self.uids, uid, 0, self.count)
        return at if at < self.count and self.uids[at] == uid else None

    def position(self, index: int) -> int | None:
        """Position in the view of a message; None for a removed one."""
        if self.uids is self.view.columns.uids:
            return index
        return self.view.columns.position(self.uids[index])

    def resolve(self, messages: SequenceSet, *, by_uid: bool) -> list[range]:
        """Positions of a set, as ascending ranges. Raises CommandRefused for a number beyond the last message."""
        if messages.is_saved:
            return _joined([at for uid in self.saved if (at := self.index(uid)) is not None])
        if by_uid:
            return position_ranges(messages, self.known)
        try:
            return [range(first - 1, last) for first, last in number_ranges(messages, self.count)]
        except SequenceOutOfRange:
            raise CommandRefused("a message number is out of range", status="BAD") from None

    def uids_of(self, ranges: Iterable[range]) -> array[int]:
        """Uids of positions."""
        found: array[int] = array("I")
        for span in ranges:
            found += self.uids[span.start : span.stop]
        return found

    # --- flags

    def flag_lines(self) -> bytes:
        """FLAGS and PERMANENTFLAGS (RFC 3501 §7.1, §7.2.6)."""
        names = [*SYSTEM_FLAGS, *self.view.keyword_names]
        self._keywords = len(self.view.keyword_names)
        permanent = [] if self.read_only else names + (["\\*"] if self._keywords < MAX_KEYWORDS else [])
        code = f"PERMANENTFLAGS ({' '.join(permanent)})"
        return responses.flags(names) + responses.untagged_ok("flags that stay", code)

    def new_keywords(self) -> Iterator[bytes]:
        """`flag_lines`, if the mailbox has keywords that the client does not know."""
        if len(self.view.keyword_names) > self._keywords:
            yield self.flag_lines()

    def flag_list(self, position: int) -> bytes:
        r"""Flags of the message at a position of the view, in parentheses; \Recent is the session's own."""
        octets = self.view.flag_list(position)
        if self.recent.uids and self.view.columns.uids[position] in self.recent:
            return b"(\\Recent)" if octets == b"()" else b"(\\Recent " + octets[1:]
        return octets

    def flag_line(self, index: int, position: int) -> bytes:
        """FETCH with the flags of a message, its uid, and its mod-sequence if CONDSTORE is enabled."""
        view = self.view
        octets = b"* %d FETCH (UID %d FLAGS %b" % (index + 1, self.uids[index], self.flag_list(position))
        if "CONDSTORE" in self._enabled:
            octets += b" MODSEQ (%d)" % view.columns.modseqs[position]
        return octets + b")\r\n"

    def flag_lines_of(self, indexes: Iterable[int]) -> Iterator[bytes]:
        """`flag_line` of those messages that are still there, after new keywords."""
        yield from self.new_keywords()
        for index in indexes:
            if (position := self.position(index)) is not None:
                yield self.flag_line(index, position)

    # --- news

    @property
    def has_news(self) -> bool:
        """Whether the view has changes that the client does not know."""
        view = self.view
        return (
            bool(self._removed)
            or view.serial != self._serial
            or self.uids is not view.columns.uids
            or (self.count != len(view.columns))
        )

    def news(self, *, expunges: bool) -> Iterator[bytes]:
        """Responses with the news of the view. Without `expunges`, removals wait.

        The view may change between two responses; the next call has these changes.
        """
        flagged = self._read_log()
        if expunges and self._removed:
            yield from self._expunge()
        if not self._removed:
            self._modseq = self._flagged
        first_new = self.count
        if self._grow():
            yield responses.exists(self.count)
        known = [index for uid in flagged if (index := self.index(uid)) is not None and index < first_new]
        yield from self.flag_lines_of(known)

    def _read_log(self) -> Iterable[int]:
        """Uids of messages that have new flags by others; notes removals."""
        view = self.view
        changes = view.changes_since(self._serial)
        since, self._flagged, self._serial = self._flagged, view.modseq, view.serial
        if changes is None:
            columns = view.columns
            self._removed = set(self.uids[: self.count]).difference(columns.uids)
            return [columns.uids[at] for at, modseq in enumerate(columns.modseqs) if modseq > since]
        flagged: dict[int, None] = {}
        for change in changes:
            if change.is_removal:
                self._removed.update([uid for uid in change.uids if uid <= self.last_uid])
            elif change.origin is not self:
                flagged.update(dict.fromkeys(change.uids))
        return flagged

    def _expunge(self) -> Iterator[bytes]:
        """EXPUNGE of removed messages, the last one first, or VANISHED (RFC 7162 §3.2.10)."""
        removed = sorted(self._removed)
        positions = [at for uid in removed if (at := self.index(uid)) is not None]
        self._removed = set()
        self.recent.remove(removed)
        last = self.last_uid
        self.uids = self.view.columns.uids
        self.count = bisect_right(self.uids, last)
        if "QRESYNC" in self._enabled:
            yield responses.vanished(format_set(removed))
            return
        for at in reversed(positions):
            yield responses.expunge(at + 1)

    def _grow(self) -> bool:
        """Gives numbers to new messages; returns whether there are any."""
        there = self.view.columns.uids
        if not self._removed:
            self.uids = there
        new = bisect_right(there, self.last_uid)
        if new == len(there):
            return False
        if self.uids is not there:
            # The removed messages keep their numbers until EXPUNGE.
            self.uids = self.uids[: self.count] + there[new:]
            self.count = len(self.uids)
        else:
            self.count = len(there)
        return True


def _joined(positions: Sequence[int]) -> list[range]:
    """Ascending positions as ranges."""
    ranges: list[range] = []
    for at in positions:
        if ranges and ranges[-1].stop == at:
            ranges[-1] = range(ranges[-1].start, at + 1)
        else:
            ranges.append(range(at, at + 1))
    return ranges
