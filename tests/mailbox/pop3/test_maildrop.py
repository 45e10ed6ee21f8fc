"""Message numbers, marks and listings of a maildrop, and the filter of TOP."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack import store
from mailstack.letter import LetterId
from mailstack.mailbox.pop3.maildrop import SLICE, Maildrop, NoSuchLetter
from mailstack.mailbox.pop3.transaction import TopFilter
from mailstack.store import Entry
from tests.protocols.cuts import in_pieces_of


def drop_of(*sizes: int, first_uid: int = 1, validity: int = 0xFFFFFFFF) -> Maildrop:
    entries = [Entry(first_uid + i, size, LetterId(f"id{i}")) for i, size in enumerate(sizes)]
    return Maildrop(store.Maildrop("bob@home.test", validity, entries))


def test_marks_hide_letters_and_numbers_do_not_move() -> None:
    """POP-09, POP-10"""
    drop = drop_of(10, 20, 30)
    drop.mark(2)
    assert (len(drop), drop.octets) == (2, 40)
    assert b"".join(drop.sizes()) == b"1 10\r\n3 30\r\n"
    assert drop.entry(3).size == 30
    for forbidden in (drop.entry, drop.mark):
        with pytest.raises(NoSuchLetter):
            forbidden(2)
    assert drop.marked == [2]
    drop.unmark_all()
    assert (len(drop), drop.octets, drop.marked) == (3, 60, [])


@pytest.mark.parametrize("number", [0, -1, 4, 9999999999])
def test_there_is_no_letter_beyond_the_ends(number: int) -> None:
    """POP-06"""
    with pytest.raises(NoSuchLetter):
        drop_of(1, 2, 3).entry(number)


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_unique_id_fits_the_grammar_and_is_listed(validity: int, uid: int) -> None:
    """POP-12"""
    drop = drop_of(5, first_uid=uid, validity=validity)
    unique_id = drop.unique_id(drop.entry(1))
    assert re.fullmatch(r"[!-~]{1,70}", unique_id)
    assert b"".join(drop.unique_ids()) == f"1 {unique_id}\r\n".encode()


def test_unique_ids_never_collide_between_validities() -> None:
    assert drop_of(1, first_uid=0x11, validity=0x1).unique_id(Entry(0x11, 0, LetterId(""))) != drop_of(
        1, first_uid=0x1, validity=0x11
    ).unique_id(Entry(0x1, 0, LetterId("")))


def test_a_long_listing_comes_in_slices() -> None:
    """POP-30"""
    drop = drop_of(*range(3 * SLICE + 1))
    drop.mark(2 * SLICE)
    slices = list(drop.sizes())
    assert len(slices) == 4
    lines = b"".join(slices).split(b"\r\n")[:-1]
    assert len(lines) == 3 * SLICE
    assert lines[0] == b"1 0"
    assert lines[-1] == f"{3 * SLICE + 1} {3 * SLICE}".encode()


def excerpt_of(letter: bytes, lines: int, *sizes: int) -> bytes:
    excerpt = TopFilter(lines)
    return b"".join([excerpt.feed(piece) for piece in in_pieces_of(*sizes)(letter)])


LINES = st.lists(st.sampled_from([b"a", b".", b"long line", b"\r", b""]), max_size=6)


@given(LINES, LINES, st.integers(0, 8), st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_an_excerpt_is_header_blank_line_and_so_many_lines_in_any_cut(
    header: list[bytes], body: list[bytes], lines: int, sizes: list[int]
) -> None:
    """POP-08"""
    header = [line for line in header if line]
    letter = b"".join([line + b"\r\n" for line in [*header, b"", *body]])
    expected = b"".join([line + b"\r\n" for line in [*header, b"", *body[:lines]]])
    assert excerpt_of(letter, lines, *sizes) == expected


def test_a_letter_that_is_all_header_is_shown_whole() -> None:
    assert excerpt_of(b"Subject: x\r\n", 0, 5) == b"Subject: x\r\n"


def test_an_excerpt_is_done_as_soon_as_nothing_more_is_shown() -> None:
    excerpt = TopFilter(1)
    assert excerpt.feed(b"A: b\r\n\r\none\r\ntwo") == b"A: b\r\n\r\none\r\n"
    assert excerpt.done
    assert excerpt.feed(b"more\r\n") == b""
