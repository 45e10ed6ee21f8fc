"""Data directory check: the open files are still at their paths."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.store import StoreError

_log = logging.getLogger(__name__)


class Location:
    """Identity of the files at some paths, compared with what is found there later.

    A directory may be moved, deleted, replaced or unmounted while its files are open. What is written then is lost, or
    hidden behind what took its place. May be used in several threads.
    """

    def __init__(self, *paths: Path, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives seconds, for how often the log is told."""
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
        self._complaint.error("%s; no letter is accepted until it is put back, or mailstack is restarted", why)
        raise StoreError(why)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
