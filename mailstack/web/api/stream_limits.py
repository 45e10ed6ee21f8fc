"""Limits of concurrent streams and long polls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mailstack.policy.counters import ConnectionCounts
from mailstack.policy.networks import client_of
from mailstack.web.http_values import HttpError, Request

T = TypeVar("T")


class StreamLimits:
    """In all, and for one client; at every door and in every process of the server."""

    def __init__(self, most: int, most_of_one: int, counts: ConnectionCounts) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._counts = counts

    @property
    def taken(self) -> int:
        """How many go on."""
        return self._counts.total()

    def check(self, request: Request) -> None:
        """Raises HttpError 503 when there is no place for this client."""
        client = client_of(request.remote.host)
        if self.taken >= self._most or self._counts.of(client) >= self._most_of_one:
            raise HttpError(
                503,
                "Too many streams and waits go on; [web] streams and streams_per_client say how many may.",
                ("Retry-After", "5"),
            )

    async def held(self, request: Request, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The same, with a place for as long as they come. Raises HttpError 503."""
        try:
            with self.one(request):
                async for piece in pieces:
                    if not await request.holds():
                        return
                    yield piece
        finally:
            await pieces.aclose()

    @contextmanager
    def one(self, request: Request) -> Iterator[None]:
        """A place. Raises HttpError 503 when there is none."""
        self.check(request)
        client = client_of(request.remote.host)
        self._counts.add(client)
        try:
            yield
        finally:
            self._counts.remove(client)
