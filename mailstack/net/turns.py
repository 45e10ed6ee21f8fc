"""Keeps the reactor's turns short and light: a few events are dealt with in each, and then timers and threads have theirs.

Twisted deals with all that epoll has to tell before it looks at its timers. When a thousand clients hang up, or speak,
at the same moment, nothing else would happen for a second. And for each event it enters a context of its logger, which
names the connection in lines of the log that do not ask for it: ours say themselves of whom they speak.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IListeningPort
from twisted.internet.tcp import Port
from twisted.logger import Logger

_log = Logger()

EVENTS = 64
"""So many letters' commands, some ten milliseconds' work."""


ACCEPTS = 32
"""Connections that a port takes in a turn."""


class ShortTurn:
    """A turn of Twisted's reactor with epoll (`EPollReactor.doPoll`). Who was not heard is heard first in the next."""

    __slots__ = ("_reactor",)

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __call__(self, timeout: float | None) -> None:
        """Wait as long for somebody to speak; None: until somebody does."""
        reactor = self._reactor
        try:
            told = reactor._poller.poll(-1 if timeout is None else timeout, EVENTS)  # noqa: SLF001 - as the next two
        except InterruptedError:
            return
        selectables, serve = reactor._selectables, reactor._doReadOrWrite  # noqa: SLF001
        for descriptor, event in told:
            selectable = selectables.get(descriptor)
            if selectable is None:
                continue  # closed by one that was heard before
            try:
                serve(selectable, descriptor, event)
            except Exception:  # noqa: BLE001  # a bug of one connection stops no other
                _log.failure("a connection could not be served")


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
