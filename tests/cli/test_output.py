"""Output of commands: tables that fit a terminal, progress bars, JSON and errors."""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import SimpleNamespace

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.argument_types import parse_when
from mailstack.cli.migrate import Progress
from mailstack.cli.output import (
    MIN_WIDTH,
    CommandError,
    display_width,
    fold,
    print_json,
    print_table,
    shorten,
    table_lines,
)
from mailstack.cli.progress import progress_bar as letter_progress
from mailstack.cli.progress import table_progress
from mailstack.cli.queue import watch
from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.times import clean, iso8601, size_text, span_text


@given(st.text())
def test_what_is_cleaned_can_not_move_a_terminals_cursor(text: str) -> None:
    assert clean(text).isprintable()


@given(st.text())
def test_errors_of_commands_are_printable(text: str) -> None:
    """Why it says no may be in the words of another host, or of what is published."""
    said = io.StringIO()
    CommandError(text).show(said)
    assert said.getvalue().startswith("mailstack: ")
    assert said.getvalue().removesuffix("\n").isprintable()


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_one_printable_line(facts: dict[str, str]) -> None:
    line = json.dumps(facts)
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line) == facts


def test_json_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"sender": "ü\x9b"})
    assert capsys.readouterr().out == '{"sender": "\\u00fc\\u009b"}\n'


def test_a_table_in_a_pipe_is_neither_cut_nor_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "last heard"), [("1", "x" * 500), ("2", "[bold]no markup[/bold]\x1b[0m")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "id  last heard"
    assert lines[1] == "1   " + "x" * 500
    assert lines[2] == "2   [bold]no markup[/bold]\\x1b[0m"


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (52_428_800, "52.4 MB")]
)
def test_sizes(octets: int, text: str) -> None:
    assert size_text(octets) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h"), (86_460, "1 d")],
)
def test_spans_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_times_have_always_six_decimals() -> None:
    assert iso8601(1_764_072_000.0) == "2025-11-25T12:00:00.000000Z"
    assert iso8601(1_764_072_000.5) == "2025-11-25T12:00:00.500000Z"


def test_since_takes_durations_and_dates() -> None:
    now = 1_764_072_000.0
    assert parse_when("2h").at(now) == now - 7200
    assert parse_when("2025-11-25T10:00:00+00:00").at(now) == now - 7200
    with pytest.raises(ValueError, match="yesterday"):
        parse_when("yesterday")


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


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        return click.unstyle(self.getvalue())


def test_a_table_is_folded_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    with redirect_stdout(Terminal()) as terminal:
        print_table(("id", "reply"), [("1m8d0wv6", "452 4.2.2 mailbox full")])
    assert terminal.shown.splitlines() == ["id        reply", "1m8d0wv6  452 4.2.2", "          mailbox full"]


def test_letters_of_files_have_a_bar() -> None:
    with redirect_stderr(Terminal()) as terminal, letter_progress("importing", 3, as_json=False) as advance:
        for _ in range(3):
            advance()
    assert "importing" in terminal.shown
    assert "3/3" in terminal.shown


def test_every_table_of_a_copy_has_a_bar() -> None:
    with redirect_stderr(Terminal()) as terminal, table_progress(as_json=False) as report:
        for table, total in (("empty", 0), ("accounts", 2), ("letters", 5)):
            for done in range(total + 1):
                report(Progress("copied", table, done, total))
    assert re.search(r"copied accounts.*2/2\D.*copied letters.*5/5", terminal.shown, re.DOTALL)
    assert "empty" not in terminal.shown


def test_the_picture_of_the_queue_fits_the_terminal() -> None:
    facts = {"recipient": "bob@b.test", "reply": "452 4.2.2 mailbox full"}
    steps = [Step(LetterId(f"letter{number}"), 0.0, "mx.a.test", "deferred", facts) for number in range(20)]
    changes = SimpleNamespace(waiting=[])
    lines = list(watch._picture(changes, steps, 0.0, os.terminal_size((40, 10))))  # type: ignore[arg-type]
    assert lines[0] == "0 wait"
    assert len(lines) == 9
    assert max(len(click.unstyle(line)) for line in lines) <= 40
    assert "letter0" in lines[3]
