"""One connection of HTTP/1.1, by Twisted, bounded in time: requests one after the other, or another protocol."""

# mypy: allow-untyped-calls
# (Twisted's HTTP has no types.)

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from mailstack.letter.connection import HostPort
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.web.body import Bounds
from mailstack.web.flow_control import Flow, WebLine
from mailstack.web.http_values import Upgrade
from mailstack.web.listener import Channel
from mailstack.web.request import MOST_FIELDS, WebRequest
from mailstack.web.request_target import parse_target
from mailstack.web.site import Site

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds until a connection that should end is dropped."""
MOST_DIGITS = 100
"""Of a Content-Length."""


class WebChannel(HTTPChannel):
    """One connection."""

    maxHeaders = MOST_FIELDS  # noqa: N815
    requestFactory = WebRequest  # noqa: N815

    def __init__(  # noqa: PLR0917  # each of a type of its own
        self,
        reactor: Any,
        site: Site,
        bounds: Bounds,
        room: MemoryBudget,
        gone: Callable[[Channel], None],
        remote: HostPort,
    ) -> None:
        """`room` is for the large bodies of all. `remote` is the client, as the proxy in front says, if there is one."""
        super().__init__()
        self.remote = remote
        self.room = room
        self.site = site
        self.now: Callable[[], float] = reactor.seconds
        self.bounds = bounds
        self.callLater = reactor.callLater  # type: ignore[method-assign]
        self.timeOut = bounds.request  # type: ignore[assignment]
        self._gone = gone
        self._end: IDelayedCall | None = None
        self._is_waiting = False
        self._line: WebLine | None = None
        """Once the connection speaks another protocol."""

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        self._end = self.callLater(self.bounds.lifetime, self.abort)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._line is not None:
            self._line.feed(data)
        else:
            super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """What came together with a request, too."""
        if self._line is not None:
            self._line.feed(data)
        else:
            super().rawDataReceived(data)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """As Twisted's, which makes a number of any row of digits, and Python does not take rows that are too long."""
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and len(value.strip()) > MOST_DIGITS:
            self.refuse(b"400 Bad Request")
            return False
        is_good: bool = super().headerReceived(line)
        return is_good

    def most_body(self) -> int:
        """Octets that the body of the request that has begun may have."""
        bounds = self.bounds
        if bounds.large <= bounds.body:
            return bounds.body
        try:
            target = parse_target(self._path, "", is_secure=self.isSecure())
            is_large = self.site.takes_large(self._command.decode("ascii"), target.segments)
        except ValueError:
            return bounds.body
        return bounds.large if is_large else bounds.body

    @property
    def begun(self) -> tuple[bytes, bytes, bytes]:
        """Method, target and version of the request whose body comes."""
        return self._command, self._path, self._version

    @property
    def is_upgraded(self) -> bool:
        """Whether the connection speaks HTTP no longer."""
        return self._line is not None

    def wait(self) -> None:
        """Read nothing for now."""
        self._is_waiting = True
        self._networkProducer.pauseProducing()

    def go_on(self) -> None:
        """Read again, if we waited."""
        if self._is_waiting:
            self._is_waiting = False
            self._networkProducer.resumeProducing()

    async def upgrade(self, answer: Upgrade) -> None:
        """Speak HTTP no longer; the conversation has the connection until it ends (RFC 9110 §7.8)."""
        lines = [f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {answer.protocol}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in answer.headers]
        transport: Any = self.transport
        transport.write("".join([*lines, "\r\n"]).encode("ascii"))
        flow = Flow(self.callLater, self.bounds.request, self.abort)
        self._line = line = WebLine(transport, self._networkProducer, flow)
        self.registerProducer(flow, True)
        ahead, self._dataBuffer = self._dataBuffer, []
        for octets in ahead:
            line.feed(octets)
        self._networkProducer.resumeProducing()
        try:
            await answer.converse(line)
        finally:
            flow.stopProducing()
            self.loseConnection()

    def resetTimeout(self) -> None:  # noqa: N802
        """Octets that come one by one extend nothing: the time is for the request as a whole."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """As Twisted's, without a line in the log for every browser that keeps a connection."""
        self.loseConnection()
        if self._end is not None and self._end.active():
            self._end.reset(PATIENCE)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        if self._line is not None:
            self._line.end()
        super().connectionLost(reason)
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._gone(self)

    def end(self) -> None:
        """Close, once the request under way is answered; what goes on for ever ends now."""
        self.persistent = 0
        if self._line is not None or not self.requests:
            self.loseConnection()
        else:
            for request in list(self.requests):
                request.end()

    def abort(self) -> None:
        """Drop the connection."""
        transport: Any = self.transport
        transport.abortConnection()

    def refuse(self, status: bytes) -> None:
        """Say why, and end the connection."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.loseConnection()
