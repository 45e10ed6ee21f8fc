"""Change notifications between processes on one SQLite database, by a mark."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailstack.store.mailbox_changes import MailboxChanges, OnChange
from mailstack.store.writer import CallsFromThreads

POLL_S = 0.25
"""Seconds between two polls of the mark."""


class SharedMark:
    """Mark in the modification time of a file: each process sets it after a commit that changes mailboxes.

    It is set in turn, so that a process finds the mark of another one before its own replaces it. Opening the file would
    end the locks that this process has on it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._read()
        self._missed = False

    def set(self) -> None:
        """Mark a change; runs in the writing thread, in turn."""
        if self._read() != self._known:
            self._missed = True
        with suppress(OSError):
            now = time.time_ns()
            os.utime(self._path, ns=(now, now))
        self._known = self._read()

    def is_changed(self) -> bool:
        """Whether another process has set the mark since the last call."""
        missed, self._missed = self._missed, False
        found = self._read()
        changed = found != self._known
        self._known = found
        return missed or changed

    def _read(self) -> int:
        """Modification time in nanoseconds; 0 while there is no file."""
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0


class WatchedChanges(MailboxChanges):
    """Subscribers that other processes notify as well, by a mark."""

    def __init__(self, reactor: CallsFromThreads, mark: SharedMark) -> None:
        """`reactor`: without IReactorTime nothing is polled, but by `poll`."""
        super().__init__()
        self._reactor = reactor
        self._mark = mark
        self._next: IDelayedCall | None = None
        self._is_closed = False

    def subscribe(self, callback: OnChange) -> Callable[[], None]:
        if not self:
            self._mark.is_changed()
        end = super().subscribe(callback)
        self._schedule()
        return end

    def poll(self) -> None:
        """Notify the subscribers if another process has changed mailboxes."""
        if self._mark.is_changed():
            self.call((None,))

    def close(self) -> None:
        """Stop polling."""
        self._is_closed = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _schedule(self) -> None:
        if self._next is None and self and not self._is_closed and IReactorTime.providedBy(self._reactor):
            self._next = self._reactor.callLater(POLL_S, self._poll)

    def _poll(self) -> None:
        self._next = None
        try:
            self.poll()
        finally:
            self._schedule()
