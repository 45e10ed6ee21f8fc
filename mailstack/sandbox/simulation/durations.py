"""Durations of virtual time: "5d", "1h30m", or seconds."""

from __future__ import annotations

from mailstack.letter.durations import read_duration


def seconds_of(span: float | str) -> float:
    """Seconds of a number of them, or of a text such as "5d" or "1h30m". Raises ValueError."""
    return read_duration(span) if isinstance(span, str) else float(span)
