"""Times and durations as the command line reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click


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


def parse_since(text: str, now: datetime) -> float:
    """Seconds since 1970 of "2h" (ago), or of a date or time as ISO 8601 writes it (local time unless it says more).

    Raises ValueError.
    """
    from mailstack.config.durations import read_duration

    try:
        return now.timestamp() - read_duration(text.strip())
    except ValueError:
        return datetime.fromisoformat(text.strip()).timestamp()


class Since(click.ParamType[float]):
    """The type of options such as --since."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_since(value, datetime.now(UTC))
        except (ValueError, OverflowError, OSError):
            wanted = "a duration (30m, 2h, 7d) or a date (2026-11-23, 2026-11-23T21:00)"
            self.fail(f"{value!r} is not {wanted}.", param, ctx)
