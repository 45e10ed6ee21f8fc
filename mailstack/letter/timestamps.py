"""Times as programs read them: ISO 8601, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


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
