"""Asks a program at a port one question: octets go out, and its answer is all that comes until it hangs up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from mailstack.letter.connection import HostPort
from mailstack.protocols.connection import ConnectFailed


async def answer_to(reactor: Any, at: HostPort, question: bytes, *, most: int, timeout: float) -> bytes:
    """The answer, of `most` octets, that came whole within `timeout` seconds. Raises Unreachable, with the reason."""
    kind = TCP6ClientEndpoint if ":" in at.host else TCP4ClientEndpoint
    asking = Deferred.fromCoroutine(_ask(kind(reactor, at.host, at.port, timeout), question, most))
    try:
        return await asking.addTimeout(timeout, reactor)
    except TooLate:
        raise ConnectFailed(f"no answer within {timeout:.4g} s") from None
    except (ConnectError, ConnectingCancelledError, ConnectionClosed) as trouble:
        raise ConnectFailed(str(trouble)) from None


async def _ask(endpoint: Any, question: bytes, most: int) -> bytes:
    talk = await endpoint.connect(Factory.forProtocol(_Talk))
    octets: bytes = await talk.ask(question, most)
    return octets


class _Talk(Protocol):
    def __init__(self) -> None:
        self._answered: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._heard = bytearray()
        self._most = 0

    def ask(self, question: bytes, most: int) -> Deferred[bytes]:
        """Cancelled, it drops the connection."""
        transport: Any = self.transport
        self._most = most
        transport.write(question)
        return self._answered

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._heard += data
        if len(self._heard) > self._most and not self._answered.called:
            self._answered.errback(ConnectFailed(f"its answer has more than {self._most} octets"))
            self._drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._answered.called:
            return
        if reason.check(ConnectionDone):
            self._answered.callback(bytes(self._heard))
        else:
            self._answered.errback(reason)

    def _drop(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
