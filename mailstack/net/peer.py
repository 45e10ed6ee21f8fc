"""The one Protocol: joins any engine and its conversation to a Twisted transport."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.letter.connection import HostPort, TlsInfo
from mailstack.net.client_tls import ClientTls, Handshake
from mailstack.net.reactor_patches import write
from mailstack.net.run_queue import BURST, QUANTUM, RATE, RunQueue
from mailstack.net.task import PAUSE, Task
from mailstack.net.tls_info import channel_binding, tls_facts
from mailstack.net.tls_layer import start_tls
from mailstack.protocols.connection import (
    NEED_DATA,
    PAUSED,
    Dane,
    Disconnected,
    Ending,
    Engine,
    EventT,
    LoggedOut,
    ShuttingDown,
    TimedOut,
)

_log = Logger()

HIGH_WATER = 65536
"""Octets that may wait in an engine while its conversation is busy, before we stop reading from the network."""

UNKNOWN_TLS = TlsInfo("TLS", "")
"""What is known before the handshake is over."""

LAST_WORDS = 0.25
"""Seconds in which a client that was logged out may take the last reply, before the connection is dropped."""

LINGER = 30.0
"""Seconds that a closed connection may take to send what was written."""

FULL = 65536
"""Octets that a read of Twisted's takes at most; who fills one has more to say, a large letter."""

MUCH = 262144
"""Octets that are then read at a time: each read gives Python's lock away, and has to have it back."""

TAKEN = 1024
"""Octets of such a read that may be left: a content is taken as it comes, and commands that pile up get no larger reads."""

CHARGE = 12
"""Shift that makes credit of octets sent: an answer of 4 KB costs as much as one event more."""

Conversation = Callable[["NetPeer[EventT]"], Coroutine[Any, Any, None]]


def _host_port(address: IAddress) -> HostPort:
    return HostPort(getattr(address, "host", ""), getattr(address, "port", 0))


class PeerTls(Struct, frozen=True):
    """TLS of one connection: a server has a context, a client has `client_tls`."""

    context: Any = None
    """`IOpenSSLServerConnectionCreator` of a server; None without a certificate, and for clients."""
    encrypted: bool = False
    """Whether TLS begins with the first octet."""
    handshake_timeout: float = 30.0
    """Seconds that a client has for the handshake after STARTTLS."""
    client_tls: ClientTls | None = None
    """Trust settings of a client; None for the defaults."""
    handshake: Handshake | None = None
    """Handshake of a client whose TLS begins with the first octet."""


NO_TLS = PeerTls()


