"""The time, also while a test has stopped or moved it: freezegun and its like change `time.time` and `time.monotonic`.

A server must go on meanwhile, or no letter would arrive; and OpenSSL compares the dates of certificates with the real time.
"""

from __future__ import annotations

from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime

_SINCE = clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_MONOTONIC)


def monotonic() -> float:
    """Seconds since some moment, never going back."""
    return clock_gettime(CLOCK_MONOTONIC)


def seconds() -> float:
    """UTC, as seconds since 1970; it never jumps."""
    return _SINCE + clock_gettime(CLOCK_MONOTONIC)
