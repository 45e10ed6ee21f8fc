"""Cuts what was said in an attempt to what its history keeps."""

from __future__ import annotations

from collections.abc import Sequence


def truncate_middle(lines: Sequence[str], most: int, size: int) -> tuple[str, ...]:
    """The first lines and the last ones, `most` of them and `size` characters in all, with a line on how many are left out."""
    if len(lines) <= most // 2 and sum(map(len, lines)) <= size // 2:
        return tuple(lines)
    head = _fitting(lines, most // 2, size // 2)
    rest = lines[head:]
    tail = _fitting(rest[::-1], most // 2, size // 2)
    if tail == len(rest):
        return tuple(lines)
    left_out = len(rest) - tail
    return (*lines[:head], f"-- {left_out} lines left out", *rest[left_out:])


def _fitting(lines: Sequence[str], most: int, size: int) -> int:
    """How many of the lines are `most` lines and `size` characters at most."""
    count = 0
    for line in lines[:most]:
        size -= len(line)
        if size < 0:
            break
        count += 1
    return count
