"""Durations ("1h30m") and ISO 8601 times in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

Duration = NewType("Duration", float)
"""Seconds."""

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""Seconds in each, the longest first, as they must follow each other."""

LONGEST = 10 * 365 * 86400
"""Seconds. Beyond ten years something else was meant, and sums of times stay far from trouble."""

EXPECTED = 'a duration such as "30s", "5m", "1h30m", "5d" or "0"'

_SYNTAX = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in UNITS))


def read_duration(text: object) -> Duration:
    """Seconds from whole numbers with units; "0" needs none. Raises ValueError."""
    if text == "0":
        return Duration(0.0)
    found = _SYNTAX.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        raise ValueError(EXPECTED)
    seconds = sum(int(count) * size for count, size in zip(found.groups(default="0"), UNITS.values(), strict=True))
    if seconds > LONGEST:
        raise ValueError("a duration of at most ten years")
    return Duration(float(seconds))


def moment(seconds: float) -> str:
    """A time since the start: "00:00:05.250", with days before it where there are any: "4d 23:59:07.000"."""
    milliseconds = round(seconds * 1000)
    days, rest = divmod(milliseconds, 86400 * 1000)
    minutes, left = divmod(rest, 60_000)
    return f"{f'{days}d ' if days else ''}{minutes // 60:02}:{minutes % 60:02}:{left // 1000:02}.{left % 1000:03}"


@lru_cache(maxsize=16)  # the steps of a letter are often of one instant
def iso8601(at: float) -> str:
    """Seconds since 1970, always of one length: "2026-11-23T21:00:00.123456Z"."""
    # Rounded as `datetime` rounds, so that a time that was told once is told the same for ever.
    second, fraction = divmod(at, 1)
    carried, microsecond = divmod(round(fraction * 1_000_000), 1_000_000)
    return f"{_second(int(second) + carried)}.{microsecond:06}Z"


def iso8601_seconds(at: float) -> str:
    """Without its fraction: "2026-11-23T21:00:00Z"."""
    return f"{_second(int(at))}Z"


@lru_cache(maxsize=16)  # many things happen in one second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
