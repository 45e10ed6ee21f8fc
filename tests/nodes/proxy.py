"""Stands between a node and its database, and can cut, stall and slow down what goes through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self

PIECE = 65536
_AT_ONCE = struct.pack("ii", 1, 0)
"""Nothing that is still to be sent is, and the other hears of a reset (tcp(7))."""


class Loop:
    """An event loop in a thread of its own, for any number of proxies."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.proxies: list[Proxy] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self.proxies:
            proxy.cut()
        self.do(_end_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Proxy:
    """One way to one port of this machine. States: open, stalled (`stall`), cut (`cut`); `open` ends the others."""

    def __init__(self, loop: Loop, upstream: int) -> None:
        self.port = 0
        """Where it listens; it stays the same."""
        self.delay = 0.0
        """Seconds that each piece takes longer, each way."""
        self._loop = loop
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        loop.proxies.append(self)
        self.open()

    # --- what is done to it, from other threads

    def open(self) -> None:
        """All goes through; what was held back while it was stalled goes on."""
        self._loop.do(self._open())

    def stall(self) -> None:
        """A black hole: connections stay, and new ones are made, but nobody hears anything, nor that there is nothing."""
        self._loop.do(self._stall())

    def cut(self) -> None:
        """Every connection is reset, and new ones are refused."""
        self._loop.do(self._cut())

    def reset(self) -> None:
        """Every connection is reset; new ones may be made."""
        self._loop.do(self._reset())

    # --- in its own

    async def _open(self) -> None:
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=PIECE)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stall(self) -> None:
        await self._open()
        self._flows.clear()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()
        self._flows.set()

    async def _reset(self) -> None:
        for client in list(self._clients):
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._flows.wait()
            from_there, there = await asyncio.open_connection("127.0.0.1", self._upstream, limit=PIECE)
            self._clients.add(there)
            ways = [asyncio.create_task(self._carry(*way)) for way in ((reader, there), (from_there, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # the database is not there: the node hears that its connection is over
        finally:
            for each in (writer, there):
                if each is not None:
                    self._clients.discard(each)
                    each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flows.wait()
                writer.write(octets)
                await writer.drain()
