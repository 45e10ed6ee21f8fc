"""HTTP listener; it loads the web modules with the first connection."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from mailstack.letter.envelope import HostPort
from mailstack.net.listening import ConnectionSet, Ports
from mailstack.policy import Pass
from mailstack.policy.limits import ConnectionLimiter

_log = logging.getLogger(__name__)


class StoppableProtocol(Protocol):
    """IProtocol of one connection, with graceful and immediate close."""

    def makeConnection(self, transport: Any) -> None: ...  # noqa: N802 (Twisted's names)

    def dataReceived(self, data: bytes) -> None: ...  # noqa: N802

    def connectionLost(self, reason: Failure) -> None: ...  # noqa: N802

    def end(self) -> None:
        """Close after the response in progress."""

    def abort(self) -> None:
        """Abort the connection."""


ProtocolFactory = Callable[[Callable[[StoppableProtocol], None], HostPort], StoppableProtocol]
"""Makes the protocol of a connection. Parameters: a callback for its end, and the client's address."""


class WebListener(Factory):
    """Listener of the web service, with the connection limits of all services.

    The pages are many modules, so `load` imports them at the first connection and returns the protocol factory.
    Connections are paused until then.
    """

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        ports: Ports,
        *,
        limits: ConnectionLimiter,
        load: Callable[[], Awaitable[ProtocolFactory]],
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._load = load
        self._make_protocol: ProtocolFactory | None = None
        self._early: list[_PendingConnection] | None = None
        """Connections that wait for `load`; None: it is not running."""
        self._channels: ConnectionSet[StoppableProtocol] = ConnectionSet(reactor)

    @property
    def addresses(self) -> list[HostPort]:
        return self._ports.addresses

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
        await self._ports.listen(descriptions, self)

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802
        remote = HostPort(getattr(addr, "host", ""), getattr(addr, "port", 0))
        if not isinstance(self._limits.admit(remote), Pass):
            return None

        def gone(channel: StoppableProtocol) -> None:
            self._limits.release(remote)
            self._channels.gone(channel)

        channel = (
            self._make_protocol(gone, remote)
            if self._make_protocol is not None
            else _PendingConnection(gone, remote, self._on_early)
        )
        self._channels.add(channel)
        return channel

    def _on_early(self, early: _PendingConnection) -> None:
        if self._make_protocol is not None:
            early.switch_to(self._make_protocol)
        elif self._early is not None:
            self._early.append(early)
        else:
            self._early = [early]
            Deferred.fromCoroutine(self._load_protocol()).addErrback(self._on_load_error)

    async def _load_protocol(self) -> None:
        make_protocol = self._make_protocol = await self._load()
        early, self._early = self._early or [], None
        for each in early:
            each.switch_to(make_protocol)

    def _on_load_error(self, failure: Failure) -> None:
        """Abort the waiting connections; the next connection calls `load` again."""
        _log.error("internal error: the web pages can't be loaded", exc_info=failure.value)
        early, self._early = self._early or [], None
        for each in early:
            each.abort()

    async def stop_listening(self) -> None:
        """Stop accepting connections and close the idle ones."""
        await self._ports.close()
        for channel in self._channels:
            channel.end()

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the end of all connections; abort them after `timeout` seconds."""
        await self._channels.wait_until_empty(timeout)


class _PendingConnection(TwistedProtocol):
    """Paused connection until the web modules are loaded; later it forwards to the real protocol."""

    def __init__(
        self, gone: Callable[[StoppableProtocol], None], remote: HostPort, here: Callable[[_PendingConnection], None]
    ) -> None:
        self._on_close = gone
        self._remote = remote
        self._on_connect = here
        self._protocol: StoppableProtocol | None = None
        self._received = b""
        """Octets received before the modules were loaded: at most one read."""
        self._is_closed = False

    def connectionMade(self) -> None:  # noqa: N802
        self._line.pauseProducing()
        self._on_connect(self)

    def switch_to(self, make_protocol: ProtocolFactory) -> None:
        if self._is_closed:
            return
        self._protocol = protocol = make_protocol(lambda _: self._on_close(self), self._remote)
        protocol.makeConnection(self.transport)
        octets, self._received = self._received, b""
        if octets:
            protocol.dataReceived(octets)
        self._line.resumeProducing()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._protocol is not None:
            self._protocol.dataReceived(data)
        else:
            self._received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._is_closed = True
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        else:
            self._on_close(self)

    def end(self) -> None:
        """Close; without a protocol no request was read yet."""
        if self._protocol is not None:
            self._protocol.end()
        else:
            self.abort()

    def abort(self) -> None:
        self._line.abortConnection()

    @property
    def _line(self) -> Any:
        return self.transport
