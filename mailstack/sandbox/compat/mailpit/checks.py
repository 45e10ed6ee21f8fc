"""Mailpit's checks of a message (HTML, links, spam), and thumbnails of pictures."""

from __future__ import annotations

from io import BytesIO

from mailstack.sandbox.compat.context import find_letter, find_part
from mailstack.web.checks import links as link_check
from mailstack.web.checks.html import ClientQueue, HtmlChecks
from mailstack.web.checks.spam import SpamCheck, SpamVerdict
from mailstack.web.http_messages import HttpError, Request, Response, json_response
from mailstack.web.letter_reader import LetterReader

SIZE = (180, 120)
MAX_POINTS = 6_000_000
"""Maximum points of a decoded picture: a few octets may claim a thousand times as many."""
MAX_JPEG_POINTS = 24_000_000
"""Maximum points of a JPEG, which is decoded at an eighth of its size."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")


class NoPictures(Exception):
    """Pillow is not installed; str() says how to install it."""


def thumbnail(octets: bytes) -> bytes:
    """JPEG of SIZE: the picture, cut to shape or on white; white for other octets. Raises NoPictures."""
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - optional
    except ImportError:
        raise NoPictures("Thumbnails need Pillow: pip install mailstack[pictures]") from None
    canvas = Image.new("RGB", SIZE, "white")
    try:
        picture = Image.open(BytesIO(octets), formats=FORMATS)
        if picture.width * picture.height <= (MAX_JPEG_POINTS if picture.format == "JPEG" else MAX_POINTS):
            picture.draft("RGB", (SIZE[0] * 2, SIZE[1] * 2))
            times = max(1, min(picture.width // SIZE[0], picture.height // SIZE[1]) // 2)
            seen = picture.reduce(times).convert("RGBA")
            small = seen.width < SIZE[0] or seen.height < SIZE[1]
            seen = ImageOps.contain(seen, SIZE) if small else ImageOps.fit(seen, SIZE)
            canvas.paste(seen, ((SIZE[0] - seen.width) // 2, (SIZE[1] - seen.height) // 2), seen)
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
        response = await self._html_checks.of(request, await find_letter(self._reader.index, request.variables["id"]))
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
            # Decoding a picture takes long, however few octets it has.
            return Response(await self._reader.in_thread(lambda: thumbnail(octets)), "image/jpeg")
        except NoPictures as error:
            raise HttpError(501, str(error)) from None
