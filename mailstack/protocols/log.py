"""Logs of lasting conditions with a limited rate, and structs with redacted secrets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

AGAIN = 60.0
"""Seconds until the same text is logged again."""
MAX_TEXTS = 5
"""Maximum number of different texts within that time: an error may name another file each time."""


class RateLimitedLog:
    """Log of the errors of one operation that is repeated."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._log = log
        self._now = now
        self._logged: set[str] = set()
        self._again = 0.0

    def error(self, text: str, *parts: object) -> None:
        """Log a failure; `text` and `parts` as for a Logger."""
        message, now = text % parts, self._now()
        if not self._logged or now >= self._again:
            self._logged, self._again = set(), now + AGAIN
        if message not in self._logged and len(self._logged) < MAX_TEXTS:
            self._logged.add(message)
            self._log.error("%s", message)

    def is_over(self) -> None:
        """Reset after a success: the next failure is logged at once."""
        self._logged = set()


class Redacted(Struct, frozen=True):
    """Struct with a repr() that omits the fields in SECRETS."""

    SECRETS: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        fields = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.SECRETS]
        return f"{type(self).__name__}({', '.join(fields)})"
