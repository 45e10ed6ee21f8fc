"""Real time, unaffected by freezegun and similar packages.

These replace `time.time` and `time.monotonic`. The server under test has to go on meanwhile, and OpenSSL compares the
dates of certificates with the real time.
"""

from __future__ import annotations

from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime

_SINCE = clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_MONOTONIC)


def monotonic() -> float:
    """Seconds of the monotonic clock."""
    return clock_gettime(CLOCK_MONOTONIC)


def seconds() -> float:
    """Seconds since 1970 (UTC), without jumps."""
    return _SINCE + clock_gettime(CLOCK_MONOTONIC)
