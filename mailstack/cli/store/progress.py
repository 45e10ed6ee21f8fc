"""Progress reports of long commands: bars on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mailstack.cli.migrate import OnProgress, Progress
from mailstack.cli.output import print_json


@contextmanager
def progress(*, as_json: bool) -> Iterator[OnProgress]:
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
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as display:
        tasks: dict[tuple[str, str], bars.TaskID] = {}

        def report(step: Progress) -> None:
            if not step.total:
                return
            key = step.what, step.table
            if key not in tasks:
                tasks[key] = display.add_task(" ".join(key), total=step.total)
            display.update(tasks[key], completed=step.done)

        yield report
