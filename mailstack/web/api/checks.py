"""Checks of a letter: its HTML, its links, what a spam filter says, what the server found out about its authors, and how to leave its list."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.parsed import ParsedLetter
from mailstack.web.api.letter_index import ApiShelf
from mailstack.web.api.schemas import Unsubscribing
from mailstack.web.checks import links as link_check
from mailstack.web.checks.client_queue import ClientTurns, HtmlChecks
from mailstack.web.checks.spam import Judge, Verdict
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.routes import Parameter, Route, RouteDoc

_METHOD = re.compile(r"\s*([a-z0-9-]{1,40})\s*=\s*([a-z]{1,40})\b\s*(.*)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"\([^()]*+\)")
MOST_METHODS = 100

_FOLLOW = Parameter("follow", '"true" asks where redirects lead, too.')


class Method(Struct, frozen=True):
    """What one method found (RFC 8601 §2.3)."""

    method: str
    """ "spf", "dkim", "dmarc", "arc" …"""
    result: str
    detail: str


class Vouched(Struct, frozen=True):
    """What a server wrote into Authentication-Results, the newest field first."""

    server: str
    methods: list[Method]


class Vouching(Struct, frozen=True):
    results: list[Vouched]


class Leaving(Struct, frozen=True):
    """How a reader leaves the list; null when the letter does not say."""

    unsubscribe: Unsubscribing | None


def check_routes(shelf: ApiShelf, look: link_check.Look | None, judge: Judge | None = None) -> tuple[Route, ...]:
    """`look` asks a URL for its status, `judge` a spam filter about a letter; None: nobody is asked."""
    pages = Checks(shelf, look, judge)
    one = "/v1/letters/{id}/checks/"
    return (
        Route(
            "GET",
            one + "html",
            pages.html,
            "user",
            told=RouteDoc("What mail clients make of its HTML.", gives=dict[str, Any]),
        ),
        Route(
            "GET",
            one + "links",
            pages.links,
            "user",
            told=RouteDoc("Whether its links answer: this asks their hosts.", (_FOLLOW,), gives=dict[str, Any]),
        ),
        Route(
            "GET",
            one + "authentication",
            pages.authentication,
            "user",
            told=RouteDoc("What is known of its authors.", gives=Vouching),
        ),
        Route(
            "GET",
            one + "unsubscribe",
            pages.unsubscribe,
            "user",
            told=RouteDoc("How to leave its list.", gives=Leaving),
        ),
        Route("GET", one + "spam", pages.spam, "user", told=RouteDoc("What a spam filter says of it.", gives=Verdict)),
    )


class Checks:
    """The pages behind them."""

    def __init__(self, shelf: ApiShelf, look: link_check.Look | None, judge: Judge | None) -> None:
        self._shelf = shelf
        self._look = look
        self._judge = judge
        self._html = HtmlChecks(shelf)
        self._links = ClientTurns()
        self._spam = ClientTurns()

    async def _reading(self, ask: Request) -> ParsedLetter:
        return await self._shelf.reading(await self._shelf.item(ask))

    async def html(self, ask: Request) -> Response:
        answer = await self._html.of(ask, await self._shelf.item(ask))
        if answer is None:
            raise HttpError(404, "The letter has no HTML.")
        return answer

    async def links(self, ask: Request) -> Response:
        item, look = await self._shelf.item(ask), self._look
        if look is None:
            raise HttpError(404, "This server asks no other hosts for what is in letters.")

        async def check() -> link_check.Checked:
            links = await self._shelf.links(item)
            return await link_check.check(links, look, follow=ask.query.get("follow") == "true")

        return in_json(await self._links.run(ask, check))

    async def authentication(self, ask: Request) -> Response:
        """The field of the server that took the letter, and those of servers before it: these may be anybody's words.

        A letter that was relayed within the environment was looked at where it arrived: then that server's is given.
        """
        item = await self._shelf.item(ask)
        told = _told_in(await self._shelf.reading(item))
        for copy in item.copies:
            found = await self._shelf.reading_of(LetterId(copy))
            told = (_told_in(found) if found is not None else []) or told
        return in_json(Vouching(told))

    async def unsubscribe(self, ask: Request) -> Response:
        found = (await self._reading(ask)).unsubscribe
        return in_json(
            Leaving(
                None
                if found is None
                else Unsubscribing(found.field, list(found.links), found.post, found.one_click, list(found.faults))
            )
        )

    async def spam(self, ask: Request) -> Response:
        item, judge = await self._shelf.item(ask), self._judge
        if judge is None:
            raise HttpError(404, "No spam filter is asked here. `mailstack dev --spam-filter` names one.")

        async def check() -> Verdict:
            return await judge(await self._shelf.octets(item))

        return in_json(await self._spam.run(ask, check))


def _told_in(reading: ParsedLetter) -> list[Vouched]:
    return [vouched(body) for name, body in reading.headers if name.lower() == "authentication-results"]


def vouched(body: str) -> Vouched:
    """The text of one Authentication-Results field."""
    server, *methods = _COMMENT.sub(" ", body).split(";")
    found = [match for each in methods[:MOST_METHODS] if (match := _METHOD.fullmatch(each))]
    return Vouched(
        " ".join(server.split())[:255],
        [Method(match[1].lower(), match[2].lower(), " ".join(match[3].split())[:1000]) for match in found],
    )
