"""The body of a request over HTTP, handed over at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed


class Upload:
    """An IBodyProducer, which is declared where twisted.web is imported."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:  # noqa: N802
        """All is written already."""

    pauseProducing = resumeProducing = stopProducing  # noqa: N815
