"""Data directory: free space with a reserve, and files still at their paths."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mailstack.protocols.log import RateLimitedLog
from mailstack.store import StoreError, StoreFull

INTERVAL = 1.0
"""Seconds between two measurements of free space."""

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
        """Count `size` octets that are written, until the next measurement, and check. Raises StoreFull.

        They count twice: a row is written to the log of the database, and then to the database.
        """
        self._free -= 2 * size
        self.check()


_log = logging.getLogger(__name__)


class Location:
    """Identity of the files at some paths, compared with what is found there later.

    A directory may be moved, deleted, replaced or unmounted while its files are open. What is written then is lost, or
    hidden behind what took its place. May be used in several threads.
    """

    def __init__(self, *paths: Path, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds, for the rate of log lines."""
        self._paths = paths
        self._opened: tuple[tuple[int, int], ...] = ()
        self._complaint = RateLimitedLog(_log, now)
        self._is_lost = False

    @property
    def is_known(self) -> bool:
        """Whether `remember` was called."""
        return bool(self._opened)

    def remember(self) -> None:
        """Take what is at the paths now for what is open. Raises OSError."""
        self._opened = tuple([_identity(path) for path in self._paths])

    def check(self) -> None:
        """Raises StoreError when a path no longer leads to what `remember` found there, if it was called."""
        for path, opened in zip(self._paths, self._opened, strict=False):
            try:
                found = _identity(path)
            except OSError as error:
                self._refuse(f"{path}: {error.strerror}: the data directory was moved, deleted or unmounted")
            if found != opened:
                self._refuse(f"{path}: not what was opened at the start: the data directory was replaced or unmounted")
        if self._is_lost:
            self._is_lost = False
            self._complaint.is_over()
            _log.warning("%s: the data directory is back; letters are accepted again", self._paths[0])

    def _refuse(self, why: str) -> None:
        self._is_lost = True
        self._complaint.error("%s; no message is accepted until it is put back, or mailstack is restarted", why)
        raise StoreError(why)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
