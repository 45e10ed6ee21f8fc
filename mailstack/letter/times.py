"""Text of durations, times and sizes: ISO 8601, and display for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

Duration = NewType("Duration", float)
"""Seconds."""

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""Seconds of each unit, in the required order."""

MAX_DURATION = 10 * 365 * 86400
"""Maximum of a duration, in seconds: ten years."""

DURATION_SYNTAX = 'a duration such as "30s", "5m", "1h30m", "5d" or "0"'

_SYNTAX = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in UNITS))


def read_duration(text: object) -> Duration:
    """Seconds from whole numbers with units; "0" needs none. Raises ValueError."""
    if text == "0":
        return Duration(0.0)
    match = _SYNTAX.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError(DURATION_SYNTAX)
    seconds = sum(int(count) * size for count, size in zip(match.groups(default="0"), UNITS.values(), strict=True))
    if seconds > MAX_DURATION:
        raise ValueError("a duration of at most ten years")
    return Duration(float(seconds))


def elapsed_text(seconds: float) -> str:
    """Elapsed seconds as text: "00:00:05.250", from one day on "4d 23:59:07.000"."""
    milliseconds = round(seconds * 1000)
    days, milliseconds = divmod(milliseconds, 86400 * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{f'{days}d ' if days else ''}{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


@lru_cache(maxsize=16)  # steps of a letter often share a time
def iso8601(at: float) -> str:
    """Seconds since 1970, of constant length: "2026-11-23T21:00:00.123456Z"."""
    # Rounded like `datetime`, so that the text of a time never changes.
    second, fraction = divmod(at, 1)
    carried, microsecond = divmod(round(fraction * 1_000_000), 1_000_000)
    return f"{_second(int(second) + carried)}.{microsecond:06}Z"


def iso8601_seconds(at: float) -> str:
    """Seconds since 1970, without the fraction: "2026-11-23T21:00:00Z"."""
    return f"{_second(int(at))}Z"


@lru_cache(maxsize=16)  # many events share a second
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def clean(text: str) -> str:
    """`text` with escapes for unprintable characters, for the display of hostile text."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def size_text(octets: int) -> str:
    """Size in decimal units: "812 B", "1.2 kB", "5.0 MB", "12.5 GB"."""
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.1f} kB"
    if octets < 1_000_000_000:
        return f"{octets / 1_000_000:.1f} MB"
    return f"{octets / 1_000_000_000:.1f} GB"


def local_text(at: float) -> str:
    """Local date and time of `at` (seconds since 1970), to the second."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_text(at: float) -> str:
    """Local time of day of `at` (seconds since 1970), to the millisecond."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def span_text(seconds: float) -> str:
    """Duration in its two largest units: "3 d 4 h", "12 s"."""
    remaining = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, remaining = divmod(remaining, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
