"""Accessibility of each page by axe-core: phone and desktop, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.axe import COLORS, findings
from tests.browser.browsing import SIZES, settle
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter, order

PLACES: dict[str, tuple[str, str]] = {
    "inbox": ("#/letters", ".row"),
    "empty": ("#/letters?mailbox=zoe%40home.test", ".hint-card figure"),
    "nothing found": ("#/letters?query=nowhere", ".empty"),
    "letter": ("#/letter/{letter}", "iframe"),
    "text": ("#/letter/{letter}/text", ".plain"),
    "headers": ("#/letter/{letter}/headers", ".fieldtable"),
    "parts": ("#/letter/{letter}/parts", ".tree"),
    "html source": ("#/letter/{letter}/code", ".source .html-tag"),
    "source": ("#/letter/{letter}/source", ".source"),
    "checks": ("#/letter/{letter}/checks", ".check"),
    "journey": ("#/journey/{sent}", ".map"),
    "queue": ("#/queue", ".page-body > *"),
    "protocol": ("#/protocol", ".log"),
    "servers": ("#/servers", ".card"),
    "accounts": ("#/accounts", ".table"),
    "aliases": ("#/aliases", ".page-body > *"),
    "zone": ("#/zone", ".page-body > *"),
    "faults": ("#/faults", ".page-body > *"),
    "clock": ("#/clock", ".bigclock"),
    "setup": ("#/setup", ".client"),
    "frameworks": ("#/frameworks", ".client"),
    "framework": ("#/frameworks?name=Spring", ".source"),
    "steps": ("#/setup?client=outlook-classic&address=alice%40home.test", ".walk"),
}

WHOLE = {"inbox", "letter", "queue"}
"""Places where the navigation is looked at as well."""


@pytest.fixture
def letters(dev: Environment) -> dict[str, str]:
    found = {
        "letter": dev.send(order(), "bob@home.test"),
        "sent": dev.submit(letter("Hello", From="alice@home.test"), "bob@home.test", "carol@elsewhere.test"),
    }
    for each in found.values():
        dev.summary(each)
    return found


@SIZES
def test_no_page_has_a_grave_fault(visit: Open, letters: dict[str, str], size: tuple[int, int]) -> None:
    """The two schemes differ in colors alone; the navigation is the same on each page, and half of a small one."""
    page = visit("#/letters", size=size)
    worst: dict[str, list[str]] = {}
    for name, (where, shown) in PLACES.items():
        page.evaluate("where => { location.hash = where; }", where.format(**letters))
        page.locator(shown).first.wait_for()
        settle(page)
        without = "" if name in WHOLE else "#navigation"
        found = findings(page, without=without)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
        page.emulate_media(color_scheme="dark")
        settle(page)
        if found := found + findings(page, COLORS, without):
            worst[name] = found
        page.emulate_media(color_scheme="light")
    assert worst == {}


@pytest.mark.parametrize(
    "open_",
    [
        lambda page: page.keyboard.press("?"),
        lambda page: page.keyboard.press("c"),
        lambda page: page.get_by_label("How to search").click(),
    ],
    ids=["keyboard", "compose", "search"],
)
def test_no_dialog_has_a_grave_fault(visit: Open, letters: dict[str, str], open_: Callable[[Any], None]) -> None:
    page = visit("#/letters", scheme="dark")
    page.locator(".row").first.wait_for()
    open_(page)
    page.get_by_role("dialog").wait_for()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
