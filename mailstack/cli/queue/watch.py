"""Command `mailstack queue watch`: queue events as they happen."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from time import sleep as pause
from typing import Any

import click

from mailstack.cli.output import fold, print_json, table_lines
from mailstack.cli.queue.list import columns, grouped
from mailstack.cli.queue.selection import narrowed
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter import LetterId
from mailstack.letter.delivery import OWED, Step
from mailstack.letter.times import clean, clock_text, read_duration
from mailstack.queue.hold_rules import DeliverySelection
from mailstack.store import Filter, Record
from mailstack.store.journey import facts_text, journey_lines, step_json

INTERVAL = 0.5
"""Seconds between two polls."""
MAX_GROUPS = 15
MAX_STEPS = 12
CLEAR = "\x1b[H\x1b[J"
"""Escape sequence that clears a terminal."""


class Span(click.ParamType[float]):
    """A duration: 30s, 5m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return read_duration(value)
        except ValueError as error:
            self.fail(f"expected {error}, got {value!r}", param, ctx)


@click.command()
@click.option("--for", "lasting", type=Span(), metavar="TIME", help="Stop after 30s, 5m …; else run until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each step, as `journey --json` has it.")
@with_target
def watch(target: TargetServer, lasting: float | None, as_json: bool) -> None:
    """Show queue events as they happen.

    A terminal shows a table of the waiting messages by destination, and the latest steps below. Otherwise, and with
    --json, each step is a line.

    \b
    Example:
      mailstack queue watch
      mailstack queue watch --for 30s --json | jq -r .step
    """
    with OpenStore(target, only_reads=True) as server:
        looks = _polls(target, server, lasting)
        try:
            if as_json:
                for _, steps in looks:
                    for step in steps:
                        print_json(step_json(step))
            elif sys.stdout.isatty():
                _show(target, looks)
            else:
                for _, steps in looks:
                    for step in steps:
                        click.echo(f"{step.letter}  {next(iter(journey_lines([step])))}")
                    sys.stdout.flush()
        except KeyboardInterrupt:
            return


def _polls(target: TargetServer, server: OpenStore, lasting: float | None) -> Iterator[tuple[Changes, list[Step]]]:
    began = time.monotonic()
    changes = Changes(server, target.now())
    while True:
        yield changes, changes.poll(target.now())
        if lasting is not None and time.monotonic() - began >= lasting:
            return
        pause(INTERVAL)


def _show(target: TargetServer, looks: Iterator[tuple[Changes, list[Step]]]) -> None:
    """Redraws the screen at each poll."""
    last: deque[Step] = deque(maxlen=MAX_STEPS)
    for changes, steps in looks:
        last.extend(steps)
        click.echo(CLEAR + "\n".join(_picture(changes, last, target.now(), shutil.get_terminal_size())))


def _picture(changes: Changes, last: Iterable[Step], now: float, size: os.terminal_size) -> Iterator[str]:
    """Lines of the screen: waiting letters by destination, and the latest steps."""
    waiting = narrowed(changes.waiting, DeliverySelection())
    groups = grouped(waiting, "destination", now)[:MAX_GROUPS]
    header, *table = table_lines([columns("destination"), *([*map(clean, group.row(now))] for group in groups)])
    rows = [[clock_text(step.at)[:8], step.letter, step.step, facts_text(step)] for step in last]
    lines = [f"{sum(len(record.deliveries) for record in waiting)} wait", header, *table, ""]
    lines += table_lines([list(map(clean, row)) for row in rows]) if rows else []
    for line in lines[: size.lines - 1]:
        cut = next(fold(line, size.columns))
        yield click.style(cut, bold=True) if line is header else cut


MAX_SCANNED = 1000
"""Maximum number of waiting letters, and of newest letters, read by one poll."""

_Mark = tuple[object, ...]


class Changes:
    """Polls an open store for new steps, also of letters that came and went between two polls."""

    def __init__(self, server: OpenStore, began: float) -> None:
        """Steps before `began` (seconds since 1970) are skipped."""
        self._server = server
        self._began = began
        self._last = began
        self._marks: dict[LetterId, _Mark] = {}
        self._printed: dict[LetterId, list[Step]] = {}
        self.waiting: list[Record] = []
        """Letters waiting at the last poll, newest first."""
        self._first = True

    def poll(self, now: float) -> list[Step]:
        """Steps since the last poll, oldest first."""
        store = self._server.store
        self.waiting = self._server.run(store.history.records(Filter(states=OWED, limit=MAX_SCANNED)))
        # A letter that was accepted a moment ago may carry a time from before the last poll.
        fresh = self._server.run(store.history.records(Filter(since=self._last - 5.0, limit=MAX_SCANNED)))
        self._last = now
        here = {record.letter.id: record for record in (*fresh, *self.waiting)}
        gone = [letter for letter in self._marks if letter not in here]
        for letter in gone:
            here.update(
                {record.letter.id: record for record in self._server.run(store.history.records(Filter(ids=(letter,))))}
            )
        new = [step for record in here.values() for step in self._of(record)]
        for letter in gone:
            self._marks.pop(letter, None)
            self._printed.pop(letter, None)
        self._first = False
        return sorted(new, key=lambda step: step.at)

    def _of(self, record: Record) -> list[Step]:
        letter = record.letter.id
        mark = tuple([(one.state, one.attempts, one.due, one.claimed_by) for one in record.deliveries])
        if self._marks.get(letter) == mark:
            return []
        is_known = letter in self._marks
        self._marks[letter] = mark
        if self._first and not is_known and record.letter.arrival.at < self._began:
            return []
        steps = self._server.run(self._server.store.history.steps(letter))
        printed = self._printed.setdefault(letter, [])
        new = [step for step in steps if step.at >= self._began and step not in printed]
        printed += new
        return new
