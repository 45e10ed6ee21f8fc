"""Open maildrop: exclusive, with fixed message numbers and read-ahead (RFC 1939 §3-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailstack import store
from mailstack.letter import Content
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.store import Entry, MailboxStore, StoreError

SLICE = 1000
"""Maximum lines of a listing per step: well under a millisecond, so that other sessions don't wait."""


class NoSuchLetter(Exception):
    """Missing message number, or a message marked as deleted."""

    def __str__(self) -> str:
        return "no such message"


class Maildrop:
    """Snapshot of a mailbox (RFC 1939 §4), with message numbers from 1, and its deletion marks.

    The UPDATE state of the session removes marked letters.
    """

    def __init__(self, opened: store.Maildrop) -> None:
        self.mailbox = opened.mailbox
        self._entries = opened.entries
        self._prefix = f"{opened.validity:x}-"
        self._marked: set[int] = set()
        self._total_octets = sum([entry.size for entry in opened.entries])
        self._octets = self._total_octets

    def __len__(self) -> int:
        """Returns the number of unmarked letters."""
        return len(self._entries) - len(self._marked)

    def __str__(self) -> str:
        return f"{len(self)} messages ({self.octets} octets)"

    @property
    def octets(self) -> int:
        """Returns the octets of all unmarked letters."""
        return self._octets

    @property
    def marked(self) -> list[int]:
        """Returns the uids of the letters to delete, in order."""
        return [self._entries[number - 1].uid for number in sorted(self._marked)]

    def entry(self, number: int) -> Entry:
        """Raises NoSuchLetter."""
        if not 0 < number <= len(self._entries) or number in self._marked:
            raise NoSuchLetter
        return self._entries[number - 1]

    def after(self, number: int) -> Iterator[Entry]:
        """Yields the unmarked letters after a number, in order."""
        for later in range(number, len(self._entries)):
            if later + 1 not in self._marked:
                yield self._entries[later]

    def mark(self, number: int) -> None:
        """DELE. Raises NoSuchLetter."""
        self._octets -= self.entry(number).size
        self._marked.add(number)

    def unmark_all(self) -> None:
        """RSET."""
        self._marked.clear()
        self._octets = self._total_octets

    def unique_id(self, entry: Entry) -> str:
        """Permanent unique id of 1 to 70 characters of 0x21 to 0x7E (RFC 1939 §7)."""
        return f"{self._prefix}{entry.uid:x}"

    def sizes(self) -> Iterator[bytes]:
        """Yields the lines of LIST in chunks."""
        return self._lines(lambda number, entry: f"{number} {entry.size}\r\n")

    def unique_ids(self) -> Iterator[bytes]:
        """Yields the lines of UIDL in chunks."""
        prefix = self._prefix
        return self._lines(lambda number, entry: f"{number} {prefix}{entry.uid:x}\r\n")

    def _lines(self, line: Callable[[int, Entry], str]) -> Iterator[bytes]:
        entries, marked = self._entries, self._marked
        for first in range(0, len(entries), SLICE):
            numbered = enumerate(entries[first : first + SLICE], first + 1)
            yield "".join([line(number, entry) for number, entry in numbered if number not in marked]).encode("ascii")


MAX_OCTETS = 262_144
"""Maximum octets of letters that a session holds in advance."""

MAX_LETTERS = 64
"""Maximum number of letters that a session holds in advance."""

MAX_TOTAL_OCTETS = 16_777_216
"""Maximum octets that all sessions hold in advance; beyond that, letters are read one by one."""


class ReadAhead:
    """Reads several letters at once for sequential retrieval, eight times as many at each step.

    The store runs in another thread, and a switch of threads costs more than a small letter.
    """

    def __init__(self, mailboxes: MailboxStore, drop: Maildrop, memory_budget: MemoryBudget) -> None:
        """`memory_budget` is shared with all other sessions."""
        self._mailboxes = mailboxes
        self._drop = drop
        self._memory_budget = memory_budget
        self._ahead: dict[int, Content] = {}
        """Letters in advance, by uid."""
        self._last: int | None = None
        """Message number of the last request."""
        self._max_letters = 1

    async def open(self, number: int, entry: Entry) -> Content:
        """Returns the letter of a message number. Raises KeyError if it was removed, and StoreError."""
        last, self._last = self._last, number
        content = self._ahead.pop(entry.uid, None)
        if content is not None:
            self._memory_budget.used -= content.size
            return content
        self.close()
        is_sequential = last is not None and next(self._drop.after(last), None) is entry
        self._max_letters = min(8 * self._max_letters, MAX_LETTERS) if is_sequential else 1
        if self._max_letters > 1 and not self._memory_budget.exhausted:
            content = await self._read_from(number, entry)
        return content or await self._mailboxes.read(self._drop.mailbox, entry.uid)

    def close(self) -> None:
        """Releases all letters held in advance."""
        self._memory_budget.used -= sum([content.size for content in self._ahead.values()])
        self._ahead = {}

    async def _read_from(self, number: int, entry: Entry) -> Content | None:
        """Reads the letter with its followers, and holds the followers; None on failure."""
        uids = self._following(number, entry)
        if len(uids) == 1:
            return None
        try:
            found = await self._mailboxes.read_together(self._drop.mailbox, uids)
        except StoreError:
            return None  # An error of one letter is raised when that letter is requested.
        content = found.pop(entry.uid, None)
        self._ahead = found
        self._memory_budget.used += sum([each.size for each in found.values()])
        return content

    def _following(self, number: int, entry: Entry) -> list[int]:
        """Returns the uids of the letter and of the followers to read with it."""
        uids, octets = [entry.uid], 0
        for following in self._drop.after(number):
            octets += following.size
            if len(uids) >= self._max_letters or octets > MAX_OCTETS:
                break
            uids.append(following.uid)
        return uids
