"""Rate-limited log of a lasting condition: at its start, then each minute."""

from __future__ import annotations

import logging
from collections.abc import Callable

AGAIN = 60.0
"""Seconds after which it is told again."""
MAX_TEXTS = 5
"""Different texts that are told within that time: an error may name another file each time."""


class RateLimitedLog:
    """One thing that is tried over and over."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._log = log
        self._now = now
        self._told: set[str] = set()
        self._again = 0.0

    def error(self, text: str, *parts: object) -> None:
        """It failed; `text` as for a Logger."""
        said, now = text % parts, self._now()
        if not self._told or now >= self._again:
            self._told, self._again = set(), now + AGAIN
        if said not in self._told and len(self._told) < MAX_TEXTS:
            self._told.add(said)
            self._log.error("%s", said)

    def is_over(self) -> None:
        """It went well: the next trouble is told at once."""
        self._told = set()
