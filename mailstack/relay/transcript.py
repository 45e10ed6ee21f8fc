"""Dialogue truncation for the history."""

from __future__ import annotations

from collections.abc import Sequence


def truncate_middle(lines: Sequence[str], max_lines: int, size: int) -> tuple[str, ...]:
    """Keeps the first and last lines, at most `max_lines` and `size` characters, with a line on how many are left out."""
    if len(lines) <= max_lines // 2 and sum(map(len, lines)) <= size // 2:
        return tuple(lines)
    head = _fitting(lines, max_lines // 2, size // 2)
    rest = lines[head:]
    tail = _fitting(rest[::-1], max_lines // 2, size // 2)
    if tail == len(rest):
        return tuple(lines)
    left_out = len(rest) - tail
    return (*lines[:head], f"-- {left_out} lines left out", *rest[left_out:])


def _fitting(lines: Sequence[str], max_lines: int, size: int) -> int:
    """Number of lines that fit into `max_lines` and `size` characters."""
    count = 0
    for line in lines[:max_lines]:
        size -= len(line)
        if size < 0:
            break
        count += 1
    return count
