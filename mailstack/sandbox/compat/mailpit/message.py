"""Mailpit's message: content, views, checks, thumbnails, sending and release."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from urllib.parse import quote

from mailstack.letter.parsed import Part
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.replies import Refusal
from mailstack.relay.external_relay import ExternalRelay
from mailstack.sandbox.compat.context import CompatContext, decode_body, find_letter, find_part, search_filter
from mailstack.sandbox.compat.mailpit.messages import OK
from mailstack.sandbox.compat.mailpit.serialize import ReleaseRequest, message
from mailstack.web.checks import links as link_check
from mailstack.web.checks.html import ClientQueue, HtmlChecks
from mailstack.web.checks.spam import SpamCheck, SpamVerdict
from mailstack.web.compose import ComposedLetter, ComposeLimits, LetterDraft, check_count, compose, parse_address
from mailstack.web.http_messages import PLAIN, HttpError, Request, Response, json_response
from mailstack.web.letter_reader import LetterReader
from mailstack.web.safe_html import html_page
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

    def __init__(self, reader: LetterReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def _asked(self, request: Request) -> Item:
        return await find_letter(self._reader.index, request.variables["id"])

    async def message(self, request: Request) -> Response:
        """Answers the message and marks it as read."""
        item = await self._asked(request)
        reading = await self._reader.reading(item)
        await self._reader.index.mark(ItemFilter(ids=(item.id,)), unread=False)
        return json_response(await self._reader.do(lambda: message(item, reading), item.size))

    async def headers(self, request: Request) -> Response:
        """Answers the header fields by name, in alphabetical order and canonical case."""
        reading = await self._reader.reading(await self._asked(request))
        fields: dict[str, list[str]] = {}
        for name, value in reading.fields:
            fields.setdefault("-".join(word.capitalize() for word in name.split("-")), []).append(value)
        return json_response(dict(sorted(fields.items())))

    async def raw(self, request: Request) -> Response:
        item = await self._asked(request)
        save = (
            (("Content-Disposition", f'attachment; filename="{item.id}.eml"'),)
            if request.query.get("dl") == "1"
            else ()
        )
        return Response(await self._reader.octets(item), PLAIN, 200, save)

    async def part(self, request: Request) -> Response:
        """Answers a decoded part in its own type, unless a browser could run it."""
        reading = await self._reader.reading(await self._asked(request))
        part = find_part(reading, request.variables["part"])
        is_visible = part.type not in _NEVER_SHOWN
        name = quote((part.name or part.content_id)[:_MAX_NAME], safe="")
        headers = (
            ("Content-Disposition", f'{"inline" if is_visible else "attachment"}; filename="{name}"'),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        )
        octets = await self._reader.do(lambda: reading.content_of(part), part.size)
        return Response(octets, _type_of(part) if is_visible else "application/octet-stream", 200, headers)

    async def view(self, request: Request) -> Response:
        """Answers `ID.html` and `ID.txt`, and redirects `ID` and `latest` to the inbox."""
        name, dot, kind = request.variables["name"].rpartition(".")
        if not dot:
            return await self._in_inbox(request)
        if kind not in {"html", "txt"}:
            raise HttpError(404, "Ask for a message as ID.html or ID.txt")
        reading = await self._reader.reading(item := await find_letter(self._reader.index, name))
        if kind == "txt":
            return Response((await self._reader.do(lambda: reading.readable, item.size)).encode(), PLAIN)
        if not reading.html:
            raise HttpError(404, "This message does not contain a HTML part")
        remote = request.query.get("remote", "0") in {"1", "true"}
        parts = f"../api/v1/message/{quote(item.id)}/part/"
        return await self._reader.do(lambda: html_page(reading, parts, remote=remote), item.size)

    async def _in_inbox(self, request: Request) -> Response:
        """Redirects to the letter in the inbox; "latest" is the newest match."""
        name = request.variables["name"]
        if name != "latest":
            item: Item | None = await find_letter(self._reader.index, name)
        else:
            await self._reader.index.up_to_date()
            query = request.query.get("query", "")
            which = search_filter(query, self._clock.now()) if query.strip() else ItemFilter()
            item = next(iter((await self._reader.index.find(which, 1)).items), None)
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

    def __init__(self, context: CompatContext) -> None:
        self._context = context
        self._reader = context.reader

    async def send(self, request: Request) -> Response:
        """Accepts a message. A refusal is JSON here, as nowhere else in this API."""
        if self._context.senders is not None:
            await self._context.senders.authenticate(request)
        try:
            now, limits = self._context.clock.now(), self._context.limits
            made = await self._reader.do(lambda: _composed(request, limits, now), len(request.body))
            letter = await shielded(self._context.capture.submit(made.sender, made.recipients, made.octets))
        except HttpError as error:
            return json_response({"Error": error.reason}, error.status)
        except Refusal as refusal:
            return json_response({"Error": str(refusal.reply)}, 400)
        return json_response({"ID": letter})

    async def release(self, request: Request) -> Response:
        """Releases a message to other addresses through the queue, without waiting for its delivery."""
        addresses = _released_to(request)
        if not addresses:
            raise HttpError(400, "No valid addresses found")
        check_count(addresses, self._context.limits.recipients)
        recipients = [parse_address(each) for each in addresses]
        item = await find_letter(self._reader.index, request.variables["id"])
        octets = await self._reader.octets(item)
        author = item.author.address if item.author else ""
        letter_release = self._context.letter_release
        try:
            if letter_release is None:
                await self._context.outward.submit(author, recipients, octets, copied=CopySource(item.id, RELEASED))
            else:
                _check(letter_release.outlet, recipients)
                await letter_release.release(author, recipients, octets, item.id)
        except Refusal as refusal:
            raise HttpError(400, f"SMTP error: {refusal.reply}") from None
        return OK


def _check(outlet: ExternalRelay, recipients: Sequence[str]) -> None:
    """Raises HttpError 400 for recipients that the relay does not accept."""
    for blocked, reason in ((False, "do not match the allowlist"), (True, "found on blocklist")):
        if refused := [each for each in recipients if not outlet.allows(each) and outlet.is_blocked(each) is blocked]:
            raise HttpError(
                400, f"Failed: {'Address' if len(refused) == 1 else 'Addresses'} {reason}: {', '.join(refused)}"
            )


def _composed(request: Request, limits: ComposeLimits, now: float) -> ComposedLetter:
    """Composes the letter of a request. Raises HttpError."""
    return compose(decode_body(request, LetterDraft, limits.values, limits.explained), limits, now)


def _released_to(request: Request) -> tuple[str, ...]:
    """Addresses of `{"To": […]}`, or of a bare list, which some clients send."""
    if request.body.lstrip().startswith(b"["):
        return decode_body(request, tuple[str, ...])
    return decode_body(request, ReleaseRequest).to


SIZE = (180, 120)
MAX_POINTS = 6_000_000
"""Maximum points of a decoded picture: a few octets may claim a thousand times as many."""
MAX_JPEG_POINTS = 24_000_000
"""Maximum points of a JPEG, which is decoded at an eighth of its size."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")


