"""Tells how far a copy is: a bar on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mailstack.cli.printing import print_json
from mailstack.moving import Said, Say


@contextmanager
def telling(*, as_json: bool) -> Iterator[Say]:
    """A function that tells what it is told."""
    if as_json:
        yield lambda said: print_json({"step": said.what, "table": said.table, "rows": said.done, "of": said.of})
    elif sys.stderr.isatty():
        with _bars() as say:
            yield say
    else:
        yield _line


def _line(said: Said) -> None:
    """A table when it is done, and now and then before."""
    if said.done == said.of:
        click.echo(f"{said.what}: {said.table}, {said.done} rows", err=True)
    elif said.done and said.done % 100_000 == 0:
        click.echo(f"{said.what}: {said.table}, {said.done} of {said.of} rows", err=True)


@contextmanager
def _bars() -> Iterator[Say]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[tuple[str, str], object] = {}

        def say(said: Said) -> None:
            if not said.of:
                return
            task = tasks.get((said.what, said.table))
            if task is None:
                task = tasks[said.what, said.table] = progress.add_task(f"{said.what} {said.table}", total=said.of)
            progress.update(task, completed=said.done)  # type: ignore[arg-type]

        yield say
