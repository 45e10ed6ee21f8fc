"""Output of commands: tables for people, JSON lines for programs, and errors.

Control characters are escaped before they reach a terminal.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

import click

from mailstack.letter.times import clean, span_text

if TYPE_CHECKING:
    from mailstack.letter.delivery import Delivery
    from mailstack.store import Record


GAP = "  "
"""Space between two columns."""
STATE_COLORS = {
    **dict.fromkeys(("delivered", "relayed", "collected", "ok"), "green"),
    **dict.fromkeys(("queued", "in progress"), "cyan"),
    **dict.fromkeys(("held", "warn"), "yellow"),
    **dict.fromkeys(("bounced", "BROKEN"), "red"),
    "removed": "bright_black",
}
"""Colours of states in a table on a terminal."""
_STATE = re.compile(rf"\b(?:{'|'.join(STATE_COLORS)})\b")

MIN_WIDTH = 6
"""Minimum width of a folded column, in terminal cells."""


def table_lines(
    rows: Sequence[Sequence[str]],
    max_width: int | None = None,
    *,
    right: Collection[int] = (),
    whole: Collection[int] = (),
    short: Collection[int] = (),
    colored: Collection[int] = (),
) -> Iterator[str]:
    """Lines of a table of at most `max_width` cells, if the minimum widths allow it.

    `right` are the numbers of right-aligned columns, `whole` of columns that are never folded, `short` of columns that
    are cut off instead, `colored` of columns with states.
    """
    cells = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(display_width(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    if max_width is not None:
        widths = _fit(widths, max_width - len(GAP) * (len(widths) - 1), whole)
    for row in cells:
        folded = [
            [part for line in cell for part in ([shorten(line, width)] if number in short else fold(line, width))]
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = [
                _pad(part, width, right=number in right)
                for number, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            padded[-1] = padded[-1].rstrip()
            line = GAP.join(_color(cell) if number in colored else cell for number, cell in enumerate(padded))
            yield line.rstrip()


def _color(cell: str) -> str:
    """Colours each state in a cell."""
    return _STATE.sub(lambda found: click.style(found[0], fg=STATE_COLORS[found[0]]), cell)


def display_width(text: str) -> int:
    """Terminal cells of a text: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fold(text: str, width: int) -> Iterator[str]:
    """Parts of `text` of at most `width` cells, cut at blanks where that is possible."""
    while display_width(text) > width:
        fitting, used = 0, 0
        for character in text:
            used += _cells(character)
            if used > width:
                break
            fitting += 1
        fitting = max(1, fitting)
        blank = text.rfind(" ", 1, fitting + 1)
        yield text[: blank if blank > 0 else fitting]
        text = text[blank + 1 if blank > 0 else fitting :]
    yield text


def shorten(text: str, width: int) -> str:
    """Returns `text`, cut off with an ellipsis beyond `width` cells."""
    if display_width(text) <= width:
        return text
    while display_width(text) >= width:
        text = text[:-1]
    return f"{text}…"


def _fit(widths: Sequence[int], total: int, whole: Collection[int]) -> list[int]:
    """Widths that add up to `total`: the widest columns, except the whole ones, get one common width."""

    def limited(limit: int) -> list[int]:
        return [width if number in whole else min(width, limit) for number, width in enumerate(widths)]

    limit = max(widths)
    while limit > MIN_WIDTH and sum(limited(limit)) > total:
        limit -= 1
    return limited(limit)


def _pad(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def print_json(document: Mapping[str, Any]) -> None:
    """Print one object on one line, in ASCII, and flush it for readers of a stream."""
    click.echo(json.dumps(document))
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "") -> None:
    """Print a table, folded to the width of the terminal if standard output is one.

    Ids are never folded; addresses beside an id are shortened. `empty` is printed instead of a table without rows.
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
        short={number for number, name in enumerate(columns) if name in ("from", "to")},
        colored={number for number, name in enumerate(columns) if name in ("state", "next", "")},
    )
    click.secho(header, bold=True)
    for line in lines:
        click.echo(line)


yes = click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
"""Option of every command that calls `confirm`."""


def confirm(question: str) -> None:
    """Requires confirmation of a change. Raises click.Abort for no, and CommandError without a terminal."""
    try:
        confirmed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise CommandError(
            "nothing was changed: there is no terminal to confirm this on; add --yes to the command"
        ) from None
    if not confirmed:
        raise click.Abort


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


class CommandError(click.ClickException):
    """Ends a command with status 1 and a one-line message. Wrong usage is click's own error, with status 2."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        line = " ".join(self.format_message().split())
        click.echo(f"mailstack: {clean(line)}", file=file, err=file is None)
