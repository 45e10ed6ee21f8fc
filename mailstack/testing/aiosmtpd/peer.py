"""A connection of asyncio's with an engine of ours on it: what came is waited for, what is said is written."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Generic

from mailstack.wire import NEED_DATA, Disconnected, Ending, Engine, EventT, Signal, TimedOut

HIGH_WATER = 65536
"""Octets that may wait in the engine before no more are read."""
HANDSHAKE = 5.0
"""Seconds for one: who speaks in clear where TLS is expected hangs no longer."""


class AsyncioPeer(Generic[EventT]):
    """What a conversation sees of the other side. The protocol calls `receive`, `lost`, `pause` and `resume`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Engine[EventT], transport: Any) -> None:
        self.transport = transport
        self._loop = loop
        self._engine = engine
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._ending: Ending | None = None
        self._reading = True

    # --- what the protocol tells

    def receive(self, octets: bytes) -> None:
        self._engine.receive(octets)
        self._wake()
        if self._waiter is None and self._reading and self._engine.buffered > HIGH_WATER:
            self._reading = False
            self.transport.pause_reading()

    def lost(self, error: Exception | None) -> None:
        self._ending = Disconnected(str(error or "connection closed"))
        self._writable.set()
        self._wake()

    def pause(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()

    # --- what the conversation asks

    async def next_event(self, timeout: float) -> EventT | Ending:
        """The next whole event, or why there is none, within `timeout` seconds."""
        late = self._loop.time() + timeout
        while True:
            event = self._engine.next_event()
            if event is not NEED_DATA:
                assert not isinstance(event, Signal), "the conversation owes an answer"
                return event
            if self._ending is not None:
                return self._ending
            if not self._reading:
                self._reading = True
                self.transport.resume_reading()
            self._waiter = self._loop.create_future()
            try:
                await asyncio.wait_for(self._waiter, late - self._loop.time())
            except TimeoutError:
                return TimedOut(timeout)
            finally:
                self._waiter = None

    def send(self, octets: bytes) -> None:
        """Write; silently dropped once the connection is lost."""
        if self._ending is None:
            self.transport.write(octets)

    async def drain(self) -> None:
        """Wait until most of it is written, or the connection is lost."""
        await self._writable.wait()

    async def start_tls(self, protocol: Any, context: ssl.SSLContext) -> None:
        """Shake hands on the open connection; what came before is forgotten (RFC 3207 §4.2). Raises OSError."""
        self._engine.tls_started()
        self.transport = await self._loop.start_tls(
            self.transport, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
        )

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
