"""Spans of virtual time, as people say and read them: "5d", "1h30m", "0:00:05.250"."""

from __future__ import annotations

from mailstack.config.durations import read_duration

DAY = 86400


def seconds_of(span: float | str) -> float:
    """Seconds of a number of them, or of a text such as "5d" or "1h30m". Raises ValueError."""
    return read_duration(span) if isinstance(span, str) else float(span)


def moment(seconds: float) -> str:
    """A time since the start: "00:00:05.250", with days before it where there are any: "4d 23:59:07.000"."""
    milliseconds = round(seconds * 1000)
    days, rest = divmod(milliseconds, DAY * 1000)
    minutes, left = divmod(rest, 60_000)
    return f"{f'{days}d ' if days else ''}{minutes // 60:02}:{minutes % 60:02}:{left // 1000:02}.{left % 1000:03}"
