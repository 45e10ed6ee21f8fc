"""Peer state: timer, output and end of one connection."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, Self

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.net.client_tls import ClientTls, Handshake
from mailstack.net.reactor_patches import write
from mailstack.net.scheduler import BURST, RunQueue, Task
from mailstack.protocols.connection import Disconnected, Ending, Engine, EventT, LoggedOut

HIGH_WATER = 65536
"""Maximum octets that an engine or the output buffers before reading stops, or a write is made."""

LINGER = 30.0
"""Maximum seconds in which a closed connection sends its buffered octets."""

_COST_SHIFT = 12
"""Shift from octets sent to credit: a reply of 4 KB costs as much as one event."""

UNKNOWN_TLS = TlsInfo("TLS", "")
"""TLS info before the handshake is complete."""


class PeerTls(Struct, frozen=True):
    """TLS of one connection: a server has a context, a client has `client_tls`."""

    context: Any = None
    """`IOpenSSLServerConnectionCreator` of a server; None without a certificate, and for clients."""
    encrypted: bool = False
    """Whether the connection has implicit TLS."""
    handshake_timeout: float = 30.0
    """Maximum seconds of the handshake after STARTTLS."""
    client_tls: ClientTls | None = None
    """TLS settings of a client; None for the defaults."""
    handshake: Handshake | None = None
    """Handshake of a client with implicit TLS."""


NO_TLS = PeerTls()


def _host_port(address: IAddress) -> HostPort:
    return HostPort(getattr(address, "host", ""), getattr(address, "port", 0))


@implementer(IPushProducer)
class PeerState(Protocol, Generic[EventT]):
    """State of one connection; `NetPeer` is the complete peer."""

    # Slots save memory: thousands of connections are idle at a time.
    __slots__ = (
        "_client_handshake",
        "_closing",
        "_connected_at",
        "_credit",
        "_credited",
        "_deadline",
        "_done",
        "_drain",
        "_encrypted",
        "_ending",
        "_handshake_done",
        "_is_full",
        "_lifetime",
        "_local",
        "_queue",
        "_queued",
        "_reactor",
        "_reading",
        "_remote",
        "_session",
        "_task",
        "_timed_out",
        "_timer",
        "_tls",
        "_tls_failure",
        "_tls_fault",
        "_tls_info",
        "_unsent",
        "_waiter",
        "_waiting",
        "_woken",
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
        session: Callable[[Self], Coroutine[Any, Any, None]] | None = None,
        tls: PeerTls = NO_TLS,
        lifetime: float = 86400.0,
        remote: HostPort | None = None,
        local: HostPort | None = None,
        done: Callable[[Self], None] | None = None,
        queue: RunQueue | None = None,
    ) -> None:
        """`lifetime` is the maximum duration of the connection in seconds.

        `remote` and `local` are its ends behind a proxy; without a proxy the transport gives them. `done` is called
        once, when the connection is lost. `queue` is shared by all connections that have a session; without it the
        connection has its own.
        """
        self.connected = 0
        self.transport = None
        self.engine = engine
        self._reactor = reactor
        self._session: Callable[[Any], Coroutine[Any, Any, None]] | None = session
        self._tls = tls
        self._client_handshake = tls.handshake
        self._tls_failure = self._tls_fault = ""
        self._encrypted = tls.encrypted
        self._tls_info = UNKNOWN_TLS
        self._lifetime = lifetime
        self._remote = remote
        self._local = local
        self._done: Callable[[Any], None] | None = done
        self._ending: Ending | None = None
        self._waiting = False
        self._woken = False
        self._task: Task | None = None
        self._waiter: Deferred[None] | None = None
        self._drain: Deferred[None] | None = None
        self._handshake_done: Deferred[bool] | None = None
        self._timer: IDelayedCall | None = None
        self._deadline = 0.0
        self._connected_at = 0.0
        self._reading = True
        self._is_full = False
        self._timed_out = False
        self._closing = False
        self._queue = queue
        self._queued = False
        self._yielded = False
        self._credit = BURST
        self._credited = 0.0
        self._unsent: bytearray | None = None
        """Replies held back, to be sent with the next ones."""

    @property
    def remote(self) -> HostPort:
        if self._remote is None:
            self._remote = _host_port(self._transport().getPeer())
        return self._remote

    @property
    def local(self) -> HostPort:
        return self._local or _host_port(self._transport().getHost())

    def send(self, octets: bytes) -> None:
        if isinstance(self._ending, Disconnected):
            return
        self._credit -= len(octets) >> _COST_SHIFT
        if self._unsent is not None:
            self._unsent += octets
            if len(self._unsent) >= HIGH_WATER:
                self._flush()
        elif self._task is not None and self.engine.buffered and len(octets) < HIGH_WATER:
            self._unsent = bytearray(octets)
        else:
            write(self.transport, octets)

    def _flush(self) -> None:
        """Send the replies that were held back."""
        if self._unsent is not None:
            unsent, self._unsent = self._unsent, None
            if not isinstance(self._ending, Disconnected):
                write(self.transport, bytes(unsent))

    async def drain(self, timeout: float) -> bool:
        if self._is_full and not isinstance(self._ending, Disconnected | LoggedOut):
            self._drain = Deferred()
            call = self._reactor.callLater(timeout, self.resumeProducing)
            await self._drain
            if call.active():
                call.cancel()
            else:
                return False
        return not isinstance(self._ending, Disconnected | LoggedOut)

    def pauseProducing(self) -> None:  # noqa: N802
        self._is_full = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._is_full = False
        if self._drain is not None:
            drain, self._drain = self._drain, None
            drain.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()

    def close(self) -> None:
        if self._closing or isinstance(self._ending, Disconnected):
            return
        self._closing = True
        self._flush()
        transport = self._transport()
        transport.unregisterProducer()
        transport.loseConnection()
        if not isinstance(self._ending, Disconnected):
            # The connection ends even if the peer never reads these octets, or never answers the TLS close alert.
            self._set_deadline(self._reactor.seconds(), self._reactor.seconds() + LINGER)

    def abort(self) -> None:
        """Drop the connection now."""
        if not isinstance(self._ending, Disconnected):
            self._flush()
            self._transport().abortConnection()

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

    def _set_deadline(self, now: float, deadline: float) -> None:
        """Set the deadline. The connection has one timer, which checks the deadline only when it fires."""
        self._deadline = deadline
        if self._timer is None:
            self._timer = self._reactor.callLater(max(0.0, deadline - now), self._check_deadline)
        elif self._timer.getTime() > deadline:
            self._timer.reset(max(0.0, deadline - now))

    def _check_deadline(self) -> None:
        self._timer = None
        if not self._closing and not self._waiting:
            return
        now = self._reactor.seconds()
        if now < self._deadline:
            self._set_deadline(now, self._deadline)
        elif self._queued and not self._closing:
            # The event is here, and waits in the run queue.
            self._set_deadline(now, now + 1.0)
        elif self._closing:
            self.abort()
        else:
            self._timed_out = True
            self._wake()
