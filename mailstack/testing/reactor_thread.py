"""One reactor in a thread of its own, started on first use and shared by the process.

It is not the reactor that Twisted installs for the process: that one is never asked for, so it may be whatever the
program under test wants, run by trial or pytest-twisted in the main thread, or not be there at all. Ours turns an asyncio loop of
its own, which works on every system.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IListeningPort
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.python.failure import Failure

from mailstack.net.tls_layer import OwnConnector, OwnPort
from mailstack.testing import real_time

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that a call may take; what takes longer has gone wrong."""


class OwnLoop(asyncio.SelectorEventLoop):
    """A loop whose time no test can stop."""

    def time(self) -> float:
        """Seconds since some moment."""
        return real_time.monotonic()


class OwnReactor(AsyncioSelectorReactor):
    """A reactor beside the one of the process, whose connections keep its own time."""

    seconds = staticmethod(real_time.seconds)

    _registerAsIOThread = False  # noqa: N815 - the process's idea of which thread that is belongs to the installed reactor

    def listenTCP(  # noqa: N802 - Twisted's name
        self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Take calls to this port; port 0 is any that is free. Raises CannotListenError."""
        listener = OwnPort(port, factory, backlog, interface, self)
        listener.startListening()
        return listener

    def connectTCP(  # noqa: N802 - Twisted's name
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float = 30.0,
        bindAddress: Any = None,  # noqa: N803 - Twisted's name
    ) -> IConnector:
        """Call an address."""
        connector = OwnConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector


class Background:
    """The reactor and its thread. New when made; then it runs, until the process ends."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = OwnLoop()
        self.reactor: Any = OwnReactor(self.loop)
        # Daemons, as the thread itself: a server that somebody forgot must not keep the process from ending.
        self.reactor.getThreadPool().threadFactory = partial(threading.Thread, daemon=True)  # type: ignore[assignment]
        started = threading.Event()
        self.reactor.callWhenRunning(started.set)
        self._thread = threading.Thread(target=self._run, name="mailstack-reactor", daemon=True)
        self._thread.start()
        if not started.wait(PATIENCE):
            raise RuntimeError("the reactor of mailstack's servers did not start; is this machine very busy?")
        atexit.register(self._end)

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], patience: float = PATIENCE) -> T:
        """The result of a coroutine that waits for Deferreds, run there. Raises what it raises, or TimeoutError."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a server can't be waited for by what it calls itself, such as a handler of its own")
        future: Future[T] = Future()
        self.reactor.callFromThread(_begin, work, future)
        try:
            return future.result(patience)
        except TimeoutError:
            if future.done():
                raise
            raise TimeoutError(f"the servers did not do it within {patience:g} s; does something block them?") from None

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.reactor.run(installSignalHandlers=False)
        self.loop.close()

    def _end(self) -> None:
        """So that no thread is cut off in the middle of something when the interpreter goes."""
        if os.getpid() == self.process and self._thread.is_alive():
            self.reactor.callFromThread(self.reactor.stop)
            self._thread.join(5.0)


def _begin(work: Callable[[], Coroutine[Any, Any, T]], future: Future[T]) -> None:
    def failed(failure: Failure) -> None:
        future.set_exception(failure.value)

    Deferred.fromCoroutine(work()).addCallbacks(future.set_result, failed)


_lock = threading.Lock()
_running: Background | None = None


def background() -> Background:
    """The one of this process: a fork has no threads of its parent, and begins anew."""
    global _running
    with _lock:
        if _running is None or _running.process != os.getpid():
            _running = Background()
        return _running


def _after_fork() -> None:
    """Another thread of the parent may have held the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
