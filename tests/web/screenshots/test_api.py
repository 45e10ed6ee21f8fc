"""API route and command of screenshots, in a dev environment with a real Chromium."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from PIL import Image

from tests.journeys.dev import DevProcess
from tests.waiting import PATIENCE
from tests.web.screenshots.browser import html_letter, needs_chromium

RED = html_letter('<body style="background: red"><p>Hello')


def refusal(url: str) -> tuple[int, str]:
    with pytest.raises(HTTPError) as found:
        urlopen(url, timeout=PATIENCE)
    return found.value.code, json.loads(found.value.read())["detail"]


@needs_chromium
def test_a_screenshot_by_the_api_and_by_the_command(profiles: Path, tmp_path: Path) -> None:
    with DevProcess(tmp_path, TMPDIR=str(profiles)) as dev:
        letter = dev.capture(RED, "bob@home.test")
        url = f"{dev.web}v1/letters/{letter}/screenshot"
        with urlopen(f"{url}?width=300&height=200&color_scheme=dark", timeout=PATIENCE) as answer:
            assert answer.headers["Content-Type"] == "image/png"
            assert Image.open(BytesIO(answer.read())).size == (300, 200)
        assert refusal(f"{url}?width=99") == (400, "width must be an integer from 100 to 2000")
        assert refusal(f"{url}?color_scheme=sepia") == (400, "color_scheme must be light or dark, not 'sepia'.")
        assert "/v1/letters/{id}/screenshot" in dev.api("GET", "v1/openapi.json")["paths"]
        file = tmp_path / "letter.png"
        dev.mailstack("screenshot", letter, str(file), "--width", "150")
        assert Image.open(file).convert("RGB").getpixel((149, 99)) == (255, 0, 0)
        assert "there is no message" in dev.mailstack("screenshot", "1" * 15, str(file), status=1)
        assert "maximum size is 2000" in dev.mailstack("screenshot", letter, str(file), "--width", "9999", status=2)


def test_without_a_browser_the_api_names_the_remedy(tmp_path: Path) -> None:
    """The description has no such route, by which the pages hide their button."""
    with DevProcess(tmp_path, "--browser", "/nowhere/chromium") as dev:
        letter = dev.capture(RED, "bob@home.test")
        status, detail = refusal(f"{dev.web}v1/letters/{letter}/screenshot")
        assert status == 404
        assert "There is no program /nowhere/chromium: install Chromium (on Debian: apt install chromium)" in detail
        assert "/v1/letters/{id}/screenshot" not in dev.api("GET", "v1/openapi.json")["paths"]
        picture = str(tmp_path / "letter.png")
        output = dev.mailstack("screenshot", letter, picture, "--browser", "/nowhere/chromium", status=1)
        assert "install Chromium" in output
