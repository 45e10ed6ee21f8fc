"""Times and durations as the command line reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from msgspec import Struct


def local_text(at: float) -> str:
    """As people read it, in their time zone, to the second."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_text(at: float) -> str:
    """Only the time of day, to the millisecond, in the reader's time zone."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def span_text(seconds: float) -> str:
    """A duration for people in its two largest units: "3 d 4 h", "12 s"."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


class When(Struct, frozen=True):
    """A moment as people name it: so long ago, or at a time."""

    ago: float | None = None
    """Seconds."""
    instant: float = 0.0
    """Seconds since 1970, where `ago` is None."""

    def at(self, now: float) -> float:
        """By the clock of the office that is asked, which may have been moved ahead."""
        return self.instant if self.ago is None else now - self.ago


def parse_when(text: str) -> When:
    """Of "2h" (ago), or of a date or time as ISO 8601 writes it (local time unless it says more). Raises ValueError."""
    from mailstack.letter.durations import read_duration

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
