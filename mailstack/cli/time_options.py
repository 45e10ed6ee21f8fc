"""Times and durations as the command line reads and writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from msgspec import Struct

from mailstack.letter.durations import read_duration


class When(Struct, frozen=True):
    """A moment as people name it: so long ago, or at a time."""

    ago: float | None = None
    """Seconds."""
    instant: float = 0.0
    """Seconds since 1970, where `ago` is None."""

    def at(self, now: float) -> float:
        """By the clock of the server that is asked, which may have been moved ahead."""
        return self.instant if self.ago is None else now - self.ago


def parse_when(text: str) -> When:
    """Of "2h" (ago), or of a date or time as ISO 8601 writes it (local time unless it says more). Raises ValueError."""
    try:
        return When(read_duration(text.strip()))
    except ValueError:
        return When(instant=datetime.fromisoformat(text.strip()).timestamp())


class Since(click.ParamType[When]):
    """The type of options such as --since."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        if isinstance(value, When):
            return value
        try:
            return parse_when(value)
        except (ValueError, OverflowError, OSError):
            wanted = "a duration (30m, 2h, 7d) or a date (2026-11-23, 2026-11-23T21:00)"
            self.fail(f"{value!r} is not {wanted}.", param, ctx)
