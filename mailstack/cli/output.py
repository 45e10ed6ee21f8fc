"""What commands print: tables for people, JSON lines for programs; nothing hostile reaches a terminal."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mailstack.cli.table import table_lines
from mailstack.letter.display_text import clean


def print_json(document: Mapping[str, Any]) -> None:
    """One object on one line, in ASCII, written at once so that a reader of a stream sees it."""
    click.echo(json.dumps(document))
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "") -> None:
    """A table as wide as the terminal, or as wide as it needs to be when nobody is there to read it.

    `empty` is what is said in place of a table without rows.
    """
    if not rows and empty:
        click.echo(empty)
        return
    cells = [["\n".join(map(clean, cell.split("\n"))) for cell in row] for row in (columns, *rows)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    header, *lines = table_lines(cells, width, right={at for at, name in enumerate(columns) if name == "size"})
    click.secho(header, bold=True)
    for line in lines:
        click.echo(line)
