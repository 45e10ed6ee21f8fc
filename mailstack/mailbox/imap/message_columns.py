"""Message columns of a mailbox: uids, flags, sizes and dates, by position."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import compress, pairwise
from operator import attrgetter

from mailstack.letter import LetterId
from mailstack.store.mailboxes import Flags, MailboxMessage

ID_OCTETS = 15
"""Octets of a letter id."""

_MAX_RUNS = 200
"""Maximum runs of removed messages that are cut one by one; more of them are left out of copies."""


class MessageColumns:
    """About 60 octets a message. Messages are in the order of their uids; `uids` is replaced, not shortened."""

    __slots__ = ("_letters", "dates", "keywords", "modseq", "modseqs", "saved", "sizes", "system", "top", "uids")

    def __init__(self) -> None:
        self.uids: array[int] = array("I")
        self.system = bytearray()
        """Sums of system flags."""
        self.keywords: array[int] = array("Q")
        self.modseqs: array[int] = array("Q")
        self.sizes: array[int] = array("Q")
        self.dates: array[float] = array("d")
        """Internal dates, seconds since 1970."""
        self.saved: array[float] = array("d")
        """Save dates, seconds since 1970."""
        self._letters = bytearray()
        self.modseq = 0
        """Highest mod-sequence that a message ever had."""
        self.top = 0
        """Highest uid that was ever added, so that no removed message is added again by an older read."""

    def __len__(self) -> int:
        return len(self.uids)

    def position(self, uid: int) -> int | None:
        """Position of a uid; None without one."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def flags(self, at: int) -> Flags:
        return Flags(self.system[at], self.keywords[at])

    def letter(self, at: int) -> LetterId:
        start = at * ID_OCTETS
        return LetterId(self._letters[start : start + ID_OCTETS].rstrip(b" ").decode("ascii"))

    def merge(self, messages: Sequence[MailboxMessage]) -> list[int]:
        """Adds new messages and updates the flags of others; returns the uids of those with a new mod-sequence.

        `messages` are in the order of their uids.
        """
        changed = []
        new = bisect_right(messages, self.top, key=attrgetter("uid"))
        if new < len(messages):
            self._add(messages[new:])
        for message in messages[:new]:
            if (at := self.position(message.uid)) is not None and message.modseq > self.modseqs[at]:
                # Flags that were changed there and back are reported too: clients keep mod-sequences (RFC 7162 §3.2).
                self.set_flags(at, message.flags, message.modseq)
                changed.append(message.uid)
        return changed

    def set_flags(self, at: int, flags: Flags, modseq: int) -> None:
        self.modseqs[at] = modseq
        self.modseq = max(self.modseq, modseq)
        self.system[at] = flags.system
        self.keywords[at] = flags.keywords

    def remove(self, uids: Iterable[int]) -> list[int]:
        """Removes messages; returns the uids of those that were there, in order."""
        positions = sorted({at for uid in uids if (at := self.position(uid)) is not None})
        if not positions:
            return []
        removed = [self.uids[at] for at in positions]
        runs = _runs(positions)
        if len(runs) <= _MAX_RUNS:
            self._cut(runs)
        else:
            self._copy_others(positions)
        return removed

    def _add(self, messages: Sequence[MailboxMessage]) -> None:
        self.top = messages[-1].uid
        self.uids.extend([message.uid for message in messages])
        self.system += bytes([message.flags.system for message in messages])
        self.keywords.extend([message.flags.keywords for message in messages])
        modseqs = [message.modseq for message in messages]
        self.modseqs.extend(modseqs)
        self.modseq = max(self.modseq, *modseqs)
        self.sizes.extend([message.size for message in messages])
        self.dates.extend([message.at for message in messages])
        self.saved.extend([message.saved for message in messages])
        self._letters += "".join([message.letter.ljust(ID_OCTETS) for message in messages]).encode("ascii")

    def _cut(self, runs: list[tuple[int, int]]) -> None:
        self.uids = self.uids[:]
        for start, end in reversed(runs):
            for column in (self.uids, self.keywords, self.modseqs, self.sizes):
                del column[start:end]
            del self.dates[start:end]
            del self.saved[start:end]
            del self.system[start:end]
            del self._letters[start * ID_OCTETS : end * ID_OCTETS]

    def _copy_others(self, positions: Sequence[int]) -> None:
        stays = bytearray(b"\1") * len(self.uids)
        for at in positions:
            stays[at] = 0
        letters = self._letters
        ids = (letters[at * ID_OCTETS : (at + 1) * ID_OCTETS] for at in range(len(self.uids)))
        self._letters = bytearray().join(compress(ids, stays))
        self.uids = array("I", compress(self.uids, stays))
        self.system = bytearray(compress(self.system, stays))
        self.keywords = array("Q", compress(self.keywords, stays))
        self.modseqs = array("Q", compress(self.modseqs, stays))
        self.sizes = array("Q", compress(self.sizes, stays))
        self.dates = array("d", compress(self.dates, stays))
        self.saved = array("d", compress(self.saved, stays))


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of successive positions, as starts and ends."""
    breaks = [0, *[at for at, (one, other) in enumerate(pairwise(positions), 1) if other != one + 1], len(positions)]
    return [(positions[start], positions[end - 1] + 1) for start, end in pairwise(breaks)]
