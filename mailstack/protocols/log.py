"""Logs of lasting conditions with a limited rate, and structs with redacted secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

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


class Redacted(Struct, frozen=True):
    """Leaves out the fields that SECRETS names."""

    SECRETS: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.SECRETS]
        return f"{type(self).__name__}({', '.join(shown)})"
