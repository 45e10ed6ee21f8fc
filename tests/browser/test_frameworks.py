"""Page "Your framework" in Chromium: the settings of the how-to, with the ports of the environment."""

from __future__ import annotations

import re

import pytest

from tests.browser.browsing import DESKTOP, PHONE, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.docs.blocks import blocks

BLOCKS = blocks("howto/your-framework.md")


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
def test_every_framework_has_its_settings_with_the_real_ports(
    visit: Open, dev: Environment, size: tuple[int, int], scheme: str
) -> None:
    page = visit("#/frameworks", size=size, scheme=scheme)
    ports = {"1025": "capture", "1587": "submission"}
    for name, found in BLOCKS.items():
        page.locator(".client").get_by_text(name, exact=True).click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
        expected = [
            re.sub(r"\b(1025|1587)\b", lambda at: str(dev.facts["services"][ports[at[0]]]["port"]), text).rstrip("\n")
            for _, text in found
        ]
        assert page.locator("pre.source").all_inner_texts() == expected, name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        page.get_by_role("link", name="Other frameworks").click()
        page.locator(".client").first.wait_for()


def test_settings_are_copied(visit: Open, dev: Environment) -> None:
    page = visit("#/frameworks?name=Django%20before%206.1", permissions=("clipboard-read", "clipboard-write"))
    page.get_by_label("Copy these settings").nth(1).click()
    port = dev.facts["services"]["submission"]["port"]
    until(page, f"navigator.clipboard.readText().then(text => text.includes('EMAIL_PORT = {port}\\nEMAIL_USE_TLS'))")


def test_hosts_and_ports_are_shown_for_any_other_framework(visit: Open, dev: Environment) -> None:
    page = visit("#/frameworks")
    page.locator(".page dl").nth(1).wait_for()
    shown = page.locator(".page dl").all_inner_texts()
    services = dev.facts["services"]
    assert shown[0].split() == ["Host", "127.0.0.1", "Port", str(services["capture"]["port"])]
    for word in ("localhost", str(services["submission"]["port"]), str(services["submissions"]["port"])):
        assert word in shown[1].split()
    page.get_by_role("navigation").get_by_role("link", name="Your framework").click()
    page.get_by_role("heading", name="Your framework").wait_for()