class NoPictures(Exception):
    """Pillow is missing; str() is the command that installs it."""


def thumbnail(octets: bytes) -> bytes:
    """JPEG of SIZE: the picture, cut to shape or on white; white for other octets. Raises NoPictures."""
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - optional
    except ImportError:
        raise NoPictures("Thumbnails need Pillow: pip install 'mailstack[pictures]'") from None
    canvas = Image.new("RGB", SIZE, "white")
    try:
        picture = Image.open(BytesIO(octets), formats=FORMATS)
        if picture.width * picture.height <= (MAX_JPEG_POINTS if picture.format == "JPEG" else MAX_POINTS):
            picture.draft("RGB", (SIZE[0] * 2, SIZE[1] * 2))
            times = max(1, min(picture.width // SIZE[0], picture.height // SIZE[1]) // 2)
            thumbnail = picture.reduce(times).convert("RGBA")
            small = thumbnail.width < SIZE[0] or thumbnail.height < SIZE[1]
            thumbnail = ImageOps.contain(thumbnail, SIZE) if small else ImageOps.fit(thumbnail, SIZE)
            canvas.paste(thumbnail, ((SIZE[0] - thumbnail.width) // 2, (SIZE[1] - thumbnail.height) // 2), thumbnail)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, Image.DecompressionBombError):
        canvas = Image.new("RGB", SIZE, "white")
    made = BytesIO()
    canvas.save(made, "JPEG", quality=70)
    return made.getvalue()


class CheckHandlers:
    """Handlers of the checks."""

    def __init__(self, reader: LetterReader, head: link_check.HeadRequest, check_spam: SpamCheck | None) -> None:
        """`head` requests the status of a URL; `check_spam` is None without a spam filter."""
        self._reader = reader
        self._head = head
        self._check_spam = check_spam
        self._html_checks = HtmlChecks(reader)
        self._link_checks, self._spam_checks = ClientQueue(), ClientQueue()

    async def html(self, request: Request) -> Response:
        response = await self._html_checks.check(
            request, await find_letter(self._reader.index, request.variables["id"])
        )
        if response is None:
            raise HttpError(400, "message does not contain HTML")
        return response

    async def links(self, request: Request) -> Response:
        item = await find_letter(self._reader.index, request.variables["id"])
        follow = request.query.get("follow") == "true"

        async def check() -> link_check.LinkReport:
            return await link_check.check_links(await self._reader.links(item), self._head, follow=follow)

        return json_response(await self._link_checks.run(request, check))

    async def spam(self, request: Request) -> Response:
        check_spam = self._check_spam
        if check_spam is None:
            raise HttpError(400, "There is no spam filter; mailstack dev --spam-filter names one.")
        item = await find_letter(self._reader.index, request.variables["id"])

        async def check() -> SpamVerdict:
            return await check_spam(await self._reader.octets(item))

        return json_response(await self._spam_checks.run(request, check))

    async def thumbnail(self, request: Request) -> Response:
        """Answers a small JPEG, which is white for a part that is no picture."""
        reading = await self._reader.reading(await find_letter(self._reader.index, request.variables["id"]))
        part = find_part(reading, request.variables["part"])
        octets = reading.content_of(part) if part.type.startswith("image/") else b""
        try:
            # Decoding even a small picture is slow.
            return Response(await self._reader.in_thread(lambda: thumbnail(octets)), "image/jpeg")
        except NoPictures as error:
            raise HttpError(501, str(error)) from None
