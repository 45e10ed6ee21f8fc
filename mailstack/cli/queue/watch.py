"""`mailstack queue watch`: what happens in the queue, as it happens."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from time import sleep as pause
from typing import TYPE_CHECKING, Any

import click

from mailstack.cli.journey_text import facts_text, journey_lines
from mailstack.cli.output import clean, print_json
from mailstack.cli.queue.changes import Changes
from mailstack.cli.queue.group import columns, grouped
from mailstack.cli.queue.selection import narrowed
from mailstack.cli.store_runner import OpenStore
from mailstack.cli.target import TargetServer, at_place
from mailstack.cli.time_options import clock_text
from mailstack.letter.step import Step
from mailstack.queue.selection import Selection
from mailstack.store.journey_json import step_json

if TYPE_CHECKING:
    from rich.console import RenderableType

INTERVAL = 0.5
"""Seconds between two looks."""
MOST_GROUPS = 15
MOST_STEPS = 12


class Span(click.ParamType[float]):
    """A duration: 30s, 5m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from mailstack.letter.durations import read_duration

        try:
            return read_duration(value)
        except ValueError as error:
            self.fail(f"expected {error}, got {value!r}", param, ctx)


@click.command()
@click.option("--for", "lasting", type=Span(), metavar="TIME", help="End after 30s, 5m …; else with Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each step, as `journey --json` has it.")
@at_place
def watch(place: TargetServer, lasting: float | None, as_json: bool) -> None:
    """Show what happens in the queue as it happens.

    On a terminal: a table of what waits for which destination, and below it the last steps. Else, and with --json, a
    line for each step.

    \b
    Example:
      mailstack queue watch
      mailstack queue watch --for 30s --json | jq -r .step
    """
    with OpenStore(place, only_reads=True) as office:
        looks = _looks(place, office, lasting)
        try:
            if as_json:
                for _, steps in looks:
                    for step in steps:
                        print_json(step_json(step))
            elif sys.stdout.isatty():
                _table(place, looks)
            else:
                for _, steps in looks:
                    for step in steps:
                        click.echo(f"{step.letter}  {next(iter(journey_lines([step])))}")
                    sys.stdout.flush()
        except KeyboardInterrupt:
            return


def _looks(place: TargetServer, office: OpenStore, lasting: float | None) -> Iterator[tuple[Changes, list[Step]]]:
    began = time.monotonic()
    changes = Changes(office, place.now())
    while True:
        yield changes, changes.look(place.now())
        if lasting is not None and time.monotonic() - began >= lasting:
            return
        pause(INTERVAL)


def _table(place: TargetServer, looks: Iterator[tuple[Changes, list[Step]]]) -> None:
    from rich.live import Live

    last: deque[Step] = deque(maxlen=MOST_STEPS)
    with Live(auto_refresh=False) as live:
        for changes, steps in looks:
            last.extend(steps)
            live.update(_picture(changes, last, place.now()), refresh=True)


def _picture(changes: Changes, last: deque[Step], now: float) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    waiting = narrowed(changes.waiting, Selection())
    count = sum(len(record.deliveries) for record in waiting)
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"{count} wait", title_justify="left")
    for column in columns("destination"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for group in grouped(waiting, "destination", now)[:MOST_GROUPS]:
        table.add_row(*(Text(clean(cell)) for cell in group.row(now)))
    steps = Table(box=None, pad_edge=False, show_header=False)
    for step in last:
        told = (clock_text(step.at)[:8], step.letter, step.step, facts_text(step))
        steps.add_row(*(Text(clean(cell), no_wrap=True, overflow="ellipsis") for cell in told))
    return Group(table, Text(""), steps)
