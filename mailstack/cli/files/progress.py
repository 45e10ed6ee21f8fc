"""Progress bar and result counts of imports and exports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from mailstack.cli.errors import CommandError
from mailstack.cli.output import print_json
from mailstack.letter.display_text import clean

MAX_LISTED = 20
"""Maximum number of refusals that are printed one by one."""


class Tally:
    """Counts of letters by state."""

    def __init__(self, *, as_json: bool) -> None:
        self.counts: dict[str, int] = {}
        self._as_json = as_json
        self._first = ""

    def count(self, state: str, name: str, letter: str | None, why: str = "") -> None:
        """Counts one letter, and prints a problem."""
        self.counts[state] = self.counts.get(state, 0) + 1
        if self._as_json:
            told: dict[str, Any] = {"file": name, "id": letter, "state": state}
            print_json(told | ({"why": why} if why else {}))
        elif why and self.counts[state] <= MAX_LISTED:
            click.echo(clean(f"mailstack: {name}: {why}"), err=True)
        if why and not self._first:
            self._first = f"{name}: {why}"

    def end(self, done: str, words: dict[str, str]) -> None:
        """Prints the counts; `done` is always included. Raises CommandError if letters were refused or damaged."""
        if self._as_json:
            print_json({"state": "done", **{state: self.counts.get(state, 0) for state in (*words, "refused")}})
        else:
            parts = [f"{self.counts.get(state, 0)} {text}" for state, text in words.items()]
            click.echo(", ".join(part for part, state in zip(parts, words, strict=True) if self._tells(state, done)))
        if refused := self.counts.get("refused", 0):
            raise CommandError(f"{refused} of {sum(self.counts.values())} were refused; the first: {self._first}")
        if damaged := self.counts.get("damaged", 0):
            raise CommandError(f"{damaged} of {sum(self.counts.values())} couldn't be read; the first: {self._first}")

    def _tells(self, state: str, done: str) -> bool:
        return state == done or self.counts.get(state, 0) > 0


@contextmanager
def progress_bar(what: str, total: int, *, as_json: bool) -> Iterator[Callable[[], object]]:
    """Yields a function to call after each letter; shows a progress bar on a terminal."""
    if as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=total, label=what, show_pos=True, file=sys.stderr) as bar:
        yield lambda: bar.update(1)
