"""Rendering of a letter page in a browser: interception of all requests, layout, screenshot."""

from __future__ import annotations

import base64
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailstack.mailbox.index.indexer import InThread
from mailstack.web.http_messages import Response
from mailstack.web.screenshots.chromium import BrowserFailed, BrowserProcess
from mailstack.web.screenshots.devtools import DevToolsMessage
from mailstack.web.screenshots.letter_page import ORIGIN, LetterPage

_log = Logger()

VIEWPORT_HEIGHT = 100
"""Height of the viewport while the whole page is measured; a page that fills its viewport stays short."""
MAX_REQUESTS = 1000
"""Maximum requests of a page; later ones fail."""
MAX_PARTS = 64 * 1024 * 1024
"""Maximum octets of all parts of a page; later parts fail."""


class ScreenshotFailed(Exception):
    """No screenshot was made; str() is the reason and the remedy."""


class Screenshot(Struct, frozen=True):
    """Size and colour scheme of a screenshot."""

    width: int
    """Pixels of the page and of the image."""
    height: int
    """Pixels of the image; of a whole page the maximum."""
    is_whole: bool = True
    """Whether the image is as high as the page, up to `height`."""
    is_dark: bool = False
    """Whether the page is to prefer dark colours (`prefers-color-scheme`)."""


class PageRenderer:
    """Renders one page in a browser that was just started."""

    def __init__(self, browser: BrowserProcess, page: LetterPage, in_thread: InThread) -> None:
        self._browser = browser
        self._page = page
        self._in_thread = in_thread
        self._session = ""
        self._loaded: Deferred[None] = Deferred()
        self._requests = 0
        self._octets = 0
        browser.on_event = self._event

    async def render(self, wanted: Screenshot) -> bytes:
        """PNG of the page. Raises BrowserFailed."""
        target = await self._browser.command("Target.createTarget", {"url": "about:blank"})
        attached = await self._browser.command(
            "Target.attachToTarget", {"targetId": target.get("targetId"), "flatten": True}
        )
        self._session = str(attached.get("sessionId"))
        await self._prepare(wanted)
        self._browser.ended.addErrback(self._fail)
        await self._command("Page.navigate", {"url": ORIGIN})
        await self._loaded
        height = await self._height(wanted)
        clip = {"x": 0, "y": 0, "width": wanted.width, "height": height, "scale": 1}
        shot = await self._command(
            "Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True}
        )
        png: bytes = await self._in_thread(lambda: base64.b64decode(str(shot.get("data", ""))))
        if not png.startswith(b"\x89PNG"):
            raise BrowserFailed("Chromium returned no image")
        return png

    async def _command(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return await self._browser.command(method, params, self._session)

    async def _prepare(self, wanted: Screenshot) -> None:
        scheme = "dark" if wanted.is_dark else "light"
        height = VIEWPORT_HEIGHT if wanted.is_whole else wanted.height
        metrics = {"width": wanted.width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._browser.command("Browser.setDownloadBehavior", {"behavior": "deny"})
        for method, params in (
            ("Inspector.enable", {}),
            ("Emulation.setScriptExecutionDisabled", {"value": True}),
            ("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
            ("Emulation.setDeviceMetricsOverride", metrics),
            ("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}),
            ("Page.enable", {}),
        ):
            await self._command(method, params)

    async def _height(self, wanted: Screenshot) -> int:
        if not wanted.is_whole:
            return wanted.height
        metrics = await self._command("Page.getLayoutMetrics", {})
        height = metrics.get("cssContentSize", {}).get("height", 0)
        return min(max(int(height), VIEWPORT_HEIGHT), wanted.height)

    def _event(self, message: DevToolsMessage) -> None:
        if message.method == "Fetch.requestPaused":
            answer = Deferred.fromCoroutine(self._answer(message.params))
            answer.addErrback(lambda failure: None if failure.check(BrowserFailed) else _log_failure(failure))
        elif message.method == "Page.loadEventFired" and not self._loaded.called:
            self._loaded.callback(None)

    def _fail(self, failure: Any) -> None:
        if not self._loaded.called:
            self._loaded.errback(failure)
            # A command may be waiting instead, and fails as well.
            self._loaded.addErrback(lambda _: None)

    async def _answer(self, params: dict[str, Any]) -> None:
        """Answer a request of the page itself or of a part; refuse all others."""
        request, url = {"requestId": params.get("requestId")}, str(params.get("request", {}).get("url", ""))
        self._requests += 1
        response: Response | None = None
        if self._requests <= MAX_REQUESTS and self._octets <= MAX_PARTS:
            response = await self._in_thread(lambda: self._page.response_to(url))
        if response is None or not isinstance(response.body, bytes):
            await self._command("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})
            return
        body, self._octets = response.body, self._octets + len(response.body)
        fields = [("Content-Type", response.media_type), *response.headers]
        await self._command(
            "Fetch.fulfillRequest",
            {
                **request,
                "responseCode": 200,
                "responseHeaders": [{"name": name, "value": value} for name, value in fields],
                "body": (await self._in_thread(lambda: base64.b64encode(body))).decode(),
            },
        )


def _log_failure(failure: Any) -> None:
    _log.failure("Request of a letter page", failure)
