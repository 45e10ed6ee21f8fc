"""Fair accept on a shared listening socket."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReadDescriptor, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()

TURN = 0.002
"""Seconds that a worker with more connections than another waits, for that one to take the next."""
RELIEF = 1.0
"""Seconds without new connections when the system has no room for another."""
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@implementer(IStreamServerEndpoint)
class SharedEndpoint:
    """An endpoint that is bound already."""

    def __init__(self, reactor: Any, taken: socket.socket, is_ahead: Callable[[], bool]) -> None:
        self._reactor = reactor
        self._taken = taken
        self._is_ahead = is_ahead

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:  # noqa: N803 - Twisted's name
        return succeed(Accepting(self._reactor, self._taken, protocolFactory, self._is_ahead))


@implementer(IListeningPort, IReadDescriptor)
class Accepting:
    """Takes one connection in a turn of the reactor. States: listening, waiting for others to take one, closed.

    It never touches what is bound: a socket in the file system stays there for the other workers.
    """

    def __init__(
        self, reactor: Any, taken: socket.socket, factory: IProtocolFactory, is_ahead: Callable[[], bool]
    ) -> None:
        """`is_ahead`: whether this process has enough connections for now, and others have fewer."""
        self._reactor = reactor
        self._taken = taken
        self._factory = factory
        self._is_ahead = is_ahead
        self._waited = False
        self._rest: Any = None
        self.startListening()

    def startListening(self) -> None:  # noqa: N802
        self._factory.doStart()
        self._reactor.addReader(self)

    def stopListening(self) -> Deferred[None] | None:  # noqa: N802
        """Take no more; the others still do."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._taken.fileno() >= 0:
            self._reactor.removeReader(self)
            self._taken.close()
            self._factory.doStop()
        return None

    def getHost(self) -> IPv4Address | IPv6Address | UNIXAddress:  # noqa: N802
        name = self._taken.getsockname()
        if self._taken.family == socket.AF_INET:
            return IPv4Address("TCP", *name)
        return IPv6Address("TCP", *name) if self._taken.family == socket.AF_INET6 else UNIXAddress(os.fsencode(name))

    # --- for the reactor

    def fileno(self) -> int:
        return self._taken.fileno()

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
            accepted, _ = self._taken.accept()
        except OSError as error:
            # Else another worker was faster, or the client is gone again.
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
        self._rest = self._reactor.callLater(seconds, self._go_on)

    def _go_on(self) -> None:
        self._rest = None
        self._reactor.addReader(self)
