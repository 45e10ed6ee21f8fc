"""A trouble that goes on, told to the log when it begins and then once a minute, not with each look at the store."""

from __future__ import annotations

import logging
from collections.abc import Callable

AGAIN = 60.0
"""Seconds after which it is told again."""


class Complaint:
    """One thing that is tried over and over."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._log = log
        self._now = now
        self._last = ""
        self._again = 0.0

    def error(self, text: str, *parts: object) -> None:
        """It failed; `text` as for a Logger."""
        said, now = text % parts, self._now()
        if said != self._last or now >= self._again:
            self._last, self._again = said, now + AGAIN
            self._log.error("%s", said)

    def is_over(self) -> None:
        """It went well: the next trouble is told at once."""
        self._last = ""
