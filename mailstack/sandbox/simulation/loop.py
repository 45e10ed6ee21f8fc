"""Event loop of the simulated reactor: ready work first, then a jump in time."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from math import inf
from time import monotonic
from typing import Any

from msgspec import Struct
from twisted.internet.error import ReactorAlreadyRunning, ReactorNotRestartable, ReactorNotRunning
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.sandbox.simulation.clock import VirtualClock
from mailstack.sandbox.simulation.network import Network, Path
from mailstack.sandbox.simulation.poll import Poll
from mailstack.sandbox.simulation.reactor_services import InlineThreadPool, SystemEvents, Trigger

_log = Logger()

MAX_TURNS = 5_000_000
"""Default limit of turns of a simulation that does not end."""

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True


class NotReached(AssertionError):
    """Condition not reached; str() has the reason and the next events."""


@implementer(ILogObserver)
class LoggedFailures(Struct, frozen=True):
    """Collects exceptions that were caught and logged."""

    found: list[BaseException]

    def __call__(self, event: LogEvent) -> None:
        """Collects the failure of a log event."""
        # Twisted's older code logs "failure".
        failure = event.get("log_failure") or event.get("failure")
        if failure is not None:
            self.found.append(failure.value)


class LoopState(Enum):
    """State of the loop, as in Twisted's reactors."""

    NEW = "new"
    RUNNING = "running"
    STOPPING = "stopping"
    """Stopping: `stop` was called, and the "shutdown" triggers are running."""
    STOPPED = "stopped"


class Loop:
    """Event loop with time, sockets and calls of all hosts of one simulation."""

    def __init__(self, seed: int, start: float, path: Path | None, *, forgiving: bool) -> None:
        """`forgiving`: log uncaught exceptions and continue, as a daemon does.

        Otherwise an uncaught exception ends `run_turns`, and so does a failure that was caught and logged.
        """
        self.state = LoopState.NEW
        self.clock = VirtualClock(start)
        self.network = Network(self.clock, seed, path)
        self.poll = Poll(self.network, self.bug)
        self.events = SystemEvents(self.bug)
        self.threads = InlineThreadPool(self.next_turn, self.bug)
        self._forgiving = forgiving
        self._bugs: list[BaseException] = []
        self._logged = LoggedFailures(self._bugs)
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = deque()
        self._outside: list[tuple[Callable[[], bool], float]] = []
        self._called_from_outside = threading.Event()
        self._stop_asked = False
        self._going = False
        # First of all triggers, so that later ones see the right value of `running`.
        self._add_startup_trigger()
        self.events.add(Trigger("during", "shutdown", self._on_shutdown))

    @property
    def running(self) -> bool:
        """Whether the loop is running: from "during startup" to "during shutdown"."""
        return self.state in {LoopState.RUNNING, LoopState.STOPPING}

    def next_turn(self, do: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Schedules a call for the next turn; safe in a real thread."""
        self._calls.append((do, args, kw))
        self._called_from_outside.set()

    def hold_time_while(self, busy: Callable[[], bool], timeout: float) -> None:
        """Stops virtual time while `busy()` is true for real threads, for at most `timeout` real seconds."""
        self._outside.append((busy, timeout))

    def stop(self) -> None:
        """Fires "shutdown" after this turn. Raises ReactorNotRunning."""
        if self.state is not LoopState.RUNNING or self._stop_asked:
            raise ReactorNotRunning("Can't stop reactor that isn't running.")
        self._stop_asked = True

    def crash(self) -> None:
        """Ends `run_turns` after this turn without triggers; it may be started again."""
        self.state = LoopState.NEW
        self._add_startup_trigger()

    def bug(self, where: str, error: Exception) -> None:
        """Reports an uncaught exception."""
        if self._forgiving:
            _log.failure("{where}", Failure(error), where=where)
        else:
            error.add_note(where)
            self._bugs.append(error)

    def run_turns(self, until: Callable[[], bool] | None, deadline: float, max_turns: int) -> bool:
        """Runs turns until `until` is true (then True), the loop stops, or no event is left before `deadline`.

        Raises NotReached after `max_turns`, and uncaught exceptions.
        """
        with self._exclusive():
            for _ in range(max_turns):
                self._raise_bugs()
                if until is not None and until():
                    return True
                if not self.running or not self._reach(deadline):
                    return False
                self._turn()
        raise NotReached(f"no end after {max_turns} turns; {self.describe_next()}")

    def describe_next(self) -> str:
        """Text about the next events."""
        if not self.running:
            return "the reactor was stopped"
        calls = self.clock.getDelayedCalls()
        if calls:
            return f"next are {', '.join(map(repr, calls[:5]))}{' …' if len(calls) > 5 else ''}"
        installed = sys.modules.get("twisted.internet.reactor")
        if installed is not None and installed.getDelayedCalls():
            return "calls wait in the process's installed reactor, which is not running: pass the simulated reactor to all code"
        return "no event is left"

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if self._going:
            raise ReactorAlreadyRunning
        if self.state is LoopState.STOPPED:
            raise ReactorNotRestartable
        self._going = True
        if not self._forgiving:
            globalLogPublisher.addObserver(self._logged)
        try:
            if self.state is LoopState.NEW:
                self.events.fire("startup")
            yield
        finally:
            self._going = False
            if not self._forgiving:
                globalLogPublisher.removeObserver(self._logged)

    def _raise_bugs(self) -> None:
        if self._bugs:
            bugs = self._bugs.copy()
            self._bugs.clear()
            raise bugs[0] if len(bugs) == 1 else BaseExceptionGroup("uncaught exceptions", bugs)

    def _reach(self, deadline: float) -> bool:
        """Moves time to the next event; False without one before `deadline`."""
        if self._calls or self._stop_asked or self.poll.has_ready or self.clock.next_time() <= self.clock.now:
            return True
        if self._outside and self._wait_for_threads():
            return True
        when = self.clock.next_time()
        if when == inf or when > deadline:
            return False
        self.clock.now = when
        return True

    def _turn(self) -> None:
        """Runs one turn in the order of Twisted's reactors: calls from threads, due calls, ready sockets.

        A call without delay that is scheduled in this turn runs in the next one.
        """
        for _ in range(len(self._calls)):
            do, args, kw = self._calls.popleft()
            self._do(do, args, kw)
        before = self.clock.order
        while (call := self.clock.due(before)) is not None:
            self._do(call.func, call.args, call.kw)
        if self.poll.has_ready:
            self.poll.serve()
        if self._stop_asked:
            self._stop_asked = False
            self.state = LoopState.STOPPING
            self.events.fire("shutdown")

    def _do(self, do: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]) -> None:
        try:
            do(*args, **kw)
        except Exception as error:  # noqa: BLE001 - a reactor survives whatever it calls
            self.bug(f"in {do!r}", error)

    def _wait_for_threads(self) -> bool:
        """Waits in real time for a call from a thread; False if no thread is busy and no call came."""
        for busy, timeout in self._outside:
            give_up = monotonic() + timeout
            while not self._calls and busy():
                if monotonic() > give_up:
                    raise NotReached(f"a thread was busy for {timeout:g} real seconds")
                # The wait is short, because a thread may finish without a call.
                self._called_from_outside.wait(0.01)
                self._called_from_outside.clear()
        return bool(self._calls)

    def _add_startup_trigger(self) -> None:
        self.events.add(Trigger("during", "startup", self._on_startup))

    def _on_startup(self) -> None:
        self.state = LoopState.RUNNING

    def _on_shutdown(self) -> None:
        self.state = LoopState.STOPPED
        self.threads.stop()
        self.poll.disconnect_all()
