"""Send-only WebSockets (RFC 6455) with the frames of wsproto, an extra."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator

from twisted.internet.defer import CancelledError, Deferred
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError, generate_accept_token

from mailstack.store import StoreError
from mailstack.web.http_messages import HttpError, Request, StreamLine, Upgrade

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
