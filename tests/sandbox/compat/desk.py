"""Compat APIs over an index in memory, called without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from mailstack.accounts.dev_logins import LoginNames
from mailstack.letter import Address, LetterId
from mailstack.letter.envelope import HostPort
from mailstack.mailbox.index.feed import FeedCounters
from mailstack.policy.counters import LocalConnectionCounts
from mailstack.protocols.connection import ConnectFailed
from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
from mailstack.sandbox.compat.routes import tool_routes
from mailstack.sandbox.faults import Faults
from mailstack.store.accounts import Account
from mailstack.web.api.events import StreamLimits
from mailstack.web.checks.links import HeadResponse
from mailstack.web.http_messages import Request, Response, Upgrade
from mailstack.web.site import AllowAll, Site
from mailstack.web.submission import CopySource
from tests.aid import run
from tests.mailbox.index.shelf import Shelf, inline

UPGRADE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


class Counter:
    """Takes letters into the shelf, in place of a station."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def submit(
        self, sender: str, recipients: Sequence[str], octets: bytes, *, copied: CopySource | None = None
    ) -> LetterId:
        del copied
        to = tuple(Address.parse(each) for each in recipients)
        return self._shelf.put(octets, to=to, sender=Address.parse(sender) if sender else None, settle=False)


class Desk:
    """Who asks, and the shelf behind it."""

    def __init__(self, *, mailhog_first: bool = False, streams: int = 100) -> None:
        self.shelf = Shelf(None)
        self.faults = Faults(self.shelf.clock.now)
        counter: Any = Counter(self.shelf)
        ground = CompatContext(
            self.shelf.index,
            self.shelf.clock,
            inline,
            counter,
            counter,
            None,
            self.faults,
            self._head,
            StreamLimits(streams, streams, LocalConnectionCounts()),
            FeedCounters(self.shelf.index.feed, self.shelf.clock.now()),
        )
        accounts = CompatAccounts(
            self.shelf.store,
            self._add,
            self.shelf.store.accounts.remove,
            self._reset,
            lambda: {"capture": HostPort("127.0.0.1", 1025), "pop3s": HostPort("127.0.0.1", 1995)},
            "home.test",
            LoginNames({}),
            any_password=True,
        )
        pages = tool_routes(ground, accounts, mailhog_first=mailhog_first)
        self.site = Site(pages, (), authenticator=AllowAll())
        self.resets = 0

    async def _head(self, url: str) -> HeadResponse:
        if "gone" in url:
            raise ConnectFailed("nobody is there")
        return HeadResponse(404 if "missing" in url else 200)

    async def _add(self, address: str, password: str) -> None:
        await self.shelf.store.accounts.add([Account(Address.parse(address).key, password.encode(), 0.0)])

    async def _reset(self) -> None:
        self.resets += 1

    def ask(self, method: str, path: str, body: object = None, **fields: str) -> Response:
        """The answer; `body` as octets, or to be JSON. What stands behind ? is the query."""
        path, _, query = path.partition("?")
        pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
        answer = self.request(method, path, pairs, body, **fields)
        assert isinstance(answer, Response)
        return answer

    def request(self, method: str, path: str, query: dict[str, str], body: object, **fields: str) -> Response | Upgrade:
        """The answer, or the upgrade of a WebSocket."""
        octets = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return run(self.site.respond(Request(method, path, "localhost", query, octets, fields)))

    def get(self, path: str) -> Any:
        """JSON, all of it."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return json.loads(whole(answer))

    def upgrade(self, path: str) -> Upgrade:
        found = self.request("GET", path, {}, None, **UPGRADE)
        assert isinstance(found, Upgrade)
        return found


def whole(answer: Response) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    body = answer.body

    async def read() -> bytes:
        return b"".join([piece async for piece in body])

    return run(read())


class Wire:
    """A Line in memory, whose client speaks when the test says so."""

    def __init__(self) -> None:
        self.written = b""
        self._unread: list[bytes] = []
        self._waiting: Deferred[None] | None = None

    def say(self, octets: bytes) -> None:
        self._unread.append(octets)
        waiting, self._waiting = self._waiting, None
        if waiting:
            waiting.callback(None)

    async def read(self) -> bytes:
        while not self._unread:
            self._waiting = Deferred()
            await self._waiting
        return self._unread.pop(0)

    async def write(self, octets: bytes) -> None:
        self.written += octets
