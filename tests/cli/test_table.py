"""Tables of text that fit a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.output import MIN_WIDTH, display_width, fold, shorten, table_lines

# Characters of one cell, of two and of none.
TEXTS = st.text("ab c日́", max_size=40)


@given(TEXTS, st.integers(2, 20))
def test_folded_text_fits_and_loses_only_the_blanks_it_is_cut_at(text: str, width: int) -> None:
    parts = list(fold(text, width))
    assert all(display_width(part) <= width for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


@given(st.lists(st.text("abc日́", min_size=1, max_size=6), min_size=1), st.integers(12, 20))
def test_text_is_cut_at_blanks_where_its_words_fit(words: list[str], width: int) -> None:
    assert [word for part in fold(" ".join(words), width) for word in part.split()] == words


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5), st.integers(1, 60))
def test_a_table_fits_the_terminal_unless_its_columns_would_be_too_narrow(rows: list, width: int) -> None:
    lines = list(table_lines(rows, width))
    assert max(map(display_width, lines)) <= max(width, 3 * MIN_WIDTH + 4)


def test_columns_are_aligned_by_the_cells_that_characters_take() -> None:
    rows = [("id", "size", "to"), ("日本", "5", "a"), ("1", "1234", "b\nc")]
    assert list(table_lines(rows, right={1})) == [
        "id    size  to",
        "日本     5  a",
        "1     1234  b",
        "            c",
    ]


def test_the_widest_column_is_folded_at_blanks_first() -> None:
    rows = [("id", "reply"), ("1m8d0wv6", "452 4.2.2 mailbox full, try again later")]
    assert list(table_lines(rows, 30)) == [
        "id        reply",
        "1m8d0wv6  452 4.2.2 mailbox",
        "          full, try again",
        "          later",
    ]


def test_a_whole_column_is_never_folded() -> None:
    rows = [("id", "to", "reply"), ("1m8d0wv62zsy6qz", "carol@elsewhere.test", "452 4.2.2 mailbox full")]
    lines = list(table_lines(rows, 40, whole={0}))
    assert lines[1].startswith("1m8d0wv62zsy6qz  ")
    assert max(map(display_width, lines)) <= 40
    assert not list(table_lines(rows, 40))[1].startswith("1m8d0wv62zsy6qz  ")


def test_addresses_are_shortened_beside_an_id() -> None:
    rows = [("id", "to", "reply"), ("1m8d0wv62zsy6qz", "carol.carolson@elsewhere.test", "452 4.2.2 mailbox full")]
    assert list(table_lines(rows, 40, whole={0}, short={1})) == [
        "id               to          reply",
        "1m8d0wv62zsy6qz  carol.car…  452 4.2.2",
        "                             mailbox",
        "                             full",
    ]


@given(TEXTS, st.integers(2, 20))
def test_shortened_text_fits(text: str, width: int) -> None:
    short = shorten(text, width)
    assert display_width(short) <= width
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.integers(1, 60))
def test_the_other_columns_make_room_for_a_whole_one(rows: list, width: int) -> None:
    lines = list(table_lines(rows, width, whole={1}))
    widest = max(display_width(text) for _, text in rows)
    assert max(map(display_width, lines)) <= max(width, MIN_WIDTH + 2 + widest)
