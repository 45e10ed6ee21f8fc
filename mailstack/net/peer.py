"""Peer over a Twisted transport: runs one session on its engine.

Busy connections share the reactor by credit and a run queue (`mailstack.net.scheduler`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.net.peer_state import HIGH_WATER, UNKNOWN_TLS
from mailstack.net.scheduler import BURST, PAUSE, QUANTUM, RATE, RunQueue, Task
from mailstack.net.tls_layer import TlsPeer
from mailstack.protocols.connection import (
    NEED_DATA,
    PAUSED,
    WOKEN,
    Disconnected,
    Ending,
    EventT,
    LoggedOut,
    ShuttingDown,
    TimedOut,
    Woken,
)

_log = Logger()

FULL_READ = 65536
"""Maximum octets of one read by Twisted; a client that fills it sends a large letter."""

LARGE_READ = 262144
"""Octets of each read after a full one: each read releases and reacquires Python's lock."""

MAX_UNREAD = 1024
"""Maximum octets that the engine may buffer after a full read for reads to grow; piled-up commands get no larger reads."""

LOGOUT_TIMEOUT = 0.25
"""Seconds between the logout of a client and the abort of its connection, for the last reply."""

Session = Callable[["NetPeer[EventT]"], Coroutine[Any, Any, None]]


class NetPeer(TlsPeer[EventT]):
    """Peer over a Twisted transport, for servers and clients of every protocol.

    Reading stops while the session is busy and HIGH_WATER octets wait. A server's session waits for `drain` with each
    event. Replies to pipelined commands go out together (RFC 2920 §3.2, RFC 2449 §6.6), before the session waits.
    """

    __slots__ = ()

    def connectionMade(self) -> None:  # noqa: N802
        self._connected_at = self._credited = self._reactor.seconds()
        transport: Any = self.transport
        transport.registerProducer(self, True)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
        if self._session is not None:
            session, self._session = self._session, None
            self._task = Task(session(self), self._session_ended, self._flush)
            self._task.resume()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._closing:
            return
        self.engine.receive(data)
        if self._waiting:
            if self._credit >= 0 or self._task is None:
                self._wake()
            elif not self._queued:
                queue = self._queue or self._own_queue()
                if queue.grant():
                    self._credit = QUANTUM - 1
                    self._wake()
                elif self._replenish():
                    self._wake()
                else:
                    self._queued = True
                    queue.add(self)
            elif self._reading:
                # More than one event waits: further octets can wait in the network.
                self._reading = False
                self._transport().pauseProducing()
        elif self._reading and self.engine.buffered > HIGH_WATER:
            self._reading = False
            self._transport().pauseProducing()
        if len(data) == FULL_READ and self.engine.buffered < MAX_UNREAD:
            self._transport().bufferSize = LARGE_READ

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._ending = Disconnected(reason.getErrorMessage())
        if self._client_handshake is not None and self._tls_info is UNKNOWN_TLS:
            self._tls_failure = self._client_handshake.why(reason)
            self._tls_fault = self._client_handshake.fault_type
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._settle_handshake(done=False)
        self.resumeProducing()
        self._wake()
        if self._done is not None:
            done, self._done = self._done, None
            done(self)

    async def next_event(self, timeout: float) -> EventT | Ending:
        # A client that does not read replies gets no further ones, which would pile up here. On the client side reading
        # continues, because a server may refuse a letter without reading it.
        if self._is_full and self._task is not None and not await self.drain(timeout):
            return self._ending or TimedOut(timeout)
        self._credit -= 1
        if self._credit < 0 and self._task is not None and self.engine.buffered and not self._replenish():
            await self._yield()
        if isinstance(self._ending, LoggedOut):
            # Pipelined commands are not answered any more.
            return self._ending
        deadline = 0.0
        while (event := self.engine.next_event()) is NEED_DATA:
            if (interruption := self._interruption(timeout)) is not None:
                return cast("EventT | Ending", interruption)
            if not self._reading:
                self._reading = True
                self._transport().resumeProducing()
            if not deadline:
                now = self._reactor.seconds()
                deadline = min(now + timeout, self._connected_at + self._lifetime)
                self._set_deadline(now, deadline)
            self._flush()
            self._waiting = True
            if self._task is not None:
                await PAUSE
            else:
                self._waiter = Deferred()
                await self._waiter
        assert event is not PAUSED, "the session owes an answer"
        return event

    def _interruption(self, timeout: float) -> Ending | Woken | None:
        """Reason to end a wait without an event of the engine; None without one."""
        if self._ending is not None:
            return self._ending
        if self._timed_out:
            self._timed_out = False
            return TimedOut(timeout)
        if self._woken:
            self._woken = False
            return WOKEN
        return None

    def wake(self) -> None:
        self._woken = True
        self._wake()

    def stop(self) -> None:
        """Give the session a ShuttingDown event at its next wait."""
        if self._ending is None:
            self._ending = ShuttingDown()
            self._wake()

    def log_out(self) -> None:
        """Give the session a LoggedOut event as its next one, and abort the connection after LOGOUT_TIMEOUT."""
        if isinstance(self._ending, Disconnected):
            return
        self._ending = LoggedOut()
        self._reactor.callLater(LOGOUT_TIMEOUT, self.abort)
        self.resumeProducing()
        self._wake()

    # --- scheduling

    def run(self, events: int) -> int:
        """Serve at most `events` events; returns the number served."""
        self._queued = False
        # The event that the session waits for was counted before.
        self._credit = events - 1
        is_full = self.engine.buffered >= FULL_READ
        if self._yielded:
            self._yielded = False
            assert self._task is not None, "only a session yields"
            self._task.resume()
        else:
            self._wake()
        served = events - 1 - self._credit
        self._credit = min(-1, self._credit)
        if is_full and self.engine.buffered < MAX_UNREAD:
            self._transport().bufferSize = LARGE_READ
        return served

    async def _yield(self) -> None:
        """Wait in the run queue: one read may have thousands of commands."""
        self._flush()
        self._yielded = True
        if not self._queued:
            self._queued = True
            (self._queue or self._own_queue()).add(self)
        await PAUSE

    def _own_queue(self) -> RunQueue:
        self._queue = RunQueue(self._reactor)
        return self._queue

    def _replenish(self) -> bool:
        """Add the credit earned since the last call; returns whether it is enough for the next event."""
        now = self._reactor.seconds()
        earned = int((now - self._credited) * RATE)
        if earned > 0:
            self._credit, self._credited = min(BURST - 1, max(-1, self._credit) + earned), now
        return self._credit >= 0

    def _session_ended(self, failure: Failure | None) -> None:
        if failure is not None:
            _log.failure("unhandled error in a session", failure)
        self._task = None
        self.close()
