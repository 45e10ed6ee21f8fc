"""HTTP bodies: a bounded reader for responses, and a producer for requests."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class TooLarge(Exception):
    """There is more than was wanted; str() says so."""


def read_document(response: Any, most: int) -> Deferred[bytes]:
    """The body of a twisted.web response. Fails with TooLarge beyond `most` octets, with ConnectionLost if it is cut off.

    Cancelled, it drops the connection.
    """
    body = _Body(most)
    response.deliverBody(body)
    return body.done


class _Body(Protocol):
    def __init__(self, most: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._give_up())
        self._most = most
        self._octets = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._octets += data
        if len(self._octets) > self._most and not self.done.called:
            self.done.errback(TooLarge(f"it has more than {self._most} octets"))
            self._give_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.done.called:
            return
        from twisted.web.client import ResponseDone  # noqa: PLC0415

        if reason.check(ResponseDone):
            self.done.callback(self._octets)
        else:
            self.done.errback(ConnectionLost())

    def _give_up(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class Upload:
    """An IBodyProducer, which is declared where twisted.web is imported."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:  # noqa: N802
        """Does nothing: the whole body is written at once."""

    pauseProducing = resumeProducing = stopProducing  # noqa: N815
