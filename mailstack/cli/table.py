"""Plain text tables, with columns folded to the width of a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

GAP = "  "
"""Space between two columns."""
MIN_WIDTH = 6
"""Minimum width of a folded column, in terminal cells."""


def table_lines(
    rows: Sequence[Sequence[str]],
    max_width: int | None = None,
    *,
    right: Collection[int] = (),
    whole: Collection[int] = (),
) -> Iterator[str]:
    """Lines of a table of at most `max_width` cells, if the minimum widths allow it.

    `right` are the numbers of right-aligned columns, `whole` of columns that are never folded.
    """
    cells = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(display_width(line) for cell in column for line in cell) for column in zip(*cells, strict=True)]
    if max_width is not None:
        widths = _fit(widths, max_width - len(GAP) * (len(widths) - 1), whole)
    for row in cells:
        folded = [
            [part for line in cell for part in fold(line, width)] for cell, width in zip(row, widths, strict=True)
        ]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = [
                _pad(part, width, right=number in right)
                for number, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            yield GAP.join(padded).rstrip()


def display_width(text: str) -> int:
    """Cells of a terminal that `text` takes: two for a wide character, none for a combining one."""
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
