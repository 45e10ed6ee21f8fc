"""Twisted reactor in a background thread, on real time, shared by all test servers.

It isn't the reactor that Twisted installs for the process, which is left to the program under test, trial or
pytest-twisted. It runs on an asyncio loop of its own, which works on every system.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime
from typing import Any, TypeVar

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IListeningPort
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.python.failure import Failure

from mailstack.net.tls_layer import TcpConnector, TcpPort

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

TIMEOUT_S = 30.0
"""Default maximum seconds of a call into the thread."""


_SINCE = clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_MONOTONIC)


def real_monotonic() -> float:
    """Seconds of the monotonic clock."""
    return clock_gettime(CLOCK_MONOTONIC)


def real_seconds() -> float:
    """Seconds since 1970 (UTC), without jumps."""
    return _SINCE + clock_gettime(CLOCK_MONOTONIC)


class RealTimeLoop(asyncio.SelectorEventLoop):
    """Event loop on real time, also while a test has frozen the time."""

    def time(self) -> float:
        return real_monotonic()


class ThreadReactor(AsyncioSelectorReactor):
    """Reactor besides the installed one; its connections use its own clock."""

    seconds = staticmethod(real_seconds)

    _registerAsIOThread = False  # noqa: N815 - only the installed reactor may register its thread as the I/O thread

    def listenTCP(  # noqa: N802 - Twisted's name
        self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen on a port; port 0 is any free port. Raises CannotListenError."""
        listener = TcpPort(port, factory, backlog, interface, self)
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
        connector = TcpConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector


class ReactorThread:
    """Reactor and its thread; it runs from its creation until the process exits."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = RealTimeLoop()
        self.reactor: Any = ThreadReactor(self.loop)
        # Daemon threads: a running server must not prevent the exit of the process.
        self.reactor.getThreadPool().threadFactory = partial(threading.Thread, daemon=True)  # type: ignore[assignment]
        started = threading.Event()
        self.reactor.callWhenRunning(started.set)
        self._thread = threading.Thread(target=self._run, name="mailstack-reactor", daemon=True)
        self._thread.start()
        if not started.wait(TIMEOUT_S):
            raise RuntimeError("mailstack's reactor thread did not start in time: is this machine overloaded?")
        atexit.register(self._stop)

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], timeout: float = TIMEOUT_S) -> T:
        """Result of a coroutine that is run in the thread. Raises its exception, or TimeoutError."""
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "called from mailstack's own thread, which would wait for itself; call it from another thread"
            )
        future: Future[T] = Future()
        self.reactor.callFromThread(_start, work, future)
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():
                raise
            raise TimeoutError(
                f"the mail server did not respond within {timeout:g} s: is something blocking its thread?"
            ) from None

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.reactor.run(installSignalHandlers=False)
        self.loop.close()

    def _stop(self) -> None:
        # Otherwise the interpreter cuts the thread off in the middle of its work.
        if os.getpid() == self.process and self._thread.is_alive():
            self.reactor.callFromThread(self.reactor.stop)
            self._thread.join(5.0)


def _start(work: Callable[[], Coroutine[Any, Any, T]], future: Future[T]) -> None:
    def failed(failure: Failure) -> None:
        future.set_exception(failure.value)

    Deferred.fromCoroutine(work()).addCallbacks(future.set_result, failed)


_lock = threading.Lock()
_running: ReactorThread | None = None


def shared_reactor_thread() -> ReactorThread:
    """The thread of this process; a forked child, which has no threads of its parent, starts a new one."""
    global _running
    with _lock:
        if _running is None or _running.process != os.getpid():
            _running = ReactorThread()
        return _running


def _after_fork() -> None:
    # Another thread of the parent may have held the lock.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def is_in_loop() -> bool:
    """Whether the calling code runs in an event loop of asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def awaited(future: Future[T]) -> T:
    """Result of a future, in a coroutine of asyncio or of Twisted."""
    if is_in_loop() and asyncio.current_task() is not None:
        return await asyncio.wrap_future(future)
    return await _deferred(future)  # type: ignore[no-any-return]


def _deferred(future: Future[Any]) -> Any:
    """A Deferred that fires in the thread of the installed reactor, which runs the calling coroutine."""
    from twisted.internet import reactor as installed  # noqa: PLC0415 - it is installed already
    from twisted.internet.defer import Deferred  # noqa: PLC0415

    def cancel(_: object) -> None:
        future.cancel()

    reactor: Any = installed
    deferred: Deferred[Any] = Deferred(cancel)

    def fire() -> None:
        if deferred.called:
            return
        error = future.exception()
        if error is None:
            deferred.callback(future.result())
        else:
            deferred.errback(error)

    def done(finished: Future[Any]) -> None:
        if not finished.cancelled():
            reactor.callFromThread(fire)

    future.add_done_callback(done)
    return deferred
