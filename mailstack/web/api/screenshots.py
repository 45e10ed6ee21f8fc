"""API route of the screenshots of letters."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailstack.web.api.letter_index import ApiLetterReader, number
from mailstack.web.http_messages import HttpError, HttpRoute, QueryParameter, Request, Response, RouteDoc
from mailstack.web.screenshots import (
    DEFAULT_WIDTH,
    MIN_SIZE,
    BrowserMissing,
    Screenshot,
    ScreenshotFailed,
    ScreenshotQueueFull,
    Screenshots,
    ScreenshotTimeout,
    letter_page,
)

PATH = "/v1/letters/{id}/screenshot"


def screenshot_routes(reader: ApiLetterReader, screenshots: Screenshots) -> tuple[HttpRoute, ...]:
    """Returns the route; only with a browser is it in the description, by which pages show their button."""
    pages = ScreenshotPages(reader, screenshots)
    doc = _doc(screenshots) if screenshots.is_available else None
    return (HttpRoute("GET", PATH, pages.screenshot, "user", doc),)


def _doc(screenshots: Screenshots) -> RouteDoc:
    settings = screenshots.settings
    width = Annotated[int, Meta(ge=MIN_SIZE, le=settings.max_width)]
    height = Annotated[int, Meta(ge=MIN_SIZE, le=settings.max_height)]
    query = (
        QueryParameter("width", f"Pixels; default {min(DEFAULT_WIDTH, settings.max_width)}.", width),
        QueryParameter("height", "Pixels; default: the whole message.", height),
        QueryParameter("color_scheme", "Colour scheme that the message is to prefer.", Literal["light", "dark"]),
    )
    return RouteDoc("Get a screenshot of the message, without remote content.", query=query, media_type="image/png")


class ScreenshotPages:
    def __init__(self, reader: ApiLetterReader, screenshots: Screenshots) -> None:
        self._reader = reader
        self._screenshots = screenshots

    async def screenshot(self, request: Request) -> Response:
        wanted = self._wanted(request)
        reading = await self._reader.reading(await self._reader.item(request))
        page = await self._reader.do(lambda: letter_page(reading), len(reading.octets))
        try:
            png = await self._screenshots.take(page, wanted)
        except ScreenshotFailed as error:
            raise _http_error(error) from None
        return Response(png, "image/png")

    def _wanted(self, request: Request) -> Screenshot:
        """Raises HttpError 400."""
        settings = self._screenshots.settings
        default = min(DEFAULT_WIDTH, settings.max_width)
        width = number(request, "width", default, minimum=MIN_SIZE, maximum=settings.max_width) or default
        height = number(request, "height", None, minimum=MIN_SIZE, maximum=settings.max_height)
        scheme = request.query.get("color_scheme", "light")
        if scheme not in {"light", "dark"}:
            raise HttpError(400, f"color_scheme must be light or dark, not {scheme[:20]!r}.")
        return Screenshot(width, height or settings.max_height, is_whole=height is None, is_dark=scheme == "dark")


def _http_error(error: ScreenshotFailed) -> HttpError:
    match error:
        case BrowserMissing():
            return HttpError(404, str(error))
        case ScreenshotQueueFull():
            return HttpError(503, str(error), ("Retry-After", "5"))
        case ScreenshotTimeout():
            return HttpError(504, str(error))
    return HttpError(502, str(error))
