"""What commands print."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.cli.argument_types import parse_when
from mailstack.cli.output import CommandError, print_json, print_table
from mailstack.letter.times import clean, iso8601, size_text, span_text


@given(st.text())
def test_what_is_cleaned_can_not_move_a_terminals_cursor(text: str) -> None:
    assert clean(text).isprintable()


@given(st.text())
def test_a_command_that_says_no_quotes_nobody_s_escapes(text: str) -> None:
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
