"""Client set-up pages in Chromium: the steps of the command, with copy buttons."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import mailstack
from mailstack.cli import main
from mailstack.web.autoconfig.clients import GUIDES
from tests.browser.browsing import DESKTOP, PHONE, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment

PAGES = Path(mailstack.__file__).parent / "web" / "pages"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_client_has_its_steps(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    page = visit("#/setup", size=size)
    for guide in GUIDES:
        page.locator(".client", has_text=guide.title).first.click()
        page.get_by_role("heading", name=guide.title, level=1, exact=True).wait_for()
        said = CliRunner(env=dev.environ).invoke(main, ["setup", guide.name, "alice@home.test", "--json"])
        words = page.locator(".walk").inner_text()
        for step in json.loads(said.stdout)["steps"]:
            assert step["say"] in words
            for value in step["values"].values():
                assert value in words or value in ("on", "off") or value.endswith("ca.pem")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), guide.name
        page.get_by_role("link", name="Other clients").click()
        page.locator(".client").first.wait_for()


def test_a_value_is_copied(visit: Open, dev: Environment) -> None:
    clipboard = ("clipboard-read", "clipboard-write")
    page = visit("#/setup?client=outlook-classic&address=alice%40home.test", permissions=clipboard)
    page.get_by_label("Copy Port").first.click()
    until(page, f"navigator.clipboard.readText().then(text => text === '{dev.port('imaps')}')")


def test_a_profile_is_downloaded(visit: Open) -> None:
    page = visit("#/setup?client=ios&address=alice%40home.test")
    with page.expect_download() as download:
        page.get_by_role("link", name="Configuration profile").click()
    assert download.value.suggested_filename == "mail.mobileconfig"


def test_address_of_a_foreign_domain_is_refused_with_a_reason(visit: Open) -> None:
    page = visit("#/setup?client=k9&address=a%40far.test")
    page.get_by_text("Not a domain of this server; its domains are home.test.").wait_for()


def test_every_client_has_its_picture() -> None:
    """setup.js names clients as the command does."""
    pictures = re.findall(r'^    "?([\w+-]+)"?: "\w+",$', (PAGES / "setup.js").read_text(), re.MULTILINE)
    assert sorted(pictures) == sorted(guide.name for guide in GUIDES)
