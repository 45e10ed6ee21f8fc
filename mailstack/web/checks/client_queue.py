"""Client queue of checks: one at a time a client, with a cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from twisted.internet.defer import DeferredLock

from mailstack.letter import LetterId
from mailstack.mailbox.index.items import Item
from mailstack.policy.networks import client_network
from mailstack.web.checks.html import report
from mailstack.web.checks.html_features import Features, features_of
from mailstack.web.http_messages import JSON, HttpError, Request, Response
from mailstack.web.letter_reader import INLINE_OCTETS, LetterReader

T = TypeVar("T")

MAX_WAITING = 10
"""Maximum checks of one client that wait."""
MAX_CACHED = 256
"""Maximum letters in the cache of features, with some kilobytes each."""


class ClientQueue:
    """Lock for each client: an account, or an IP address without logins."""

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    async def run(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Runs `work` after earlier checks of the same client. Raises HttpError 429 if too many wait."""
        client = request.user.account or client_network(request.remote.host)
        lock = self._locks.setdefault(client, DeferredLock())
        if len(lock.waiting) >= MAX_WAITING:
            raise HttpError(429, f"{MAX_WAITING} checks of yours wait already; try again later.", ("Retry-After", "1"))
        await lock.acquire()
        try:
            return await work()
        finally:
            lock.release()
            if not lock.locked and self._locks.get(client) is lock:
                del self._locks[client]


class HtmlChecks:
    """HTML checks of letters."""

    def __init__(self, reader: LetterReader) -> None:
        self._reader = reader
        self._turns = ClientQueue()
        self._known: dict[LetterId, Features] = {}

    async def of(self, request: Request, item: Item) -> Response | None:
        """JSON response with the check of a letter; None without HTML. Raises HttpError."""
        return await self._turns.run(request, lambda: self._of(item))

    async def _of(self, item: Item) -> Response | None:
        features = self._known.get(item.id)
        if features is None:
            reading = await self._reader.reading(item)
            if not reading.html:
                return None
            features = await self._reader.do(lambda: features_of(reading.html), len(reading.html))
            self._keep(item.id, features)
        found = features
        # A report is long, however short the letter is.
        octets = await self._reader.do(lambda: msgspec.json.encode(report(found)), INLINE_OCTETS + 1)
        return Response(octets, JSON)

    def _keep(self, letter: LetterId, features: Features) -> None:
        """Caches the features of a letter; evicts the oldest."""
        self._known[letter] = features
        if len(self._known) > MAX_CACHED:
            del self._known[next(iter(self._known))]
