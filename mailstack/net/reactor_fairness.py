"""Keeps the reactor's turns short and light: events are dealt with for some milliseconds, then timers and threads have theirs.

Twisted deals with all that epoll has to tell before it looks at its timers. When a thousand clients hang up, or speak,
at the same moment, nothing else would happen for a second. And for each event it enters a context of its logger, which
names the connection in lines of the log that do not ask for it: ours say themselves of whom they speak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from twisted.internet.interfaces import IListeningPort
from twisted.internet.tcp import Port
from twisted.logger import Logger

_log = Logger()

EVENTS = 64
"""That a turn deals with: so many letters' commands."""

LONGEST = 0.01
"""Seconds after which a turn deals with no further event: some take longer than a command, as a handshake, or a read of
what is large. Nothing may hold the reactor for 20 ms, so an event may take as long again."""

ACCEPTS = 32
"""Connections that a port takes in a turn."""


Told = Sequence[tuple[int, int]]
"""Descriptors, and what epoll says of each."""


class ShortTurn:
    """A turn of Twisted's reactor with epoll (`EPollReactor.doPoll`). Who was not heard is heard first in the next."""

    __slots__ = ("_clock", "_left", "_reactor")

    def __init__(self, reactor: Any, clock: Callable[[], float] = monotonic) -> None:
        self._reactor = reactor
        self._clock = clock
        self._left: list[tuple[object, int, int]] = []

    def __call__(self, timeout: float | None) -> None:
        """Wait as long for somebody to speak; None: until somebody does."""
        reactor = self._reactor
        told: Told
        if self._left:
            # A descriptor that was closed may be another connection's by now.
            selectables = reactor._selectables  # noqa: SLF001 - as all of these
            told = [(descriptor, event) for who, descriptor, event in self._left if selectables.get(descriptor) is who]
            self._left = []
        else:
            try:
                told = reactor._poller.poll(-1 if timeout is None else timeout, EVENTS)  # noqa: SLF001
            except InterruptedError:
                return
        self._serve(told)

    def _serve(self, told: Told) -> None:
        selectables, serve = self._reactor._selectables, self._reactor._doReadOrWrite  # noqa: SLF001
        clock = self._clock
        over = clock() + LONGEST
        for number, (descriptor, event) in enumerate(told, 1):
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue  # closed by one that was heard before
            try:
                serve(selectable, descriptor, event)
            except Exception:  # noqa: BLE001  # a bug of one connection stops no other
                _log.failure("a connection could not be served")
            if clock() >= over:
                self._left = [(selectables.get(descriptor), descriptor, event) for descriptor, event in told[number:]]
                return


def keep_turns_short(reactor: Any) -> None:
    """Where the reactor is Twisted's with epoll; others are as they are."""
    try:
        from twisted.internet.epollreactor import EPollReactor  # noqa: PLC0415  # not every system has it
    except ImportError:
        return
    if isinstance(reactor, EPollReactor):
        reactor.doIteration = ShortTurn(reactor)  # type: ignore[method-assign]


def accept_few(port: IListeningPort) -> None:
    """Have a listening port take few connections at a time; Twisted's takes more and more while many come."""
    if not isinstance(port, Port):
        return
    accept: Callable[[], object] = port.doRead

    def accept_some() -> None:
        port.numberAccepts = min(port.numberAccepts, ACCEPTS)
        accept()

    port.doRead = accept_some  # type: ignore[method-assign]
