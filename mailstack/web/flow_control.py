"""Flow control of HTTP connections, and buffers of request bodies."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from mailstack.protocols.bounded_memory import MemoryBudget

MAX_UNREAD = 65536
"""Maximum unread octets of an upgraded connection; reading is paused above."""


@implementer(IPushProducer)
class FlowControl:
    """Push producer that waits for space in the send buffer; a client that reads nothing for `timeout` seconds is dropped."""

    def __init__(self, call_later: Callable[..., IDelayedCall], timeout: float, drop: Callable[[], object]) -> None:
        self._call_later = call_later
        self._timeout = timeout
        self._drop = drop
        self._writable: Deferred[None] | None = None
        self._end: IDelayedCall | None = None

    async def wait_writable(self) -> None:
        """Return when the send buffer has space."""
        while self._writable is not None:
            await _branch(self._writable)

    def pauseProducing(self) -> None:  # noqa: N802
        if self._writable is None:
            self._writable = Deferred()
            self._end = self._call_later(self._timeout, self._drop)

    def resumeProducing(self) -> None:  # noqa: N802
        full, self._writable = self._writable, None
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._end = None
        if full is not None:
            full.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()


def _branch(trunk: Deferred[None]) -> Deferred[None]:
    """Return a Deferred that fires with `trunk` and can be cancelled without it."""
    branch: Deferred[None] = Deferred()

    def fire(_: object) -> None:
        if not branch.called:
            branch.callback(None)

    trunk.addCallback(fire)
    return branch


class UpgradedStream:
    def __init__(self, transport: Any, source: Any, flow: FlowControl) -> None:
        """`source` is the producer that reads from the connection."""
        self._transport = transport
        self._source = source
        self._flow = flow
        self._unread = bytearray()
        self._waiting: Deferred[None] | None = None
        self._ended = False
        self._paused = False

    def feed(self, octets: bytes) -> None:
        """Add received octets; pause the source above the limit."""
        self._unread += octets
        if len(self._unread) > MAX_UNREAD and not self._paused:
            self._paused = True
            self._source.pauseProducing()
        self._wake()

    def end(self) -> None:
        """Signal the end of the connection."""
        self._ended = True
        self._flow.stopProducing()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    async def read(self) -> bytes:
        while not self._unread and not self._ended:
            self._waiting = Deferred()
            await self._waiting
        octets = bytes(self._unread)
        self._unread.clear()
        if self._paused and not self._ended:
            self._paused = False
            self._source.resumeProducing()
        return octets

    async def write(self, octets: bytes) -> None:
        if not self._ended:
            self._transport.write(octets)
            await self._flow.wait_writable()


TOO_LARGE = b"413 Content Too Large"
SERVICE_UNAVAILABLE = b"503 Service Unavailable"


class HttpLimits(Struct, frozen=True):
    """Limits of one HTTP connection and its requests."""

    body: int
    """Maximum octets of a request body."""
    request: float
    """Maximum seconds for a whole request, from the connection or the previous response."""
    lifetime: float
    """Maximum seconds for the whole connection."""
    large: int = 0
    """Maximum octets of a body on a route with `is_large`; a value up to `body` means `body`."""
    held: int = 268_435_456
    """Maximum octets of all large bodies in memory together, each without its first `body` octets."""


class RequestBody:
    """Buffer of one request body.

    Until the request is authorized, it holds at most `small` octets.
    """

    def __init__(self, small: int, limit: int, budget: MemoryBudget) -> None:
        """`small`: octets outside the budget, accepted without a login. `limit`: maximum octets of the body."""
        self.octets = BytesIO()
        self.is_large_allowed = False
        """Whether the request is authorized to send more than `small` octets."""
        self.is_dropped = False
        """Whether the body was discarded."""
        self.small = small
        self.limit = limit
        self._budget = budget
        self._charged = 0
        """Octets of this body that count in the shared budget."""
        self._received = 0

    @property
    def is_large(self) -> bool:
        """Whether more than `small` octets were received."""
        return self._received > self.small

    def receive(self, data: bytes) -> bytes:
        """Add the next octets. Return the HTTP status line that rejects them; empty if they were accepted."""
        self._received += len(data)
        if self._received > self.limit:
            return TOO_LARGE
        if not self.is_dropped:
            self.octets.write(data)
        return self.charge() if self.is_large_allowed else b""

    def allow_large(self) -> bytes:
        """Allow more than `small` octets. Return the HTTP status line of a full budget, else an empty value."""
        self.is_large_allowed = True
        return self.charge()

    def charge(self) -> bytes:
        """Charge the octets received so far to the budget. Return as `allow_large`."""
        budget, more = self._budget, 0 if self.is_dropped else max(0, self._received - self.small - self._charged)
        if more and budget.used + more > budget.limit:
            # RFC 9110 §15.6.4
            return SERVICE_UNAVAILABLE
        self._charged += more
        budget.used += more
        return b""

    def drop(self) -> None:
        """Discard the body and release its share of the budget."""
        self._budget.used -= self._charged
        self._charged = 0
        self.octets = BytesIO()
        self.is_dropped = True
