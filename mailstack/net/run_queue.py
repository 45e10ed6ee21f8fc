"""Round-robin run queue of busy connections, so that none of them delays a connection that asks little.

A connection begins with BURST events that are served at once, enough for a whole small letter, and earns RATE events a
second. Beyond them it is busy, and waits in the queue while others do. Each turn of the reactor serves the queue for SLICE
events, QUANTUM for each connection, and then polls for events of others. The order depends on counts alone, so that a
simulation repeats it.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

BURST = 16
"""Events of a new or idle connection that are served at once: a login under TLS and a letter are fewer."""

RATE = 4.0
"""Events that a connection earns each second, up to BURST."""

QUANTUM = 8
"""Events of a busy connection that are served before the next one's turn."""

SWITCH = 4
"""Events that the turn of a busy connection counts as, beside those that it has served: it is read and written to."""

SLICE = 32
"""Events of the queue in one turn of the reactor: half a millisecond of commands."""

UNQUEUED = 256
"""Events of busy connections that are served as they come, while none waits, before the next ones wait for a turn."""


class Runnable(Protocol):
    """A connection with events that wait."""

    def run(self, events: int) -> int:
        """Serve up to so many events; returns how many were served."""


class RunQueue:
    """Connections with events that wait, in the order in which they are served."""

    __slots__ = ("_is_scheduled", "_queue", "_reactor", "_unqueued")

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._queue: deque[Runnable] = deque()
        self._unqueued = 0
        self._is_scheduled = False

    def add(self, connection: Runnable) -> None:
        """Put a connection, which is not in the queue, at its end."""
        self._queue.append(connection)
        if not self._is_scheduled:
            self._schedule()

    def grant(self) -> bool:
        """Whether a busy connection that has become ready may have QUANTUM events served at once, for none waits."""
        if self._is_scheduled:
            return False
        self._unqueued += SWITCH + QUANTUM
        if self._unqueued >= UNQUEUED:
            self._schedule()
        return True

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._unqueued = 0
        self._reactor.callLater(0, self._run)

    def _run(self) -> None:
        queue, left = self._queue, SLICE
        while queue and left > 0:
            left -= SWITCH + queue.popleft().run(QUANTUM)
        self._is_scheduled = bool(queue)
        if queue:
            self._reactor.callLater(0, self._run)
