"""Screenshots of letters in a real Chromium, for tests."""

from __future__ import annotations

import shutil
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from twisted.internet.threads import deferToThreadPool

from mailstack.config import ScreenshotsSettings
from mailstack.letter.parsed import parse
from mailstack.testing.reactor_thread import shared_reactor_thread
from mailstack.web.screenshots import Screenshot, Screenshots, letter_page
from mailstack.web.screenshots.chromium import NAMES
from tests.waiting import PATIENCE

HAS_CHROMIUM = any(shutil.which(name) for name in NAMES)
needs_chromium = pytest.mark.skipif(not HAS_CHROMIUM, reason="chromium is not installed")


def make_screenshots(**settings: Any) -> Screenshots:
    reactor = shared_reactor_thread().reactor
    chosen = ScreenshotsSettings(**{"require_sandbox": False, "timeout": PATIENCE, **settings})
    return Screenshots(reactor, chosen, lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work))


def html_letter(html: str, picture: bytes = b"") -> bytes:
    """A letter with this HTML; `picture` is its cid:picture."""
    letter = EmailMessage(policy=SMTP)
    letter["Subject"] = "Picture"
    letter.set_content("text")
    letter.add_alternative(html, subtype="html")
    if picture:
        letter.get_payload()[1].add_related(picture, "image", "png", cid="<picture>")  # type: ignore[index,union-attr]
    return letter.as_bytes()


def png(colour: str, size: int = 8) -> bytes:
    octets = BytesIO()
    Image.new("RGB", (size, size), colour).save(octets, "PNG")
    return octets.getvalue()


async def taken(screenshots: Screenshots, letter: bytes, **wanted: Any) -> bytes:
    chosen = Screenshot(**{"width": 200, "height": screenshots.settings.max_height, **wanted})
    return await screenshots.take(letter_page(parse(letter)), chosen)


def picture_of(screenshots: Screenshots, letter: bytes, **wanted: Any) -> Image.Image:
    octets = shared_reactor_thread().call(lambda: taken(screenshots, letter, **wanted), timeout=3 * PATIENCE)
    return Image.open(BytesIO(octets)).convert("RGB")


def traces_of_browsers(folder: Path) -> list[str]:
    """Profiles in a folder, and processes that use one of them."""
    found = [str(each) for each in folder.glob("mailstack-browser-*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command and b"mailstack-browser-" in command:
            found.append(command.decode(errors="replace")[:200])
    return found
