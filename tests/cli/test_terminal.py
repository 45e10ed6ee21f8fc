"""What commands show on a terminal: tables that fit it, and progress bars."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import SimpleNamespace

import click
import pytest

from mailstack.cli.migrate import Progress
from mailstack.cli.output import print_table
from mailstack.cli.progress import progress_bar as letter_progress
from mailstack.cli.progress import table_progress
from mailstack.cli.queue import watch
from mailstack.letter import LetterId
from mailstack.letter.delivery import Step


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
