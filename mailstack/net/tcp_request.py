"""TCP request: sends octets, and returns all octets up to the server's close."""

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


async def answer_to(reactor: Any, at: HostPort, question: bytes, *, max_size: int, timeout: float) -> bytes:
    """The whole answer, of at most `max_size` octets, within `timeout` seconds. Raises ConnectFailed with the reason."""
    kind = TCP6ClientEndpoint if ":" in at.host else TCP4ClientEndpoint
    pending = Deferred.fromCoroutine(_ask(kind(reactor, at.host, at.port, timeout), question, max_size))
    try:
        return await pending.addTimeout(timeout, reactor)
    except TooLate:
        raise ConnectFailed(f"no answer within {timeout:.4g} s") from None
    except (ConnectError, ConnectingCancelledError, ConnectionClosed) as trouble:
        raise ConnectFailed(str(trouble)) from None


async def _ask(endpoint: Any, question: bytes, max_size: int) -> bytes:
    exchange = await endpoint.connect(Factory.forProtocol(_Exchange))
    octets: bytes = await exchange.ask(question, max_size)
    return octets


class _Exchange(Protocol):
    def __init__(self) -> None:
        self._answered: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._received = bytearray()
        self._max_size = 0

    def ask(self, question: bytes, max_size: int) -> Deferred[bytes]:
        """Send the request; cancellation drops the connection."""
        transport: Any = self.transport
        self._max_size = max_size
        transport.write(question)
        return self._answered

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._received += data
        if len(self._received) > self._max_size and not self._answered.called:
            self._answered.errback(ConnectFailed(f"the answer has more than {self._max_size} octets"))
            self._drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._answered.called:
            return
        if reason.check(ConnectionDone):
            self._answered.callback(bytes(self._received))
        else:
            self._answered.errback(reason)

    def _drop(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
