"""Mailpit's checks of a message (HTML, links, spam), and thumbnails of pictures."""

from __future__ import annotations

from io import BytesIO

from mailstack.sandbox.compat.requests import find_letter, find_part
from mailstack.web.checks import links as link_check
from mailstack.web.checks.client_queue import ClientQueue, HtmlChecks
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

    def __init__(self, shelf: LetterReader, look: link_check.HeadRequest, judge: SpamCheck | None) -> None:
        """`look` asks a URL for its status; `judge` is the spam filter, if any."""
        self._shelf = shelf
        self._look = look
        self._judge = judge
        self._html_checks = HtmlChecks(shelf)
        self._link_checks, self._spam_checks = ClientQueue(), ClientQueue()

    async def html(self, ask: Request) -> Response:
        answer = await self._html_checks.of(ask, await find_letter(self._shelf.index, ask.variables["id"]))
        if answer is None:
            raise HttpError(400, "message does not contain HTML")
        return answer

    async def links(self, ask: Request) -> Response:
        item = await find_letter(self._shelf.index, ask.variables["id"])
        follow = ask.query.get("follow") == "true"

        async def check() -> link_check.LinkReport:
            return await link_check.check_links(await self._shelf.links(item), self._look, follow=follow)

        return json_response(await self._link_checks.run(ask, check))

    async def spam(self, ask: Request) -> Response:
        judge = self._judge
        if judge is None:
            raise HttpError(400, "There is no spam filter; mailstack dev --spam-filter names one.")
        item = await find_letter(self._shelf.index, ask.variables["id"])

        async def check() -> SpamVerdict:
            return await judge(await self._shelf.octets(item))

        return json_response(await self._spam_checks.run(ask, check))

    async def thumbnail(self, ask: Request) -> Response:
        """Answers a small JPEG, which is white for a part that is no picture."""
        reading = await self._shelf.reading(await find_letter(self._shelf.index, ask.variables["id"]))
        part = find_part(reading, ask.variables["part"])
        octets = reading.content_of(part) if part.type.startswith("image/") else b""
        try:
            # Decoding a picture takes long, however few octets it has.
            return Response(await self._shelf.in_thread(lambda: thumbnail(octets)), "image/jpeg")
        except NoPictures as trouble:
            raise HttpError(501, str(trouble)) from None
