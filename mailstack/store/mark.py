"""A mark that processes set when they have changed what others remember: the time of a file in which nothing is."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


class Mark:
    """To look costs one system call, whatever is remembered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seen(self) -> int:
        """Another number after each `set`; 0 while there is no file."""
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0

    def set(self) -> None:
        """When the change is durable. Who can't be told this way believes what he remembers a little longer."""
        # Written out, for the system's own time of a file is exact to some milliseconds only.
        now = time.time_ns()
        with suppress(OSError):
            os.utime(self._path, ns=(now, now))
