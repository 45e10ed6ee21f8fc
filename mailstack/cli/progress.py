"""Progress of long commands: bars on a terminal, counts, and JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from mailstack.cli.migrate import OnProgress, Progress
from mailstack.cli.output import CommandError, print_json
from mailstack.letter.times import clean

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
            fields: dict[str, Any] = {"file": name, "id": letter, "state": state}
            print_json(fields | ({"why": why} if why else {}))
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
            click.echo(", ".join(part for part, state in zip(parts, words, strict=True) if self._is_shown(state, done)))
        if refused := self.counts.get("refused", 0):
            raise CommandError(f"{refused} of {sum(self.counts.values())} were refused; the first: {self._first}")
        if damaged := self.counts.get("damaged", 0):
            raise CommandError(f"{damaged} of {sum(self.counts.values())} couldn't be read; the first: {self._first}")

    def _is_shown(self, state: str, done: str) -> bool:
        return state == done or self.counts.get(state, 0) > 0


@contextmanager
def progress_bar(what: str, total: int, *, as_json: bool) -> Iterator[Callable[[], object]]:
    """Yields a function to call after each letter; shows a progress bar on a terminal."""
    if as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=total, label=what, show_pos=True, file=sys.stderr) as bar:
        yield lambda: bar.update(1)


@contextmanager
def table_progress(*, as_json: bool) -> Iterator[OnProgress]:
    """Yield the function that reports progress."""
    if as_json:
        yield lambda step: print_json({"step": step.what, "table": step.table, "rows": step.done, "of": step.total})
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _line


def _line(step: Progress) -> None:
    """Print a table when it is done, and every 100,000 rows before."""
    if step.done == step.total:
        click.echo(f"{step.what}: {step.table}, {step.done} rows", err=True)
    elif step.done and step.done % 100_000 == 0:
        click.echo(f"{step.what}: {step.table}, {step.done} of {step.total} rows", err=True)


@contextmanager
def _bars() -> Iterator[OnProgress]:
    """Yield the function that shows a bar for each table, one after the other."""
    with ExitStack() as displayed:
        bars: dict[tuple[str, str], Any] = {}

        def report(step: Progress) -> None:
            if not step.total:
                return
            key = step.what, step.table
            if key not in bars:
                displayed.close()
                bar = click.progressbar(length=step.total, label=" ".join(key), show_pos=True, file=sys.stderr)
                bars[key] = displayed.enter_context(bar)
            bars[key].update(step.done - bars[key].pos)

        yield report
