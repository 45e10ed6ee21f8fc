"""Free space of a disk, with a reserve for other writes than new letters."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mailstack.store import StoreFull

INTERVAL = 1.0
"""Seconds between two looks at the disk."""

_MIB = 1 << 20


def free_octets(path: Path) -> int:
    """Octets that a user other than root may still write to the file system of `path`. Raises OSError."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class FreeSpace:
    """The disk of a directory. What is removed, settled, bounced or checkpointed has the reserve for itself."""

    def __init__(
        self,
        directory: Path,
        reserve: int,
        *,
        now: Callable[[], float] = time.monotonic,
        measure: Callable[[Path], int] = free_octets,
    ) -> None:
        """`reserve`: octets that stay free; 0 is none. `now` gives seconds."""
        self._directory = directory
        self._reserve = reserve
        self._now = now
        self._measure = measure
        self._free = 0
        self._until = float("-inf")

    def check(self, size: int = 0) -> None:
        """Raises StoreFull when `size` octets more would not leave the reserve."""
        if not self._reserve:
            return
        now = self._now()
        if now >= self._until:
            self._until = now + INTERVAL
            try:
                self._free = self._measure(self._directory)
            except OSError:
                # A directory that is not there is missed by the store, which says so.
                self._free = sys.maxsize
        if self._free - size < self._reserve:
            free, reserve = self._free / _MIB, self._reserve / _MIB
            raise StoreFull(
                f"{self._directory}: {free:.0f} MiB free on the disk, and limits.min_free_space keeps {reserve:.0f} MiB"
            )

    def spend(self, size: int) -> None:
        """Count `size` octets that are written, until the next look, and check. Raises StoreFull.

        They count twice: a row is written to the log of the database, and then to the database.
        """
        self._free -= 2 * size
        self.check()
