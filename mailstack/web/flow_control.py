"""Flow control of HTTP connections and request bodies, and send-only WebSockets (RFC 6455)."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from io import BytesIO
from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError, generate_accept_token
from zope.interface import implementer

from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.store import StoreError
from mailstack.web.http_messages import HttpError, Request, StreamLine, Upgrade

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


_log = logging.getLogger(__name__)

MAX_CLIENT_MESSAGE = 65_536
"""Maximum octets of a client's message, which is discarded."""
GOING_AWAY, PROTOCOL_ERROR, TOO_BIG, BUG = 1001, 1002, 1009, 1011
"""Status codes of the close frame (RFC 6455 §7.4.1)."""


def websocket_upgrade(request: Request, texts: AsyncGenerator[str, None]) -> Upgrade:
    """Return the upgrade to a WebSocket that sends `texts`. Raises HttpError 426 for an invalid handshake (§4.2.1)."""
    key = request.fields.get("sec-websocket-key", "")
    if request.fields.get("upgrade", "").lower() != "websocket" or len(key) != 24 or not key.isascii():
        raise HttpError(426, "This resource is a WebSocket; send Upgrade: websocket.", ("Upgrade", "websocket"))
    if request.fields.get("sec-websocket-version", "").strip() != "13":
        raise HttpError(
            426, "Unsupported WebSocket version; send Sec-WebSocket-Version: 13.", ("Sec-WebSocket-Version", "13")
        )
    accepted = generate_accept_token(key.encode("ascii")).decode("ascii")
    return Upgrade("websocket", _WebSocketSender(texts).converse, (("Sec-WebSocket-Accept", accepted),))


class _WebSocketSender:
    """One WebSocket: a coroutine that sends and a coroutine that receives the close."""

    def __init__(self, texts: AsyncGenerator[str, None]) -> None:
        self._texts = texts
        self._frames = Connection(ConnectionType.SERVER)
        self._message_octets = 0

    async def converse(self, line: StreamLine) -> None:
        """Run until the texts end or the client disconnects."""
        sender = Deferred.fromCoroutine(self._send_texts(line))
        try:
            await self._receive(line)
        finally:
            sender.cancel()

    async def _send_texts(self, line: StreamLine) -> None:
        code = GOING_AWAY
        try:
            async for text in self._texts:
                await self._send(line, TextMessage(text))
        except CancelledError:
            return
        except StoreError as error:
            _log.error("WebSocket closed: %s", error)
            code = BUG
        except Exception:  # noqa: BLE001 - an error ends only this WebSocket
            _log.exception("internal error in a WebSocket")
            code = BUG
        finally:
            await self._texts.aclose()
        await self._send(line, CloseConnection(code))

    async def _send(self, line: StreamLine, event: Event) -> None:
        """Send a frame, unless the close frame was sent."""
        is_answer = isinstance(event, CloseConnection) and self._frames.state is ConnectionState.REMOTE_CLOSING
        if self._frames.state is ConnectionState.OPEN or is_answer:
            await line.write(self._frames.send(event))

    async def _receive(self, line: StreamLine) -> None:
        while octets := await line.read():
            self._frames.receive_data(octets)
            try:
                for event in self._frames.events():
                    await self._on_event(line, event)
            except RemoteProtocolError:
                await self._send(line, CloseConnection(PROTOCOL_ERROR))
                return
            if self._message_octets > MAX_CLIENT_MESSAGE:
                await self._send(line, CloseConnection(TOO_BIG))
                return
            if self._frames.state is ConnectionState.CLOSED:
                return

    async def _on_event(self, line: StreamLine, event: Event) -> None:
        if isinstance(event, CloseConnection | Ping):
            await self._send(line, event.response())
        elif isinstance(event, Message):
            self._message_octets = 0 if event.message_finished else self._message_octets + len(event.data)