@implementer(IHandshakeListener, IPushProducer)
class NetPeer(Protocol, Generic[EventT]):
    """A wire.Peer over a Twisted transport, for servers and clients of every language.

    Reading stops while the conversation is busy and HIGH_WATER octets wait; writing is held back by `drain`, which a
    server's conversation waits for with each event. What a server answers to commands that came together goes out
    together (RFC 2920 §3.2, RFC 2449 §6.6), before the conversation waits for anything.
    """

    # Thousands of these are idle at a time: slots keep each small.
    __slots__ = (
        "_born",
        "_closing",
        "_conversation",
        "_credit",
        "_credited",
        "_deadline",
        "_done",
        "_drain",
        "_encrypted",
        "_ending",
        "_facts",
        "_full",
        "_handshake",
        "_late",
        "_lifetime",
        "_local",
        "_queue",
        "_queued",
        "_reactor",
        "_reading",
        "_remote",
        "_shaking",
        "_task",
        "_timer",
        "_tls",
        "_tls_failure",
        "_tls_fault",
        "_unsent",
        "_waiter",
        "_waiting",
        "_yielded",
        "connected",
        "engine",
        "transport",
    )

    def __init__(
        self,
        reactor: IReactorTime,
        engine: Engine[EventT],
        *,
        conversation: Conversation[EventT] | None = None,
        tls: PeerTls = NO_TLS,
        lifetime: float = 86400.0,
        remote: HostPort | None = None,
        local: HostPort | None = None,
        done: Callable[[NetPeer[EventT]], None] | None = None,
        queue: RunQueue | None = None,
    ) -> None:
        """`lifetime` is the maximum duration of the connection in seconds.

        `remote` and `local` are its ends behind a proxy; without a proxy the transport gives them. `done` is called
        once, when the connection is lost. `queue` is shared by all connections that have a conversation; without it
        the connection has its own.
        """
        self.connected = 0
        self.transport = None
        self.engine = engine
        self._reactor = reactor
        self._conversation = conversation
        self._tls = tls
        self._shaking = tls.handshake
        self._tls_failure = self._tls_fault = ""
        self._encrypted = tls.encrypted
        self._facts = UNKNOWN_TLS
        self._lifetime = lifetime
        self._remote = remote
        self._local = local
        self._done = done
        self._ending: Ending | None = None
        self._waiting = False
        self._task: Task | None = None
        self._waiter: Deferred[None] | None = None
        self._drain: Deferred[None] | None = None
        self._handshake: Deferred[bool] | None = None
        self._timer: IDelayedCall | None = None
        self._deadline = 0.0
        self._born = 0.0
        self._reading = True
        self._full = False
        self._late = False
        self._closing = False
        self._queue = queue
        self._queued = False
        self._yielded = False
        self._credit = BURST
        self._credited = 0.0
        self._unsent: bytearray | None = None
        """Answers that wait for the next ones."""

    # --- what Twisted calls

    def connectionMade(self) -> None:  # noqa: N802
        self._born = self._credited = self._reactor.seconds()
        transport: Any = self.transport
        transport.registerProducer(self, True)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
        if self._conversation is not None:
            conversation, self._conversation = self._conversation, None
            self._task = Task(conversation(self), self._ended, self._flush)
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
                elif self._earn():
                    self._wake()
                else:
                    self._queued = True
                    queue.add(self)
            elif self._reading:
                # More than one event waits: what else is sent may wait in the network.
                self._reading = False
                self._transport().pauseProducing()
        elif self._reading and self.engine.buffered > HIGH_WATER:
            self._reading = False
            self._transport().pauseProducing()
        if len(data) == FULL and self.engine.buffered < TAKEN:
            self._transport().bufferSize = MUCH

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._ending = Disconnected(reason.getErrorMessage())
        if self._shaking is not None and self._facts is UNKNOWN_TLS:
            self._tls_failure = self._shaking.why(reason)
            self._tls_fault = self._shaking.fault_type
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._settle_handshake(done=False)
        self.resumeProducing()
        self._wake()
        if self._done is not None:
            done, self._done = self._done, None
            done(self)

    def handshakeCompleted(self) -> None:  # noqa: N802
        shaking = self._shaking
        transport: Any = self.transport
        if shaking is not None and not shaking.satisfied(transport.getHandle()):
            self._closing = True  # nothing that comes now is listened to
            transport.abortConnection()
            return
        verified = shaking is not None and shaking.verifies
        self._facts = tls_facts(self.transport, verified=verified)
        self._settle_handshake(done=True)

    def pauseProducing(self) -> None:  # noqa: N802
        self._full = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._full = False
        if self._drain is not None:
            drain, self._drain = self._drain, None
            drain.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()

    # --- what a conversation calls

    @property
    def remote(self) -> HostPort:
        if self._remote is None:
            self._remote = _host_port(self._transport().getPeer())
        return self._remote

    @property
    def local(self) -> HostPort:
        return self._local or _host_port(self._transport().getHost())

    @property
    def tls(self) -> TlsInfo | None:
        return self._facts if self._encrypted else None

    @property
    def tls_failure(self) -> str:
        return self._tls_failure

    @property
    def tls_fault(self) -> str:
        return self._tls_fault

    @property
    def can_start_tls(self) -> bool:
        return self._tls.context is not None and not self._encrypted

    def channel_binding(self, kind: str) -> bytes | None:
        if self._facts is UNKNOWN_TLS or isinstance(self._ending, Disconnected):
            return None
        return channel_binding(self.transport, kind)

    async def next_event(self, timeout: float) -> EventT | Ending:
        # Who does not take our answers asks no more: else they would pile up here. A client we are listens all the
        # same, for a server may refuse what it will not read.
        if self._full and self._task is not None and not await self.drain(timeout):
            return self._ending or TimedOut(timeout)
        self._credit -= 1
        if self._credit < 0 and self._task is not None and self.engine.buffered and not self._earn():
            await self._yield()
        if isinstance(self._ending, LoggedOut):
            # What the client has sent ahead is not answered any more.
            return self._ending
        deadline = 0.0
        while (event := self.engine.next_event()) is NEED_DATA:
            if self._ending is not None:
                return self._ending
            if self._late:
                self._late = False
                return TimedOut(timeout)
            if not self._reading:
                self._reading = True
                self._transport().resumeProducing()
            if not deadline:
                now = self._reactor.seconds()
                deadline = min(now + timeout, self._born + self._lifetime)
                self._arm(now, deadline)
            self._flush()
            self._waiting = True
            if self._task is not None:
                await PAUSE
            else:
                self._waiter = Deferred()
                await self._waiter
        assert event is not PAUSED, "the conversation owes an answer"
        return event

    def send(self, octets: bytes) -> None:
        if isinstance(self._ending, Disconnected):
            return
        self._credit -= len(octets) >> CHARGE
        if self._unsent is not None:
            self._unsent += octets
            if len(self._unsent) >= HIGH_WATER:
                self._flush()
        elif self._task is not None and self.engine.buffered and len(octets) < HIGH_WATER:
            self._unsent = bytearray(octets)
        else:
            write(self.transport, octets)

    def _flush(self) -> None:
        """Send what was held back."""
        if self._unsent is not None:
            unsent, self._unsent = self._unsent, None
            if not isinstance(self._ending, Disconnected):
                write(self.transport, bytes(unsent))

    async def drain(self, timeout: float) -> bool:
        if self._full and not isinstance(self._ending, Disconnected | LoggedOut):
            self._drain = Deferred()
            call = self._reactor.callLater(timeout, self.resumeProducing)
            await self._drain
            if call.active():
                call.cancel()
            else:
                return False
        return not isinstance(self._ending, Disconnected | LoggedOut)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        if isinstance(self._ending, Disconnected):
            return False  # the client did not wait for our answer
        self._flush()
        transport = self._transport()
        self.engine.tls_started()
        self._encrypted = True
        tls = self._tls
        if tls.context is not None:
            start_tls(transport, tls.context, client=False, handshake_timeout=tls.handshake_timeout)
            return True
        client_tls = tls.client_tls or ClientTls()
        self._shaking = client_tls.handshake(server_name, verify=verify, dane=dane)
        start_tls(transport, self._shaking, client=True)
        return await self.handshake()

    async def handshake(self) -> bool:
        """Wait until TLS is there (True) or the connection is lost (False)."""
        if self._ending is not None:
            return False
        self._handshake = Deferred()
        return await self._handshake

    def close(self) -> None:
        if self._closing or isinstance(self._ending, Disconnected):
            return
        self._closing = True
        self._flush()
        transport = self._transport()
        transport.unregisterProducer()
        transport.loseConnection()
        if not isinstance(self._ending, Disconnected):
            # A peer that never takes the rest, or never answers TLS's goodbye, does not hold the connection.
            self._arm(self._reactor.seconds(), self._reactor.seconds() + LINGER)

    # --- what the server calls

    def stop(self) -> None:
        """Let the conversation say goodbye at its next pause."""
        if self._ending is None:
            self._ending = ShuttingDown()
            self._wake()

    def log_out(self) -> None:
        """Let the conversation end before its next event, and drop the connection soon, whatever it is at."""
        if isinstance(self._ending, Disconnected):
            return
        self._ending = LoggedOut()
        self._reactor.callLater(LAST_WORDS, self.abort)
        self.resumeProducing()
        self._wake()

    def abort(self) -> None:
        """Drop the connection now."""
        if not isinstance(self._ending, Disconnected):
            self._flush()
            self._transport().abortConnection()

    # --- what the run queue calls

    def run(self, events: int) -> int:
        """Serve up to so many events; returns how many were served."""
        self._queued = False
        # The event that is waited for was counted before.
        self._credit = events - 1
        is_full = self.engine.buffered >= FULL
        if self._yielded:
            self._yielded = False
            assert self._task is not None, "only a conversation yields"
            self._task.resume()
        else:
            self._wake()
        served = events - 1 - self._credit
        self._credit = min(-1, self._credit)
        if is_full and self.engine.buffered < TAKEN:
            self._transport().bufferSize = MUCH
        return served

    # --- inside

    async def _yield(self) -> None:
        """Wait in the queue: one read may hold thousands of commands."""
        self._flush()
        self._yielded = True
        if not self._queued:
            self._queued = True
            (self._queue or self._own_queue()).add(self)
        await PAUSE

    def _own_queue(self) -> RunQueue:
        self._queue = RunQueue(self._reactor)
        return self._queue

    def _earn(self) -> bool:
        """Add the credit that was earned since the last time; whether it is enough for the next event."""
        now = self._reactor.seconds()
        earned = int((now - self._credited) * RATE)
        if earned > 0:
            self._credit, self._credited = min(BURST - 1, max(-1, self._credit) + earned), now
        return self._credit >= 0

    def _transport(self) -> Any:
        return self.transport

    def _wake(self) -> None:
        if self._waiting:
            self._waiting = False
            if self._task is not None:
                self._task.resume()
            elif self._waiter is not None:
                waiter, self._waiter = self._waiter, None
                waiter.callback(None)

    def _arm(self, now: float, deadline: float) -> None:
        """Have one timer run for the connection, which looks at the deadline only when it fires."""
        self._deadline = deadline
        if self._timer is None:
            self._timer = self._reactor.callLater(max(0.0, deadline - now), self._tick)
        elif self._timer.getTime() > deadline:
            self._timer.reset(max(0.0, deadline - now))

    def _tick(self) -> None:
        self._timer = None
        if not self._closing and not self._waiting:
            return
        now = self._reactor.seconds()
        if now < self._deadline:
            self._arm(now, self._deadline)
        elif self._queued and not self._closing:
            # What was waited for is here, and its turn has yet to come.
            self._arm(now, now + 1.0)
        elif self._closing:
            self.abort()
        else:
            self._late = True
            self._wake()

    def _settle_handshake(self, *, done: bool) -> None:
        if self._handshake is not None:
            handshake, self._handshake = self._handshake, None
            handshake.callback(done)

    def _ended(self, failure: Failure | None) -> None:
        if failure is not None:
            _log.failure("a conversation failed", failure)
        self._task = None
        self.close()
