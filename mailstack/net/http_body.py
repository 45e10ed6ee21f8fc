"""HTTP bodies: a bounded reader for responses, and a producer for requests."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


class TooLarge(Exception):
    """A body exceeds its limit; str() has the limit."""


def read_document(response: Any, limit: int) -> Deferred[bytes]:
    """The body of a twisted.web response. Fails with TooLarge beyond `limit` octets, with ConnectionLost if truncated.

    Cancellation drops the connection.
    """
    body = _Body(limit)
    response.deliverBody(body)
    return body.done


class _Body(Protocol):
    def __init__(self, limit: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._limit = limit
        self._octets = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._octets += data
        if len(self._octets) > self._limit and not self.done.called:
            self.done.errback(TooLarge(f"the response has more than {self._limit} octets"))
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.done.called:
            return
        from twisted.web.client import ResponseDone  # noqa: PLC0415

        if reason.check(ResponseDone):
            self.done.callback(self._octets)
        else:
            self.done.errback(ConnectionLost())

    def _abort(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class Upload:
    """Request body: an IBodyProducer, undeclared because that would import twisted.web."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:  # noqa: N802
        """Does nothing: the whole body is written at once."""

    pauseProducing = resumeProducing = stopProducing  # noqa: N815
