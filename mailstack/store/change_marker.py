"""Change marker for the invalidation of caches in other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

SETTLING = 5_000_000_000
"""Nanoseconds from a mark to the end of the change that it is for: one commit."""


class ChangeMark(Protocol):
    """Another value after each change of the accounts, whichever process made it."""

    def seen(self) -> int:
        """Another number after each `set`."""

    def set(self) -> None:
        """Something changes, or has changed."""


class ChangeMarker:
    """Marker in the modification time of an empty file. Reading it costs one system call.

    It is set before a change is durable, for a process killed after the commit sets nothing, and once more after it. A
    read between the two sees data from before the change, so a new mark compares as different at each read.
    """

    def __init__(self, path: Path, now: Callable[[], int] = time.time_ns) -> None:
        """`now`: nanoseconds since 1970."""
        self._path = path
        self._now = now

    def seen(self) -> int:
        """Another number after each `set`, and until what it was set for must have ended; 0 while there is no file."""
        try:
            mark = self._path.stat().st_mtime_ns
        except OSError:
            return 0
        now = self._now()
        # Below zero, so that it is never what a mark says.
        return -now if 0 <= now - mark < SETTLING else mark

    def set(self) -> None:
        """Mark a change that is about to happen or has happened. If that fails, caches stay valid a little longer."""
        # Written out, for the system's own time of a file is exact to some milliseconds only.
        now = self._now()
        with suppress(OSError):
            os.utime(self._path, ns=(now, now))
