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
from mailstack.sandbox.simulation.threads import InlineThreadPool
from mailstack.sandbox.simulation.triggers import SystemEvents, Trigger

_log = Logger()

MOST_TURNS = 5_000_000
"""Turns after which a simulation that comes to no end is stopped."""


class NotReached(AssertionError):
    """What was waited for never happened; str() says why, and what would have happened next."""


@implementer(ILogObserver)
class LoggedFailures(Struct, frozen=True):
    """Collects what code under test, or Twisted, caught only to log it."""

    found: list[BaseException]

    def __call__(self, event: LogEvent) -> None:
        """Take one event of the log."""
        # Twisted's older code says "failure".
        failure = event.get("log_failure") or event.get("failure")
        if failure is not None:
            self.found.append(failure.value)


class State(Enum):
    """Of the loop; the states of Twisted's reactors."""

    NEW = "new"
    RUNNING = "running"
    STOPPING = "stopping"
    """Stopped by somebody; the "shutdown" triggers are under way."""
    STOPPED = "stopped"


class Loop:
    """Time, sockets and calls of all hosts of one simulation."""

    def __init__(self, seed: int, start: float, path: Path | None, *, forgiving: bool) -> None:
        """`forgiving`: log what nobody caught and go on, as a daemon does.

        Else it ends `go`, as it should end a test; and so does a failure that somebody caught only to log it.
        """
        self.state = State.NEW
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
        # Before anybody else's, so that the others find `running` as it then is.
        self._expect_startup()
        self.events.add(Trigger("during", "shutdown", self._end))

    @property
    def running(self) -> bool:
        """From "during startup" to "during shutdown"."""
        return self.state in {State.RUNNING, State.STOPPING}

    def next_turn(self, do: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """Call in the next turn; may be used from a real thread."""
        self._calls.append((do, args, kw))
        self._called_from_outside.set()

    def hold_time_while(self, busy: Callable[[], bool], patience: float) -> None:
        """Don't let time jump while `busy` says that real threads work; give up after `patience` real seconds."""
        self._outside.append((busy, patience))

    def stop(self) -> None:
        """Fire "shutdown" behind this turn. Raises ReactorNotRunning."""
        if self.state is not State.RUNNING or self._stop_asked:
            raise ReactorNotRunning("Can't stop reactor that isn't running.")
        self._stop_asked = True

    def crash(self) -> None:
        """End `go` after this turn, with no trigger called; it may begin again."""
        self.state = State.NEW
        self._expect_startup()

    def bug(self, where: str, error: Exception) -> None:
        """Be told of an exception that nobody caught."""
        if self._forgiving:
            _log.failure("{where}", Failure(error), where=where)
        else:
            error.add_note(where)
            self._bugs.append(error)

    def go(self, until: Callable[[], bool] | None, deadline: float, max_turns: int) -> bool:
        """Turn until `until` is true (then True), or the loop stops, or nothing is left to do before `deadline`.

        Raises NotReached after `max_turns`, and what nobody caught.
        """
        with self._once():
            for _ in range(max_turns):
                self._raise_bugs()
                if until is not None and until():
                    return True
                if not self.running or not self._reach(deadline):
                    return False
                self._turn()
        raise NotReached(f"no end after {max_turns} turns; {self.outlook()}")

    def outlook(self) -> str:
        """What comes next, for people."""
        if not self.running:
            return "the reactor was stopped"
        calls = self.clock.getDelayedCalls()
        if calls:
            return f"next are {', '.join(map(repr, calls[:5]))}{' …' if len(calls) > 5 else ''}"
        installed = sys.modules.get("twisted.internet.reactor")
        if installed is not None and installed.getDelayedCalls():
            return "calls wait in the process's installed reactor, which nobody turns: to whom was ours not given?"
        return "nothing is left to happen"

    @contextmanager
    def _once(self) -> Iterator[None]:
        if self._going:
            raise ReactorAlreadyRunning
        if self.state is State.STOPPED:
            raise ReactorNotRestartable
        self._going = True
        if not self._forgiving:
            globalLogPublisher.addObserver(self._logged)
        try:
            if self.state is State.NEW:
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
            raise bugs[0] if len(bugs) == 1 else BaseExceptionGroup("nobody caught these", bugs)

    def _reach(self, deadline: float) -> bool:
        """Let time come to the next thing to do; False when there is none before `deadline`."""
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
        """In the order of Twisted's reactors: calls from threads, calls that are due, sockets that are ready.

        What any of them asks for with no delay is done in the next turn.
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
            self.state = State.STOPPING
            self.events.fire("shutdown")

    def _do(self, do: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]) -> None:
        try:
            do(*args, **kw)
        except Exception as error:  # noqa: BLE001 - a reactor survives whatever it calls
            self.bug(f"in {do!r}", error)

    def _wait_for_threads(self) -> bool:
        """Wait, in real time, for a call from a thread; False when no thread is busy any more and none came."""
        for busy, patience in self._outside:
            give_up = monotonic() + patience
            while not self._calls and busy():
                if monotonic() > give_up:
                    raise NotReached(f"a thread was busy for {patience:g} real seconds")
                # The pause is short, since a thread may come to rest without a call.
                self._called_from_outside.wait(0.01)
                self._called_from_outside.clear()
        return bool(self._calls)

    def _expect_startup(self) -> None:
        self.events.add(Trigger("during", "startup", self._begin))

    def _begin(self) -> None:
        self.state = State.RUNNING

    def _end(self) -> None:
        self.state = State.STOPPED
        self.threads.stop()
        self.poll.disconnect_all()
