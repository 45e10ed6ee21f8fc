"""Queue of screenshots: browser search, limits of concurrency, waiting and time."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore, TimeoutError  # noqa: A004
from twisted.logger import Logger

from mailstack.config.model import ScreenshotsSettings
from mailstack.mailbox.index.indexer import InThread
from mailstack.web.screenshots.chromium import INSTALL, BrowserCommand, BrowserFailed, find_browser, running_browser
from mailstack.web.screenshots.letter_page import LetterPage
from mailstack.web.screenshots.rendering import PageRenderer, Screenshot, ScreenshotFailed

_log = Logger()

MIN_SIZE = 100
"""Minimum width and height in pixels."""
DEFAULT_WIDTH = 800
"""Width in pixels; mail is mostly made for 600."""


class BrowserMissing(ScreenshotFailed):
    """There is no browser, or screenshots are turned off."""


class ScreenshotQueueFull(ScreenshotFailed):
    """As many screenshots wait as the settings allow."""


class ScreenshotTimeout(ScreenshotFailed):
    """The browser took longer than the settings allow."""


class Screenshots:
    """Makes screenshots, each in a browser process of its own; the browser is searched at the start."""

    def __init__(self, reactor: Any, settings: ScreenshotsSettings, in_thread: InThread) -> None:
        self._reactor = reactor
        self.settings = settings
        self._in_thread = in_thread
        self._program = find_browser(settings.browser) if settings.concurrency else ""
        self._free = DeferredSemaphore(max(1, settings.concurrency))
        # Chromium has no sandbox for root.
        self._has_sandbox = os.geteuid() != 0

    @property
    def is_available(self) -> bool:
        """Whether there is a browser that may be used."""
        return bool(self._program) and (self._has_sandbox or not self.settings.require_sandbox)

    async def take(self, page: LetterPage, wanted: Screenshot) -> bytes:
        """PNG of a page. Raises ScreenshotFailed."""
        self._check()
        if not self._free.tokens and len(self._free.waiting) >= self.settings.queue:
            raise ScreenshotQueueFull("Too many screenshots are waiting; try again later ([screenshots] queue).")
        await self._free.acquire()
        try:
            return await self._take(page, wanted)
        finally:
            self._free.release()

    def _check(self) -> None:
        if not self.settings.concurrency:
            raise BrowserMissing("Screenshots are turned off; set [screenshots] concurrency = 1.")
        if not self._program:
            name = self.settings.browser
            missing = f"There is no program {name}" if name else "There is no Chromium on this machine"
            raise BrowserMissing(f"{missing}: {INSTALL}.")
        if not self.is_available:
            raise BrowserMissing(
                "Chromium's sandbox does not work here: it needs another user than root, and user namespaces."
                " [screenshots] require_sandbox = false does without it."
            )

    async def _take(self, page: LetterPage, wanted: Screenshot) -> bytes:
        had_sandbox = self._has_sandbox
        try:
            return await self._render(page, wanted)
        except BrowserFailed as error:
            if not had_sandbox or self._has_sandbox:
                raise ScreenshotFailed(f"Chromium made no screenshot: {error}.") from None
        # The browser has just found out that its sandbox does not work.
        self._check()
        try:
            return await self._render(page, wanted)
        except BrowserFailed as error:
            raise ScreenshotFailed(f"Chromium made no screenshot: {error}.") from None

    async def _render(self, page: LetterPage, wanted: Screenshot) -> bytes:
        timeout = self.settings.timeout
        work = Deferred.fromCoroutine(self._render_page(page, wanted))
        try:
            return await work.addTimeout(timeout, self._reactor)
        except TimeoutError:
            raise ScreenshotTimeout(
                f"Chromium took more than {timeout:g} s for this message ([screenshots] timeout)."
            ) from None

    async def _render_page(self, page: LetterPage, wanted: Screenshot) -> bytes:
        command = BrowserCommand(self._program, self.settings.memory, self._has_sandbox)
        try:
            async with running_browser(self._reactor, command, self._in_thread) as browser:
                try:
                    return await PageRenderer(browser, page, self._in_thread).render(wanted)
                except BrowserFailed:
                    _log.warn("Chromium failed: {log}", log=browser.log.decode("utf-8", "replace"))
                    if b"sandbox" in browser.log.lower():
                        self._has_sandbox = False
                    raise
        except OSError as error:
            raise ScreenshotFailed(f"{self._program} could not be started: {error.strerror}.") from None
