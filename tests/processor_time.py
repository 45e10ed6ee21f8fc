"""Processor time of a piece of work, by which a busy or slow machine can't fail a test."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

_REFERENCE_S = 0.00025
"""Seconds of the calibration on the machine that limits are written for, when it is idle."""
_TEXT = "the quick brown fox jumps over the lazy dog " * 100
_PAIR = re.compile(r"(?:[a-z]{2}|x)\s")
_MAX_RUNS = 5


def processor_time(work: Callable[[], Any], limit: float) -> tuple[float, Any]:
    """Seconds that this thread used, and the result of the first run.

    Programs beside this one slow it down, also in processor time: they share its caches and cores. So a time beyond the
    limit is measured again, and divided by the slowness of the machine at that moment. The least of all counts.
    """
    seconds, result = _measured(work)
    for _ in range(_MAX_RUNS - 1):
        if seconds < limit:
            break
        before = slowness()
        again, _ = _measured(work)
        seconds = min(seconds, again / ((before + slowness()) / 2))
    return seconds, result


def _measured(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.thread_time()
    result = work()
    return time.thread_time() - begun, result


def slowness() -> float:
    """How many times slower than the reference this machine is now, at least 1: the middle of nine measurements."""
    return max(1.0, sorted(_measured(_calibration)[0] for _ in range(9))[4] / _REFERENCE_S)


def _calibration() -> None:
    counts: dict[str, int] = {}
    for word in _TEXT.split():
        counts[word] = counts.get(word, 0) + len(word)
    _PAIR.sub("", _TEXT)
