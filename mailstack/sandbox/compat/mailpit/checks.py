"""Mailpit's checks of a message: its HTML, its links, what a spam filter says, and the thumbnails of its pictures."""

from __future__ import annotations

from mailstack.sandbox.compat.finding import found, part_of
from mailstack.sandbox.compat.thumbnail import NoPictures, thumbnail
from mailstack.web.checks import html as html_check
from mailstack.web.checks import links as link_check
from mailstack.web.checks.client_queue import ClientTurns, HtmlChecks
from mailstack.web.checks.spam import Judge, Verdict
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.letter_reader import Shelf
from mailstack.web.routes import Parameter, Route, RouteDoc


def check_pages(shelf: Shelf, look: link_check.Look, judge: Judge | None = None) -> tuple[Route, ...]:
    """`look` asks a URL for its status, and `judge` a spam filter about a letter."""
    checks, links, spam_checks = HtmlChecks(shelf), ClientTurns(), ClientTurns()

    async def of_html(ask: Request) -> Response:
        answer = await checks.of(ask, await found(shelf.catalogue, ask.variables["id"]))
        if answer is None:
            raise HttpError(400, "message does not contain HTML")
        return answer

    async def of_links(ask: Request) -> Response:
        item = await found(shelf.catalogue, ask.variables["id"])

        async def check() -> link_check.Checked:
            return await link_check.check(await shelf.links(item), look, follow=ask.query.get("follow") == "true")

        return in_json(await links.run(ask, check))

    async def spam(ask: Request) -> Response:
        if judge is None:
            raise HttpError(400, "No spam filter is asked; --enable-spamassassin or --spam-filter names one.")
        item = await found(shelf.catalogue, ask.variables["id"])

        async def check() -> Verdict:
            return await judge(await shelf.octets(item))

        return in_json(await spam_checks.run(ask, check))

    async def small(ask: Request) -> Response:
        reading = await shelf.reading(await found(shelf.catalogue, ask.variables["id"]))
        part = part_of(reading, ask.variables["part"])
        octets = reading.content_of(part) if part.type.startswith("image/") else b""
        try:
            # Decoding a picture takes long, however few octets it has.
            return Response(await shelf.in_thread(lambda: thumbnail(octets)), "image/jpeg")
        except NoPictures as trouble:
            raise HttpError(501, str(trouble)) from None

    one = "/api/v1/message/{id}"
    return (
        Route(
            "GET",
            f"{one}/html-check",
            of_html,
            "admin",
            told=RouteDoc("What mail clients make of its HTML.", gives=html_check.Checked),
        ),
        Route(
            "GET",
            f"{one}/link-check",
            of_links,
            "admin",
            told=RouteDoc(
                "Whether its links answer.",
                (Parameter("follow", '"true" asks where redirects lead, too.'),),
                gives=link_check.Checked,
            ),
        ),
        Route(
            "GET", f"{one}/sa-check", spam, "admin", told=RouteDoc("What the spam filter says of it.", gives=Verdict)
        ),
        Route(
            "GET",
            f"{one}/part/{{part}}/thumb",
            small,
            "admin",
            is_picture=True,
            told=RouteDoc("A picture, made small.", media_type="image/jpeg"),
        ),
    )
