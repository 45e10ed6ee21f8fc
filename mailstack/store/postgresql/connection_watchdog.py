"""Watchdog for PostgreSQL connections: disconnects them at their deadline.

A stopped server, or one behind a network that drops all packets, ends no statement and refuses no connection. Its own
`statement_timeout` has no effect then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Cuttable(Protocol):
    """A connection."""

    def cut(self) -> None:
        """End it, from any thread."""


class Watch:
    """One thread, which begins with the first thing to watch, and ends soon after `close`."""

    def __init__(self, seconds: float, look: float = 0.5) -> None:
        """`seconds` that anything may take. `look`: seconds between two looks."""
        self._seconds = seconds
        self._look = look
        self._lock = threading.Lock()
        self._deadlines: dict[Cuttable, float] = {}
        self._wake = threading.Event()
        self._closed = False
        self._running = False

    @contextmanager
    def over(self, connection: Cuttable) -> Iterator[None]:
        """Cut the connection if what is done within takes too long."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + self._seconds
            if not self._running and not self._closed:
                self._running = True
                threading.Thread(target=self._run, name="mailstack-watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.pop(connection, None)

    def close(self) -> None:
        """Watch no more."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._wake.wait(self._look):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Shut down each connection with an expired deadline, once."""
        with self._lock:
            # Under the lock: a closed connection's descriptor may belong to another file.
            for connection in [each for each, end in self._deadlines.items() if end <= now]:
                del self._deadlines[connection]
                connection.cut()
