"""Sequence set of message numbers or UIDs (RFC 3501 §9, RFC 5182 §2.2)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct

STAR = 0
"""`*` in a range: the largest number in use."""

_MAX = 2**32 - 1
_NUMBER = rb"(?:[1-9][0-9]{0,9}|\*)"
_SET = re.compile(rb"%b(?::%b)?(?:,%b(?::%b)?)*+" % (_NUMBER, _NUMBER, _NUMBER, _NUMBER))

_SINGLE = re.compile(rb"(?<![0-9:])[0-9]++(?!:)")


class SequenceOutOfRange(Exception):
    """A set names a message sequence number that the mailbox does not have."""


class SequenceSet(Struct, frozen=True):
    """Ranges as the client wrote them; both ends may be STAR and come in either order."""

    ranges: tuple[tuple[int, int], ...]
    is_saved: bool = False
    """`$`: the saved result of the last SEARCH; then `ranges` is empty."""


def parse_set(octets: bytes) -> SequenceSet:
    """The set of its octets; raises ValueError. Time is linear in the octets."""
    if octets == b"$":
        return SequenceSet((), is_saved=True)
    if not _SET.fullmatch(octets):
        raise ValueError("not a sequence set")
    octets = octets.replace(b"*", b"0")
    colons = octets.count(b":")
    if colons and colons <= octets.count(b","):
        octets = _SINGLE.sub(rb"\g<0>:\g<0>", octets)
    numbers = [int(number) for number in octets.replace(b":", b",").split(b",")]
    ranges = (
        tuple(zip(numbers[::2], numbers[1::2], strict=True)) if colons else tuple(zip(numbers, numbers, strict=True))
    )
    if max(numbers) > _MAX:
        raise ValueError("a number of the set is out of range")
    return SequenceSet(ranges)


def number_ranges(numbers: SequenceSet, count: int) -> list[tuple[int, int]]:
    """Merged ranges of message numbers, ascending, in a mailbox of `count` messages.

    `n:*` beyond the last message is the last one. Raises SequenceOutOfRange for other numbers beyond `count`. An empty
    mailbox has no `*`, so `1:*` is empty there.
    """
    ranges = []
    for start, end in numbers.ranges:
        if STAR in {start, end}:
            ranges.append((min(start or count, end or count, count), count))
        elif start > count or end > count:
            raise SequenceOutOfRange
        else:
            ranges.append((start, end) if start <= end else (end, start))
    return _merged(ranges) if count else []


def uid_ranges(numbers: SequenceSet, last: int) -> list[tuple[int, int]]:
    """Merged ranges of UIDs, ascending; `last` is the largest UID in use, 0 in an empty mailbox."""
    ranges = []
    for start, end in numbers.ranges:
        low, high = start or last, end or last
        ranges.append((low, high) if low <= high else (high, low))
    return _merged(ranges) if last else []


def position_ranges(numbers: SequenceSet, uids: Sequence[int]) -> list[range]:
    """Positions of the set's UIDs in the ascending `uids`, as ascending ranges; unused UIDs are no error.

    Time: a bisection for each range of the set.
    """
    found = []
    at = 0
    for low, high in uid_ranges(numbers, uids[-1] if uids else 0):
        at = bisect_left(uids, low, at)
        end = bisect_right(uids, high, at)
        if end > at:
            found.append(range(at, end))
        at = end
    return found


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in ascending order without overlap; adjacent ones are joined."""
    if len(ranges) < 2:
        return ranges
    ranges.sort()
    merged = []
    start, end = ranges[0]
    for low, high in ranges:
        if low > end + 1:
            merged.append((start, end))
            start, end = low, high
        elif high > end:
            end = high
    merged.append((start, end))
    return merged


def format_set(numbers: Sequence[int]) -> str:
    """Compact set of ascending numbers, such as "1:3,7"; "" for none."""
    parts = []
    at, count = 0, len(numbers)
    while at < count:
        end = _run_end(numbers, at)
        first, last = numbers[at], numbers[end - 1]
        parts.append(str(first) if first == last else f"{first}:{last}")
        at = end
    return ",".join(parts)


def format_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    """Set of ranges as they are, such as "1:3,7"."""
    return ",".join([str(low) if low == high else f"{low}:{high}" for low, high in ranges])


def _run_end(numbers: Sequence[int], start: int) -> int:
    """End of the run of successive numbers from position `start` on, by doubling steps and bisection."""
    count, offset = len(numbers), numbers[start] - start
    step = 1
    low = start
    while (probe := low + step) < count and numbers[probe] - probe == offset:
        low = probe
        step *= 2
    high = min(low + step, count)
    while high - low > 1:
        middle = (low + high) // 2
        if numbers[middle] - middle == offset:
            low = middle
        else:
            high = middle
    return low + 1
