"""Shared listening sockets of all workers, with fair accept."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReadDescriptor, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.config import Config
from mailstack.config.checks import SERVED
from mailstack.letter.envelope import HostPort
from mailstack.net.listening import with_backlog
from mailstack.net.proxy_protocol import PROXIED
from mailstack.server.privileged_setup import CannotStart
from mailstack.server.service import cannot_listen


class _Nobody(Factory):
    """Stand-in for a service after a worker has taken its socket."""

    noisy = False


class Bound(Struct, frozen=True):
    """One description of the configuration, and what is bound for it."""

    service: str
    description: str
    port: Any
    """A twisted.internet.tcp.Port, or unix.Port, that does not read in this process."""


class Sockets:
    """Bound by `bind`, until `close`."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._bound: list[Bound] = []

    def bind(self, config: Config) -> None:
        """Every port of the configuration. Raises CannotStart."""
        for service in SERVED:
            for description in getattr(config.listen, service):
                self._bound.append(Bound(service, description, self._bind(with_backlog(_inner(description)))))

    def _bind(self, description: str) -> Any:
        bound: list[Any] = []
        serverFromString(self._reactor, description).listen(_Nobody()).addBoth(bound.append)
        if not bound or isinstance(bound[0], Failure):
            raise CannotStart(cannot_listen(bound[0]) if bound else f"[listen]: {description} does not listen at once")
        # Only workers accept connections.
        bound[0].stopReading()
        return bound[0]

    def addresses(self) -> Iterator[tuple[str, list[HostPort]]]:
        """Each service, and where it can be reached."""
        for each in self._bound:
            host = each.port.getHost()
            yield each.service, [HostPort(host.host, host.port)] if isinstance(host, IPv4Address | IPv6Address) else []

    def taken_over(self) -> dict[str, list[socket.socket]]:
        """Duplicates of the sockets in a worker, by description, in the order of binding."""
        found: dict[str, list[socket.socket]] = {}
        for each in self._bound:
            found.setdefault(with_backlog(_inner(each.description)), []).append(each.port.socket)
        return found

    async def close(self) -> None:
        """Closes the sockets in the process that bound them, after the last worker."""
        bound, self._bound = self._bound, []
        for each in bound:
            closed: Deferred[None] | None = each.port.stopListening()
            if closed is not None:
                await closed


def _inner(description: str) -> str:
    """Description without the PROXY prefix: workers read that header."""
    return description.removeprefix(PROXIED)


_log = Logger()

TURN = 0.002
"""Seconds that a worker waits for another worker with fewer connections to accept the next one."""
RELIEF = 1.0
"""Seconds without new connections when the system has no room for another."""
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@implementer(IStreamServerEndpoint)
class SharedEndpoint:
    """An endpoint that is bound already."""

    def __init__(self, reactor: Any, listening: socket.socket, is_ahead: Callable[[], bool]) -> None:
        self._reactor = reactor
        self._listening = listening
        self._is_ahead = is_ahead

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:  # noqa: N803 - Twisted's name
        return succeed(Accepting(self._reactor, self._listening, protocolFactory, self._is_ahead))


@implementer(IListeningPort, IReadDescriptor)
class Accepting:
    """Accepts one connection in a turn of the reactor. States: listening, waiting for another worker to accept one,
    closed. It never removes a bound socket from the file system, because other workers use it.
    """

    def __init__(
        self, reactor: Any, listening: socket.socket, factory: IProtocolFactory, is_ahead: Callable[[], bool]
    ) -> None:
        """`is_ahead`: whether this process has enough connections for now, and another process has fewer."""
        self._reactor = reactor
        self._listening = listening
        self._factory = factory
        self._is_ahead = is_ahead
        self._waited = False
        self._paused: Any = None
        self.startListening()

    def startListening(self) -> None:  # noqa: N802
        self._factory.doStart()
        self._reactor.addReader(self)

    def stopListening(self) -> Deferred[None] | None:  # noqa: N802
        """Accept no more; other workers still do."""
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        if self._listening.fileno() >= 0:
            self._reactor.removeReader(self)
            self._listening.close()
            self._factory.doStop()
        return None

    def getHost(self) -> IPv4Address | IPv6Address | UNIXAddress:  # noqa: N802
        name = self._listening.getsockname()
        if self._listening.family == socket.AF_INET:
            return IPv4Address("TCP", *name)
        return (
            IPv6Address("TCP", *name) if self._listening.family == socket.AF_INET6 else UNIXAddress(os.fsencode(name))
        )

    # --- for the reactor

    def fileno(self) -> int:
        return self._listening.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        return "accepting"

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002, N802
        self.stopListening()

    def doRead(self) -> None:  # noqa: N802
        if self._is_ahead() and not self._waited:
            self._waited = True
            self._pause(TURN)
            return
        self._waited = False
        try:
            accepted, _ = self._listening.accept()
        except OSError as error:
            # Otherwise another worker was faster, or the client has disconnected.
            if error.errno in _NO_ROOM:
                _log.warn("no room for another connection: {why}", why=error.strerror)
                self._pause(RELIEF)
            return
        with accepted:
            accepted.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(accepted.fileno(), accepted.family, self._factory)
            except OSError as error:
                _log.debug("a client was gone before it was greeted: {why}", why=error.strerror)

    def _pause(self, seconds: float) -> None:
        self._reactor.removeReader(self)
        self._paused = self._reactor.callLater(seconds, self._resume)

    def _resume(self) -> None:
        self._paused = None
        self._reactor.addReader(self)
