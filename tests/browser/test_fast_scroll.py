"""Fast scrolling through 20,000 letters in Chromium: placeholders, then rows, and no long task."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.browser.browsing import Trap, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter

MANY = 20_000
ROW = 46
MAX_TASK_US = 50_000
"""Longest task of a page that answers to people at once (W3C Long Tasks), here in processor time."""

SCROLL = """async ([end, step]) => {
    const scroller = document.querySelector('.scroller'), rows = document.querySelector('.rows');
    const seen = { frames: 0, blank: 0, placeholders: 0 };
    const look = () => {
        const { top, bottom } = scroller.getBoundingClientRect();
        const boxes = [...rows.children].map(each => each.getBoundingClientRect());
        const covers = y => boxes.some(box => box.top <= y && y <= box.bottom);
        seen.frames += 1;
        if (![top + 1, (top + bottom) / 2, bottom - 1].every(covers)) seen.blank += 1;
        seen.placeholders += rows.querySelector('.unknown') ? 1 : 0;
    };
    // The list listens first, and so draws its rows before this looks at them, in the same frame.
    scroller.addEventListener('scroll', () => requestAnimationFrame(look));
    while (scroller.scrollTop < end) {
        scroller.scrollTop += step;
        await new Promise(resolve => setTimeout(resolve, 8));
    }
    return seen; }"""


def longest_task(trace: bytes) -> float:
    """Microseconds of processor time of the longest task in the main threads of pages."""
    events = json.loads(trace)["traceEvents"]
    names = {(each["pid"], each["tid"]): each["args"]["name"] for each in events if each["name"] == "thread_name"}
    return max(
        each.get("tdur", 0)
        for each in events
        if each["name"].endswith("RunTask") and names.get((each["pid"], each["tid"])) == "CrRendererMain"
    )


@pytest.fixture
def page(visit: Open, dev: Environment) -> Any:
    """The list of a server that has 20,000 copies of one letter."""
    dev.send(letter("Letter"), "bob@home.test")
    dev.wait(dev.listed)
    (one,) = dev.listed()

    def answer(route: Any) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        start, limit = int(query.get("start", ["0"])[0]), int(query.get("limit", ["50"])[0])
        numbers = range(MANY - start, max(0, MANY - start - limit), -1)
        letters = [{**one, "id": f"{one['id']}{n}", "number": n, "subject": f"Letter {n}"} for n in numbers]
        following = numbers[-1] if len(numbers) == limit and limit else None
        route.fulfill(json={"letters": letters, "total": MANY, "unread": MANY, "exact": True, "next": following})

    opened = visit("#/setup")
    opened.route("**/v1/letters?*", answer)
    opened.evaluate("location.hash = '#/letters'")
    opened.locator(".row", has_text=f"Letter {MANY}").wait_for()
    return opened


@pytest.mark.parametrize("step", [5 * ROW, 100 * ROW], ids=["along", "in-leaps"])
def test_a_fast_scroll_shows_placeholders_and_then_letters(browser: tuple[Any, Trap], page: Any, step: int) -> None:
    end = MANY * ROW if step > 50 * ROW else 1000 * ROW
    browser[0].start_tracing(page=page, categories=["toplevel", "__metadata"])
    seen = page.evaluate(SCROLL, [end - 2000, step])
    until(page, "!document.querySelector('.row.unknown') && document.querySelectorAll('.row .subject').length > 10")
    longest = longest_task(browser[0].stop_tracing())
    assert seen["frames"] > 10
    assert seen["blank"] == 0
    if step > 50 * ROW:
        assert seen["placeholders"] > 0
    assert longest < MAX_TASK_US


def test_what_is_not_drawn_yet_looks_like_placeholders(page: Any) -> None:
    """The compositor scrolls by itself: it may show what the page has not drawn yet."""
    page.evaluate("for (const each of document.querySelectorAll('.row')) each.style.visibility = 'hidden'")
    octets = page.locator(".scroller").screenshot()
    with Image.open(BytesIO(octets)) as picture:
        drawn = picture.convert("L")
        middle = [drawn.getpixel((drawn.width // 4, y)) for y in range(drawn.height)]
    assert len(set(middle)) > 1
