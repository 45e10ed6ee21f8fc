"""Accessibility of each page by axe-core: phone and desktop, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.browsing import DESKTOP, PHONE
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter, order

LOOKS = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]
GRAVE = {"serious", "critical"}

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


@pytest.fixture
def letters(dev: Environment) -> dict[str, str]:
    found = {
        "letter": dev.send(order(), "bob@home.test"),
        "sent": dev.submit(letter("Hello", From="alice@home.test"), "bob@home.test", "carol@elsewhere.test"),
    }
    for each in found.values():
        dev.summary(each)
    return found


def findings(page: Any) -> list[str]:
    """What axe-core finds, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    found = axe.run(page, options=options).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=lambda each: each if isinstance(each, str) else str(each[0]))
def test_no_page_has_a_grave_fault(visit: Open, letters: dict[str, str], size: tuple[int, int], scheme: str) -> None:
    page = visit("#/letters", size=size, scheme=scheme)
    worst: dict[str, list[str]] = {}
    for name, (where, shown) in PLACES.items():
        page.evaluate("where => { location.hash = where; }", where.format(**letters))
        page.locator(shown).first.wait_for()
        page.wait_for_timeout(100)
        if found := findings(page):
            worst[name] = found
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the window"
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
