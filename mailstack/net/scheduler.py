"""Scheduler of sessions: coroutines as tasks, and a run queue of busy connections.

Deferred.fromCoroutine supports waits for Deferreds alone. A session waits for octets several times a letter, and a
Deferred for each of these waits would cost a tenth of the letter's time.

A connection starts with a credit of BURST events, enough for a small letter, and earns RATE events a second. A connection
without credit is busy, and waits in the queue while others do. Each turn of the reactor serves SLICE events of the queue,
QUANTUM of each connection, and then polls for events of others. The order depends on counts alone, so that simulations
are reproducible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure


class Pause:
    """Awaited by a task's coroutine to wait until `Task.resume` is called."""

    __slots__ = ()

    def __await__(self) -> Generator[Pause, None, None]:
        # A real generator would be four times as large, and thousands of tasks wait at a time.
        return iter(_ONCE)  # type: ignore[return-value]


PAUSE = Pause()
_ONCE = (PAUSE,)


class Task:
    """One running coroutine."""

    __slots__ = ("_coroutine", "_ended", "_waits")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        ended: Callable[[Failure | None], None],
        waits: Callable[[], None] | None = None,
    ) -> None:
        """`ended` is called once at the end, with None or the Failure of an unhandled exception.

        `waits` is called each time before the coroutine waits for a Deferred.
        """
        self._coroutine = coroutine
        self._ended = ended
        self._waits = waits

    def resume(self, result: object = None) -> None:
        """Run until the coroutine waits again, or ends. Also the callback of each Deferred that it waits for.

        Returns None, which replaces the Deferred's result: the coroutine has handled it, a failure included.
        """
        try:
            if isinstance(result, Failure):
                waited = result.throwExceptionIntoGenerator(self._coroutine)
            else:
                waited = self._coroutine.send(None)
        except StopIteration:
            self._ended(None)
        except BaseException:  # noqa: BLE001 - no exception may reach the reactor's loop
            self._ended(Failure())
        else:
            if waited is not PAUSE:
                if self._waits is not None:
                    self._waits()
                waited.addBoth(self.resume)


async def gather(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all coroutines, in their order. Raises the first exception as soon as it occurs."""
    try:
        return await gatherResults([Deferred.fromCoroutine(each) for each in work], consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise


BURST = 16
"""Number of events of a new or idle connection that are served at once: a login under TLS and a letter need fewer."""

RATE = 4.0
"""Number of events that a connection earns each second, up to BURST."""

QUANTUM = 8
"""Number of events of a busy connection that are served before the next connection's turn."""

SWITCH = 4
"""Cost in events of each turn of a busy connection, for its read and its write."""

SLICE = 32
"""Number of events of the queue in one turn of the reactor: half a millisecond of commands."""

UNQUEUED = 256
"""Number of events of busy connections that bypass an empty queue before the next ones wait for a turn."""


class Runnable(Protocol):
    """Connection with pending events."""

    def run(self, events: int) -> int:
        """Serve at most `events` events; returns the number served."""


class RunQueue:
    """Connections with pending events, in the order of service."""

    __slots__ = ("_is_scheduled", "_queue", "_reactor", "_unqueued")

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._queue: deque[Runnable] = deque()
        self._unqueued = 0
        self._is_scheduled = False

    def add(self, connection: Runnable) -> None:
        """Append a connection, which must not be in the queue."""
        self._queue.append(connection)
        if not self._is_scheduled:
            self._schedule()

    def grant(self) -> bool:
        """Whether a busy connection may have QUANTUM events served at once, because the queue is empty."""
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
        queue, budget = self._queue, SLICE
        while queue and budget > 0:
            budget -= SWITCH + queue.popleft().run(QUANTUM)
        self._is_scheduled = bool(queue)
        if queue:
            self._reactor.callLater(0, self._run)
