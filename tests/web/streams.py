"""Streamed pages for tests, and their requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from twisted.internet.defer import CancelledError, Deferred

from mailstack.web.http_messages import HttpRoute, Request, Response, StreamLine, Upgrade, json_response, text_response
from mailstack.web.site import Site, shielded

PIECE = b"x" * 100_000
TOLD = b"GET /told HTTP/1.1\r\nHost: x.test\r\n\r\n"


class Pages:
    """Pages that never end by themselves."""

    def __init__(self) -> None:
        self.given = 0
        self.ended: list[str] = []
        self.next: Deferred[None] = Deferred()

    async def _pieces(self, count: int) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(count):
                self.given += 1
                yield PIECE
        finally:
            self.ended.append("pieces")

    async def _news(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                await self.next
                self.next = Deferred()
                yield b"news\n"
        finally:
            self.ended.append("news")

    async def large(self, _: Request) -> Response:
        return Response(self._pieces(200), "text/plain", size=200 * len(PIECE))

    async def told(self, _: Request) -> Response:
        return Response(self._news(), "text/event-stream")

    async def wait(self, _: Request) -> Response:
        try:
            await self.next
        except CancelledError:
            self.ended.append("wait")
            raise
        return text_response("now")

    async def accept(self, ask: Request) -> Response:
        return await shielded(self.change(ask))

    async def change(self, _: Request) -> Response:
        await self.next
        self.ended.append("changed")
        return text_response("done")

    async def broken(self, _: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"half"
            raise RuntimeError("the disk is gone")

        return Response(pieces(), "text/plain")

    async def known(self, _: Request) -> Response:
        return Response(b"body", "text/plain", etag="abc")

    async def talk(self, _: Request) -> Upgrade:
        async def converse(line: StreamLine) -> None:
            try:
                while octets := await line.read():
                    await line.write(octets.upper())
            finally:
                self.ended.append("talk")

        return Upgrade("echo", converse, (("X-Said", "yes"),))

    async def big(self, ask: Request) -> Response:
        return json_response(len(ask.body))

    @property
    def site(self) -> Site:
        gets = {name: getattr(self, name) for name in ("large", "told", "wait", "broken", "known", "talk")}
        routes = [HttpRoute("GET", f"/{name}", page) for name, page in gets.items()]
        return Site(
            [
                *routes,
                HttpRoute("POST", "/change", self.change),
                HttpRoute("POST", "/compose", self.wait, ends_with_client=True),
                HttpRoute("POST", "/accept", self.accept, ends_with_client=True),
                HttpRoute("POST", "/big", self.big, is_large=True),
            ],
            ["x.test"],
        )


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x.test", *fields, "", ""]).encode()
