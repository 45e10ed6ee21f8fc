"""Progress reports of long commands: bars on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from mailstack.cli.migrate import OnProgress, Progress
from mailstack.cli.output import print_json


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
