"""Message removals for resynchronizing clients: VANISHED (EARLIER) (RFC 7162 §3.2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.protocols.imap.commands import Qresync
from mailstack.protocols.imap.sequence_set import SequenceSet, uid_ranges
from mailstack.store import MailboxStore

UidRange = tuple[int, int]


async def removed_since(
    mailboxes: MailboxStore, selected: SelectedMailbox, modseq: int, uids: SequenceSet | None
) -> list[UidRange]:
    """Ranges of uids that were removed after a mod-sequence, among `uids`; None: among all. Raises StoreError.

    If the log does not reach back that far, each unused uid counts as removed.
    """
    removals = await mailboxes.removals(selected.view.mailbox, modseq)
    last = selected.view.next_uid - 1
    ranges = removals.uids if removals.is_complete else unused_ranges(selected.known, last)
    # Those that the client still has a number for are reported later, as removals of now.
    ranges = list(without(ranges, selected.known))
    return ranges if uids is None else common_ranges(ranges, uid_ranges(uids, last))


async def vanished_since(mailboxes: MailboxStore, selected: SelectedMailbox, known: Qresync) -> list[UidRange]:
    """Ranges for SELECT with QRESYNC. Messages with an unmoved number limit it from below (RFC 7162 §3.2.5.2)."""
    ranges = await removed_since(mailboxes, selected, known.modseq, known.uids)
    first = _first_changed(selected, known)
    return [(max(low, first), high) for low, high in ranges if high >= first]


def without(ranges: Iterable[UidRange], uids: Sequence[int]) -> Iterator[UidRange]:
    """Ranges without some ascending uids."""
    for low, high in ranges:
        for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]:
            if uid > low:
                yield low, uid - 1
            low = uid + 1  # noqa: PLW2901  # the rest of the range
        if low <= high:
            yield low, high


def unused_ranges(uids: Sequence[int], last: int) -> list[UidRange]:
    """Ranges between ascending uids, up to `last`."""
    ranges, expected = [], 1
    for uid in uids:
        if uid > expected:
            ranges.append((expected, uid - 1))
        expected = uid + 1
    if expected <= last:
        ranges.append((expected, last))
    return ranges


def common_ranges(one: Iterable[UidRange], other: Sequence[UidRange]) -> list[UidRange]:
    """Uids of both lists of ascending ranges, in linear time."""
    found, at = [], 0
    for low, high in one:
        while at < len(other) and other[at][1] < low:
            at += 1
        index = at
        while index < len(other) and other[index][0] <= high:
            found.append((max(low, other[index][0]), min(high, other[index][1])))
            index += 1
    return found


def _first_changed(selected: SelectedMailbox, known: Qresync) -> int:
    """Lowest uid that may have vanished: those up to the last match of number and uid are all still there."""
    if known.match is None:
        return 1
    numbers, uids = (_expanded(each) for each in known.match)
    first = 1
    for number, uid in zip(numbers, uids, strict=False):
        if not 0 < number <= selected.count or selected.uids[number - 1] != uid:
            break
        first = uid + 1
    return first


def _expanded(numbers: SequenceSet) -> Iterable[int]:
    """Numbers of a set, in its order."""
    for low, high in numbers.ranges:
        yield from range(low, high + 1)
