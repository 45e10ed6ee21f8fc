"""Mailpit's message: content, parts, views, sending and release."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from mailstack.letter.parsed import Part
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.replies import Refusal
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.mailpit.messages import OK
from mailstack.sandbox.compat.mailpit.serialize import ReleaseRequest, message
from mailstack.sandbox.compat.requests import decode_body, find_letter, find_part, search_filter
from mailstack.web.compose import ComposedLetter, ComposeLimits, LetterDraft, check_count, compose, parse_address
from mailstack.web.http_messages import PLAIN, HttpError, Request, Response, json_response
from mailstack.web.letter_reader import LetterReader, html_page
from mailstack.web.site import shielded
from mailstack.web.submission import RELEASED, CopySource

_NEVER_SHOWN = {
    "text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript", "application/ecmascript",
    "text/html", "text/xml", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xsl",
}  # fmt: skip
"""Types of parts that a browser could run in this origin; they are served as attachments."""
_MAX_NAME = 255
"""Maximum characters of a file name in a header; a Content-ID may have thousands."""


class MessageHandlers:
    """Handlers of the paths about one message."""

    def __init__(self, shelf: LetterReader, clock: Clock) -> None:
        self._shelf = shelf
        self._clock = clock

    async def _asked(self, ask: Request) -> Item:
        return await find_letter(self._shelf.index, ask.variables["id"])

    async def message(self, ask: Request) -> Response:
        """Answers the message and marks it as read."""
        item = await self._asked(ask)
        reading = await self._shelf.reading(item)
        await self._shelf.index.mark(ItemFilter(ids=(item.id,)), unread=False)
        return json_response(await self._shelf.do(lambda: message(item, reading), item.size))

    async def headers(self, ask: Request) -> Response:
        """Answers the header fields by name, in alphabetical order and canonical case."""
        reading = await self._shelf.reading(await self._asked(ask))
        fields: dict[str, list[str]] = {}
        for name, value in reading.fields:
            fields.setdefault("-".join(word.capitalize() for word in name.split("-")), []).append(value)
        return json_response(dict(sorted(fields.items())))

    async def raw(self, ask: Request) -> Response:
        item = await self._asked(ask)
        save = (("Content-Disposition", f'attachment; filename="{item.id}.eml"'),) if ask.query.get("dl") == "1" else ()
        return Response(await self._shelf.octets(item), PLAIN, 200, save)

    async def part(self, ask: Request) -> Response:
        """Answers a decoded part in its own type, unless a browser could run it."""
        reading = await self._shelf.reading(await self._asked(ask))
        part = find_part(reading, ask.variables["part"])
        shown = part.type not in _NEVER_SHOWN
        name = quote((part.name or part.content_id)[:_MAX_NAME], safe="")
        headers = (
            ("Content-Disposition", f'{"inline" if shown else "attachment"}; filename="{name}"'),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        )
        octets = await self._shelf.do(lambda: reading.content_of(part), part.size)
        return Response(octets, _type_of(part) if shown else "application/octet-stream", 200, headers)

    async def view(self, ask: Request) -> Response:
        """Answers `ID.html` and `ID.txt`, and redirects `ID` and `latest` to the inbox."""
        name, dot, kind = ask.variables["name"].rpartition(".")
        if not dot:
            return await self._in_inbox(ask)
        if kind not in {"html", "txt"}:
            raise HttpError(404, "Ask for a message as ID.html or ID.txt")
        reading = await self._shelf.reading(item := await find_letter(self._shelf.index, name))
        if kind == "txt":
            return Response((await self._shelf.do(lambda: reading.readable, item.size)).encode(), PLAIN)
        if not reading.html:
            raise HttpError(404, "This message does not contain a HTML part")
        remote = ask.query.get("remote", "0") in {"1", "true"}
        parts = f"../api/v1/message/{quote(item.id)}/part/"
        return await self._shelf.do(lambda: html_page(reading, parts, remote=remote), item.size)

    async def _in_inbox(self, ask: Request) -> Response:
        """Redirects to the letter in the inbox; "latest" is the newest match."""
        name = ask.variables["name"]
        if name != "latest":
            item: Item | None = await find_letter(self._shelf.index, name)
        else:
            await self._shelf.index.up_to_date()
            query = ask.query.get("query", "")
            which = search_filter(query, self._clock.now()) if query.strip() else ItemFilter()
            item = next(iter((await self._shelf.index.find(which, 1)).items), None)
        return Response(b"", PLAIN, 302, (("Location", f"../#/letter/{item.id}" if item else "../"),))


def _type_of(part: Part) -> str:
    """Media type that is safe in a header field."""
    if not part.type.isascii() or not part.type.isprintable():
        return "application/octet-stream"
    charset = (
        part.charset if part.charset.isascii() and part.charset.replace("-", "").replace("_", "").isalnum() else ""
    )
    return f"{part.type}; charset={charset}" if part.type.startswith("text/") and charset else part.type


class TransferHandlers:
    """Handlers of `send` and `release`."""

    def __init__(self, ground: CompatContext) -> None:
        self._ground = ground
        self._shelf = ground.shelf

    async def send(self, ask: Request) -> Response:
        """Accepts a message. A refusal is JSON here, as nowhere else in this API."""
        if self._ground.senders is not None:
            await self._ground.senders.authenticate(ask)
        try:
            now, limits = self._ground.clock.now(), self._ground.limits
            made = await self._shelf.do(lambda: _composed(ask, limits, now), len(ask.body))
            letter = await shielded(self._ground.capture.submit(made.sender, made.recipients, made.octets))
        except HttpError as trouble:
            return json_response({"Error": trouble.why}, trouble.status)
        except Refusal as refusal:
            return json_response({"Error": str(refusal.reply)}, 400)
        return json_response({"ID": letter})

    async def release(self, ask: Request) -> Response:
        """Releases a message to other addresses through the queue, without waiting for its delivery."""
        wanted = _released_to(ask)
        if not wanted:
            raise HttpError(400, "No valid addresses found")
        check_count(wanted, self._ground.limits.recipients)
        recipients = [parse_address(each) for each in wanted]
        item = await find_letter(self._shelf.index, ask.variables["id"])
        octets = await self._shelf.octets(item)
        author = item.author.address if item.author else ""
        leaving = self._ground.leaving
        try:
            if leaving is None:
                await self._ground.outward.submit(author, recipients, octets, copied=CopySource(item.id, RELEASED))
            else:
                _check(leaving.outlet, recipients)
                await leaving.release(author, recipients, octets, item.id)
        except Refusal as refusal:
            raise HttpError(400, f"SMTP error: {refusal.reply}") from None
        return OK


def _check(outlet: ExternalRelay, recipients: Sequence[str]) -> None:
    """Raises Trouble 400 for recipients that the relay does not accept."""
    for blocked, why in ((False, "do not match the allowlist"), (True, "found on blocklist")):
        if refused := [each for each in recipients if not outlet.allows(each) and outlet.is_blocked(each) is blocked]:
            raise HttpError(
                400, f"Failed: {'Address' if len(refused) == 1 else 'Addresses'} {why}: {', '.join(refused)}"
            )


def _composed(ask: Request, limits: ComposeLimits, now: float) -> ComposedLetter:
    """Composes the letter of a request. Raises Trouble."""
    return compose(decode_body(ask, LetterDraft, limits.values, limits.explained), limits, now)


def _released_to(ask: Request) -> tuple[str, ...]:
    """Addresses of `{"To": […]}`, or of a bare list, which some clients send."""
    if ask.body.lstrip().startswith(b"["):
        return decode_body(ask, tuple[str, ...])
    return decode_body(ask, ReleaseRequest).to
