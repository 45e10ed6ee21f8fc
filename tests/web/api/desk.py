"""API over an index in memory, without a network."""

from __future__ import annotations

import json
from typing import Any

from mailstack.letter.envelope import HostPort
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.policy.counters import LocalConnectionCounts
from mailstack.protocols.connection import Clock
from mailstack.web.api.checks import check_routes
from mailstack.web.api.events import StreamLimits, event_routes, wait_routes
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.letters import journey_routes, letter_routes
from mailstack.web.checks.links import HeadResponse
from mailstack.web.http_messages import HttpRoute, Request, Response, User
from mailstack.web.site import AllowAll, Site
from tests.aid import run
from tests.mailbox.index.shelf import Shelf, inline


class As:
    """A RequestAuthenticator that knows who comes."""

    def __init__(self, account: str) -> None:
        self.account = account

    async def authenticate(self, _: Request) -> User:
        return User(self.account)


async def answers(url: str) -> HeadResponse:
    """A world in which every second link is dead."""
    return HeadResponse(404 if "dead" in url else 200)


def routes(
    index: LetterIndex, store: Any, clock: Clock, places: StreamLimits | None = None, *, hide_client: bool = False
) -> list[HttpRoute]:
    shelf = ApiLetterReader(index, inline, hide_client=hide_client)
    places = places or StreamLimits(100, 50, LocalConnectionCounts())
    return [
        *letter_routes(shelf, clock.now),
        *check_routes(shelf, answers),
        *wait_routes(shelf, clock.now, clock, places),
        *event_routes(shelf, clock, places),
        *journey_routes(store, index, hide_client=hide_client),
    ]


class Desk(Shelf):
    """Letters are put in, and asked for."""

    hide_client = False
    """As `[submission] hide_client`."""

    def request(self, method: str, path: str, body: object = None, *, account: str = "", **query: str) -> Response:
        site = Site(
            routes(self.index, self.store, self.clock, hide_client=self.hide_client),
            ["x.test"],
            authenticator=As(account) if account else AllowAll(),
        )
        octets = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = {"content-type": "application/json"}
        asked = Request(method, path, "x.test", query, octets, fields, HostPort("127.0.0.1", 1))
        answer = run(site.respond(asked))
        assert isinstance(answer, Response)
        return answer

    def json(
        self, method: str, path: str, body: object = None, *, status: int = 200, account: str = "", **query: str
    ) -> Any:
        answer = self.request(method, path, body, account=account, **query)
        assert isinstance(answer.body, bytes)
        assert answer.status == status, answer.body
        return json.loads(answer.body)
