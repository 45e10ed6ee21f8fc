"""UID ranges as text and as lists: `1:3,7`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UidRange = tuple[int, int]
"""First and last uid."""


def ranges_of(uids: Iterable[int]) -> list[UidRange]:
    """Ranges of consecutive uids, in ascending order."""
    found: list[UidRange] = []
    first = last = -1
    for uid in sorted(uids):
        if uid > last + 1 or first < 0:
            if first >= 0:
                found.append((first, last))
            first = uid
        last = uid
    if first >= 0:
        found.append((first, last))
    return found


def text_of(ranges: Sequence[UidRange]) -> str:
    return ",".join([f"{first}:{last}" if last > first else str(first) for first, last in ranges])


def parse_ranges(text: str) -> list[UidRange]:
    """Ranges from their text. Raises ValueError."""
    found: list[UidRange] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found.append((int(first), int(last or first)))
    return found


def merged(ranges: Iterable[UidRange]) -> list[UidRange]:
    """Ranges in ascending order, where neighbours and overlaps are joined."""
    found: list[UidRange] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found
