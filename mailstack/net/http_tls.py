"""Connections for twisted.web's Agent: under TLS by our own rules, and bounded in what an answer may hold."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError  # noqa: A004 - Twisted has its own
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.net.client_tls import Handshake

ROOM = 524_288
"""Octets that may come before we have said something more: Twisted counts no header fields."""


@implementer(IStreamClientEndpoint)
class Secured:
    """An endpoint with one handshake, for whatever an Agent is asked: Twisted's own wrapper has a clock of its own."""

    def __init__(self, endpoint: IStreamClientEndpoint, handshake: Handshake | None, reactor: Any) -> None:
        """Without a `handshake` it is in the clear."""
        self._endpoint = endpoint
        self._handshake = handshake
        self._reactor = reactor

    def endpointForURI(self, _uri: object) -> Secured:  # noqa: N802 (Twisted's name)
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        wrapping: Any
        if self._handshake is None:
            wrapping = WrappingFactory(factory)
            wrapping.protocol = _BoundedInClear
        else:
            wrapping = TLSMemoryBIOFactory(self._handshake, True, factory, clock=self._reactor)
            wrapping.protocol = _Bounded
        wrapping.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(wrapping)
        return connected.addCallback(lambda protocol: protocol.wrappedProtocol)


class _Bounded(TLSMemoryBIOProtocol):
    """TLS that hangs up on who sends more than a handshake, a header and a document can have."""

    _room = ROOM

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._room -= len(data)
        if self._room < 0:
            self.abortConnection()  # type: ignore[no-untyped-call]
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        self._room = ROOM
        super().write(data)  # type: ignore[no-untyped-call]


class _BoundedInClear(ProtocolWrapper):
    """The same without TLS."""

    _room = ROOM

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._room -= len(data)
        if self._room < 0:
            self.abortConnection()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def abortConnection(self) -> None:  # noqa: N802
        transport: Any = self.transport
        transport.abortConnection()

    def write(self, data: bytes) -> None:
        self._room = ROOM
        super().write(data)  # type: ignore[no-untyped-call]


def why(trouble: Exception, handshake: Handshake | None) -> str:
    """What went wrong, without Twisted's layers around it."""
    inner = getattr(trouble, "reasons", None)
    failure = inner[0] if inner else Failure(trouble)
    if handshake is not None:
        fault = handshake.why(failure)
        if handshake.failed:
            return fault
    if failure.check(ConnectionRefusedError):
        return "connection refused"
    if failure.check(ConnectionLost, ConnectionDone):
        return "it hung up without an answer"
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"[:200]
