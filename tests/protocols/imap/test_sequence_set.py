"""Sequence sets: parsed, resolved against a mailbox, and written."""

from __future__ import annotations

import itertools
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.imap.sequence_set import (
    STAR,
    SequenceOutOfRange,
    SequenceSet,
    format_ranges,
    format_set,
    number_ranges,
    parse_set,
    position_ranges,
    uid_ranges,
)

ENDS = st.one_of(st.integers(1, 30), st.integers(1, 2**32 - 1), st.just(STAR))
SETS = st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=8).map(lambda ranges: SequenceSet(tuple(ranges)))


@pytest.mark.parametrize(
    ("octets", "ranges"),
    [
        (b"1", [(1, 1)]), (b"*", [(0, 0)]), (b"1:*", [(1, 0)]), (b"*:4", [(0, 4)]), (b"5:3", [(5, 3)]),
        (b"1,3:5,*", [(1, 1), (3, 5), (0, 0)]), (b"4294967295", [(2**32 - 1, 2**32 - 1)]), (b"*:*", [(0, 0)]),
    ],
)  # fmt: skip
def test_sets(octets: bytes, ranges: list[tuple[int, int]]) -> None:
    """IMAP-91"""
    assert parse_set(octets) == SequenceSet(tuple(ranges))
    assert parse_set(b"$") == SequenceSet((), is_saved=True)


@pytest.mark.parametrize(
    "octets",
    [b"", b"0", b"01", b"1:0", b"1,", b",1", b"1,,2", b"1:", b":1", b"1:2:3", b"**", b"1*", b"a", b"1 2", b"4294967296",
     b"1:4294967296", b"$,1", b"-1", b"1.5", b"\xd9\xa1", b"1\n", b"99999999999999999999"],
)  # fmt: skip
def test_what_is_no_set(octets: bytes) -> None:
    """IMAP-91"""
    with pytest.raises(ValueError, match="set"):
        parse_set(octets)


def text_of(numbers: SequenceSet) -> str:
    ends = [["*" if end == STAR else str(end) for end in pair] for pair in numbers.ranges]
    return ",".join([first if first == last else f"{first}:{last}" for first, last in ends])


@given(SETS)
def test_a_set_is_read_as_it_was_written(numbers: SequenceSet) -> None:
    """IMAP-91, IMAP-130"""
    assert parse_set(text_of(numbers).encode()) == numbers


@pytest.mark.parametrize(
    ("octets", "count", "expected"),
    [
        (b"1:*", 3, [(1, 3)]), (b"5:*", 3, [(3, 3)]), (b"*:5", 3, [(3, 3)]), (b"*", 3, [(3, 3)]), (b"3:1", 3, [(1, 3)]),
        (b"3,1,2", 3, [(1, 3)]), (b"1,3", 3, [(1, 1), (3, 3)]), (b"2,*", 3, [(2, 3)]), (b"1:*", 0, []), (b"*", 0, []),
    ],
)  # fmt: skip
def test_message_numbers(octets: bytes, count: int, expected: list[tuple[int, int]]) -> None:
    """IMAP-91"""
    assert number_ranges(parse_set(octets), count) == expected


@pytest.mark.parametrize(("octets", "count"), [(b"4", 3), (b"1:4", 3), (b"4:1", 3), (b"1", 0), (b"1,4", 3)])
def test_message_numbers_beyond_the_mailbox(octets: bytes, count: int) -> None:
    """IMAP-91"""
    with pytest.raises(SequenceOutOfRange):
        number_ranges(parse_set(octets), count)


def members(numbers: SequenceSet, last: int, uids: list[int]) -> list[int]:
    """Uids of the set, by its definition (RFC 3501 §9, seq-range)."""
    pairs = [sorted((start or last, end or last)) for start, end in numbers.ranges]
    return [uid for uid in uids if any(low <= uid <= high for low, high in pairs)]


@given(SETS, st.sets(st.integers(1, 60), max_size=30))
def test_uids_of_a_set(numbers: SequenceSet, used: set[int]) -> None:
    """IMAP-91: unused uids are no error."""
    uids = array("I", sorted(used))
    found = position_ranges(numbers, uids)
    positions = [position for part in found for position in part]
    assert [uids[position] for position in positions] == members(numbers, uids[-1] if uids else 0, list(uids))
    assert all(before.stop <= after.start for before, after in itertools.pairwise(found))
    ranges = uid_ranges(numbers, uids[-1] if uids else 0)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ranges))
    assert [uid for uid in uids if any(low <= uid <= high for low, high in ranges)] == [uids[at] for at in positions]


@given(st.one_of(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 2**32 - 1))))
def test_numbers_survive_the_compact_form(numbers: set[int]) -> None:
    """IMAP-64"""
    ascending = sorted(numbers)
    text = format_set(ascending)
    assert text == format_set(array("Q", ascending))
    if numbers:
        ranges = parse_set(text.encode()).ranges
        assert [number for low, high in ranges for number in range(low, high + 1)] == ascending
        assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ranges))
        assert format_ranges(ranges) == text
    else:
        assert text == ""


def test_sets_of_ten_thousand_ranges() -> None:
    """IMAP-07"""
    text = ",".join([f"{number}:{number + 1}" for number in range(1, 40_000, 4)])
    numbers = parse_set(text.encode())
    assert len(numbers.ranges) == 10_000
    uids = array("I", range(1, 100_001))
    found = position_ranges(numbers, uids)
    assert len(found) == 10_000
    assert format_set([uids[at] for part in found for at in part]) == text


def test_a_long_run_is_found_in_steps_that_double() -> None:
    assert format_set(range(1, 10**9)) == f"1:{10**9 - 1}"
