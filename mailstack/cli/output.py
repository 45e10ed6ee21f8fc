"""Output of commands: tables for people, JSON lines for programs.

Control characters are escaped before they reach a terminal.
"""

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
    """Print one object on one line, in ASCII, and flush it for readers of a stream."""
    click.echo(json.dumps(document))
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "") -> None:
    """Print a table, folded to the width of the terminal if standard output is one.

    Ids are never folded. `empty` is printed instead of a table without rows.
    """
    if not rows and empty:
        click.echo(empty)
        return
    cells = [["\n".join(map(clean, cell.split("\n"))) for cell in row] for row in (columns, *rows)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    header, *lines = table_lines(
        cells,
        width,
        right={number for number, name in enumerate(columns) if name == "size"},
        whole={number for number, name in enumerate(columns) if name in ("id", "letter")},
    )
    click.secho(header, bold=True)
    for line in lines:
        click.echo(line)
