"""API routes of letter checks: HTML, links, spam, authentication, List-Unsubscribe."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.parsed import ParsedLetter
from mailstack.web.api import serialize
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.schemas import UnsubscribeInfo
from mailstack.web.checks import links as link_check
from mailstack.web.checks.html import ClientQueue, HtmlChecks
from mailstack.web.checks.spam import SpamCheck, SpamVerdict
from mailstack.web.http_messages import HttpError, HttpRoute, QueryParameter, Request, Response, RouteDoc, json_response

_METHOD = re.compile(r"\s*([a-z0-9-]{1,40})\s*=\s*([a-z]{1,40})\b\s*(.*)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"\([^()]*+\)")
MAX_METHODS = 100

_FOLLOW = QueryParameter("follow", '"true": redirects are followed.')


class MethodResult(Struct, frozen=True):
    """Result of one authentication method (RFC 8601 §2.3)."""

    method: str
    """ "spf", "dkim", "dmarc", "arc" …"""
    result: str
    detail: str


class AuthenticationField(Struct, frozen=True):
    """Authentication-Results field of a server."""

    server: str
    methods: list[MethodResult]


class AuthenticationReport(Struct, frozen=True):
    results: list[AuthenticationField]


class UnsubscribeReport(Struct, frozen=True):
    """List-Unsubscribe of a letter; null without the field."""

    unsubscribe: UnsubscribeInfo | None


def check_routes(
    reader: ApiLetterReader, head: link_check.HeadRequest | None, check_spam: SpamCheck | None = None
) -> tuple[HttpRoute, ...]:
    """`head` sends a HEAD request to a URL, `check_spam` queries a spam filter; None disables a check."""
    pages = CheckPages(reader, head, check_spam)
    one = "/v1/letters/{id}/checks/"
    return (
        HttpRoute(
            "GET",
            one + "html",
            pages.html,
            "user",
            RouteDoc("Check the support of the HTML in mail clients.", dict[str, Any]),
        ),
        HttpRoute(
            "GET",
            one + "links",
            pages.links,
            "user",
            RouteDoc("Check the links with requests to their hosts.", dict[str, Any], query=(_FOLLOW,)),
        ),
        HttpRoute(
            "GET",
            one + "authentication",
            pages.authentication,
            "user",
            RouteDoc("Get the Authentication-Results.", AuthenticationReport),
        ),
        HttpRoute(
            "GET",
            one + "unsubscribe",
            pages.unsubscribe,
            "user",
            RouteDoc("Check List-Unsubscribe.", UnsubscribeReport),
        ),
        HttpRoute(
            "GET", one + "spam", pages.spam, "user", RouteDoc("Get the verdict of the spam filter.", SpamVerdict)
        ),
    )


class CheckPages:
    def __init__(
        self, reader: ApiLetterReader, head: link_check.HeadRequest | None, check_spam: SpamCheck | None
    ) -> None:
        self._reader = reader
        self._head = head
        self._check_spam = check_spam
        self._html = HtmlChecks(reader)
        self._links = ClientQueue()
        self._spam = ClientQueue()

    async def html(self, request: Request) -> Response:
        response = await self._html.check(request, await self._reader.item(request))
        if response is None:
            raise HttpError(404, "The message has no HTML.")
        return response

    async def links(self, request: Request) -> Response:
        item, head = await self._reader.item(request), self._head
        if head is None:
            raise HttpError(404, "This server does not check links.")

        async def check() -> link_check.LinkReport:
            links = await self._reader.links(item)
            return await link_check.check_links(links, head, follow=request.query.get("follow") == "true")

        return json_response(await self._links.run(request, check))

    async def authentication(self, request: Request) -> Response:
        """Return the Authentication-Results of the accepting server and of earlier ones, which are not trustworthy.

        For a letter relayed within the environment, the results of the last server are returned.
        """
        item = await self._reader.item(request)
        fields = _authentication_fields(await self._reader.reading(item))
        for copy in item.copies:
            found = await self._reader.reading_of(LetterId(copy))
            fields = (_authentication_fields(found) if found is not None else []) or fields
        return json_response(AuthenticationReport(fields))

    async def unsubscribe(self, request: Request) -> Response:
        reading = await self._reader.reading(await self._reader.item(request))
        return json_response(UnsubscribeReport(serialize.unsubscribe_info(reading)))

    async def spam(self, request: Request) -> Response:
        item, check_spam = await self._reader.item(request), self._check_spam
        if check_spam is None:
            raise HttpError(404, "No spam filter is configured; set one with `mailstack dev --spam-filter`.")

        async def check() -> SpamVerdict:
            return await check_spam(await self._reader.octets(item))

        return json_response(await self._spam.run(request, check))


def _authentication_fields(reading: ParsedLetter) -> list[AuthenticationField]:
    return [
        parse_authentication_results(body) for name, body in reading.headers if name.lower() == "authentication-results"
    ]


def parse_authentication_results(body: str) -> AuthenticationField:
    server, *methods = _COMMENT.sub(" ", body).split(";")
    found = [match for each in methods[:MAX_METHODS] if (match := _METHOD.fullmatch(each))]
    return AuthenticationField(
        " ".join(server.split())[:255],
        [MethodResult(match[1].lower(), match[2].lower(), " ".join(match[3].split())[:1000]) for match in found],
    )
