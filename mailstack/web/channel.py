"""HTTP/1.1 connection on Twisted, with time limits and protocol upgrade."""

# mypy: allow-untyped-calls
# (Twisted's HTTP has no types.)

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from mailstack.letter.envelope import HostPort
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.web.flow_control import FlowControl, HttpLimits, UpgradedStream
from mailstack.web.http_messages import Upgrade, parse_target
from mailstack.web.listener import StoppableProtocol
from mailstack.web.request import MAX_HEADER_FIELDS, WebRequest
from mailstack.web.site import Site

_log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 5.0
"""Seconds from the close of a connection to its abort."""
MAX_LENGTH_DIGITS = 100
"""Maximum digits of a Content-Length."""


class WebChannel(HTTPChannel):
    maxHeaders = MAX_HEADER_FIELDS  # noqa: N815
    requestFactory = WebRequest  # noqa: N815

    def __init__(  # noqa: PLR0917  # parameters of different types
        self,
        reactor: Any,
        site: Site,
        bounds: HttpLimits,
        body_budget: MemoryBudget,
        gone: Callable[[StoppableProtocol], None],
        remote: HostPort,
    ) -> None:
        """`body_budget` limits the memory of large bodies. `remote` is the client, as reported by a proxy if there is one."""
        super().__init__()
        self.remote = remote
        self.body_budget = body_budget
        self.site = site
        self.now: Callable[[], float] = reactor.seconds
        self.bounds = bounds
        self.callLater = reactor.callLater  # type: ignore[method-assign]
        self.timeOut = bounds.request  # type: ignore[assignment]
        self._on_close = gone
        self._end: IDelayedCall | None = None
        self._is_waiting = False
        self._line: UpgradedStream | None = None
        """Stream of the connection after an upgrade; None while the protocol is HTTP."""

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        self._end = self.callLater(self.bounds.lifetime, self.abort)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._line is not None:
            self._line.feed(data)
        else:
            super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Pass the octets that followed a request to the upgraded stream."""
        if self._line is not None:
            self._line.feed(data)
        else:
            super().rawDataReceived(data)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Reject a Content-Length with too many digits, for which Python's `int()` raises an error."""
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and len(value.strip()) > MAX_LENGTH_DIGITS:
            self.refuse(b"400 Bad Request")
            return False
        is_good: bool = super().headerReceived(line)
        return is_good

    def max_body(self) -> int:
        """Return the maximum octets of the current request's body."""
        bounds = self.bounds
        if bounds.large <= bounds.body:
            return bounds.body
        try:
            target = parse_target(self._path, "", is_secure=self.isSecure())
            is_large = self.site.accepts_large(self._command.decode("ascii"), target.segments)
        except ValueError:
            return bounds.body
        return bounds.large if is_large else bounds.body

    @property
    def request_line(self) -> tuple[bytes, bytes, bytes]:
        """Method, target and version of the request that is being received."""
        return self._command, self._path, self._version

    @property
    def is_upgraded(self) -> bool:
        """Whether the connection was switched to another protocol."""
        return self._line is not None

    def pause(self) -> None:
        self._is_waiting = True
        self._networkProducer.pauseProducing()

    def resume(self) -> None:
        """Resume reading after `pause`."""
        if self._is_waiting:
            self._is_waiting = False
            self._networkProducer.resumeProducing()

    async def upgrade(self, response: Upgrade) -> None:
        """Switch protocols (RFC 9110 §7.8) and run the new protocol until it ends."""
        lines = [f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {response.protocol}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in response.headers]
        transport: Any = self.transport
        transport.write("".join([*lines, "\r\n"]).encode("ascii"))
        flow = FlowControl(self.callLater, self.bounds.request, self.abort)
        self._line = line = UpgradedStream(transport, self._networkProducer, flow)
        self.registerProducer(flow, True)
        ahead, self._dataBuffer = self._dataBuffer, []
        for octets in ahead:
            line.feed(octets)
        self._networkProducer.resumeProducing()
        try:
            await response.converse(line)
        finally:
            flow.stopProducing()
            self.loseConnection()

    def resetTimeout(self) -> None:  # noqa: N802
        """Do nothing: the timeout is for the whole request, so single octets do not extend it."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """Close an idle connection; unlike Twisted, without a log line for each."""
        self.loseConnection()
        if self._end is not None and self._end.active():
            self._end.reset(CLOSE_TIMEOUT)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        if self._line is not None:
            self._line.end()
        super().connectionLost(reason)
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._on_close(self)

    def end(self) -> None:
        """Close after the response in progress; end endless responses now."""
        self.persistent = 0
        if self._line is not None or not self.requests:
            self.loseConnection()
        else:
            for request in list(self.requests):
                request.end()

    def abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def refuse(self, status: bytes) -> None:
        """Send an empty response with this status and close."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.loseConnection()
