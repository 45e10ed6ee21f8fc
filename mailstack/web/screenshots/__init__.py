"""Screenshots of letters, rendered by a Chromium process without a network."""

from mailstack.web.screenshots.letter_page import LetterPage, letter_page
from mailstack.web.screenshots.queue import (
    DEFAULT_WIDTH,
    MIN_SIZE,
    BrowserMissing,
    ScreenshotQueueFull,
    Screenshots,
    ScreenshotTimeout,
)
from mailstack.web.screenshots.rendering import Screenshot, ScreenshotFailed

__all__ = [
    "DEFAULT_WIDTH",
    "MIN_SIZE",
    "BrowserMissing",
    "LetterPage",
    "Screenshot",
    "ScreenshotFailed",
    "ScreenshotQueueFull",
    "ScreenshotTimeout",
    "Screenshots",
    "letter_page",
]
