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
from mailstack.letter.delivery import Delivery
from mailstack.letter.display_text import clean, span_text
from mailstack.store import Record


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


def whereabouts(record: Record) -> str:
    """State of a letter for a table: one word, or a count for each state."""
    states = [str(delivery.state) for delivery in record.deliveries]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if len(counts) == 1:
        return states[0]
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def due_text(delivery: Delivery, now: float) -> str:
    """Time of the next attempt, for people."""
    if delivery.state == "held":
        return "held"
    if delivery.claimed_by is not None and delivery.lease > now:
        return "in progress"
    return f"in {span_text(delivery.due - now)}" if delivery.due > now else "now"


def last_word(delivery: Delivery) -> str:
    """Result of the last attempt of a delivery."""
    if delivery.status is None and not delivery.text:
        return "no attempt yet" if delivery.attempts == 0 else "first attempt in progress"
    status = str(delivery.status) if delivery.status else ""
    return delivery.text if status in delivery.text else f"{status} {delivery.text}".strip()
