"""Truncation of dialogues."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mailstack.relay.transactions import truncate_middle

LINES = st.lists(st.text("ab", max_size=9), max_size=30)


@given(LINES, st.integers(0, 30), st.integers(0, 100))
def test_no_more_is_kept_than_fits(lines: list[str], most: int, size: int) -> None:
    kept = truncate_middle(lines, most, size)
    if kept == tuple(lines):
        assert len(lines) <= most
        assert sum(map(len, lines)) <= size
        return
    (place,) = [place for place, line in enumerate(kept) if line.startswith("--")]
    head, tail = list(kept[:place]), list(kept[place + 1 :])
    assert len(head) + len(tail) <= most
    assert sum(map(len, head)) + sum(map(len, tail)) <= size
    assert lines[: len(head)] == head
    assert lines[len(lines) - len(tail) :] == tail
    told = re.fullmatch(r"-- (\d+) lines left out", kept[place])
    assert told is not None
    assert int(told[1]) == len(lines) - len(head) - len(tail)


@given(LINES)
def test_what_fits_is_kept_whole(lines: list[str]) -> None:
    assert truncate_middle(lines, 2 * len(lines), 2 * sum(map(len, lines))) == tuple(lines)
