"""Long list of letters in Chromium: scroll bar, partial loading, and paint time."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.browsing import until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter

MANY = 1500
ROW = 46
MIDDLE = "document.querySelector('.scroller').scrollTop = 700 * 46"


@pytest.fixture
def dev(running: Environment) -> Environment:
    """With many letters. A test that changes them puts them back; if one has not, they are made anew."""
    if running.total() != MANY:
        running.empty()
        running.fill(*(f"Letter {number}" for number in range(MANY)))
    return running


def asked(page: Any) -> list[int]:
    """Where the pages of letters began that were asked for."""
    names = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    return [int(found[1]) for name in names if (found := re.search(r"v1/letters\?.*start=(\d+)", name))]


def first_in_sight(page: Any) -> str:
    return str(
        page.evaluate(
            """() => { const top = document.querySelector('.scroller').getBoundingClientRect().top;
            return [...document.querySelectorAll('.row')].map(each => [each.getBoundingClientRect().top, each.querySelector('.subject')?.textContent])
            .filter(each => each[0] >= top - 1).sort((a, b) => a[0] - b[0])[0][1] ?? ''; }"""
        )
    )


def test_a_jump_into_the_middle_asks_for_the_middle(visit: Open, dev: Environment) -> None:
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").wait_for()
    assert page.evaluate("document.querySelector('.rows').offsetHeight") == MANY * ROW
    page.evaluate(MIDDLE)
    until(page, "[...document.querySelectorAll('.row .subject')].some(each => each.textContent === 'Letter 799')")
    assert first_in_sight(page) == "Letter 799"
    assert not {start for start in asked(page) if 200 <= start < 600}, "nothing between was asked for"
    assert page.locator(".row .subject", has_text=re.compile("^Letter 799$")).locator(
        "xpath=ancestor::li"
    ).get_attribute("aria-posinset") == str(MANY - 799)


def test_scroll_position_in_the_middle_is_kept(visit: Open, dev: Environment) -> None:
    """Whatever comes or goes above, in his own page or in another."""
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").wait_for()
    page.evaluate(MIDDLE)
    until(page, "[...document.querySelectorAll('.row .subject')].some(each => each.textContent === 'Letter 799')")
    gone = dev.api("DELETE", "v1/letters", {"query": 'subject:"Letter 1400"'})
    assert gone["deleted"] == 1
    until(page, f"document.querySelector('.rows').offsetHeight === {(MANY - 1) * ROW}")
    assert first_in_sight(page) == "Letter 799"
    dev.api("POST", "v1/undo", {"token": gone["undo"]})
    until(page, f"document.querySelector('.rows').offsetHeight === {MANY * ROW}")
    assert first_in_sight(page) == "Letter 799"


def test_the_end_is_reached_and_the_keyboard_goes_on_there(visit: Open, dev: Environment) -> None:
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").wait_for()
    page.evaluate("document.querySelector('.scroller').scrollTop = 1e9")
    page.locator(".row", has_text=re.compile(r"Letter 0\b")).locator("a").click()
    page.get_by_role("heading", name="Letter 0", level=1).wait_for()
    page.keyboard.press("k")
    page.get_by_role("heading", name="Letter 1", level=1).wait_for()


def test_all_but_some_are_marked(visit: Open, dev: Environment) -> None:
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").wait_for()
    page.get_by_label("Select all letters").check()
    page.get_by_text(re.compile(r"1,500 selected")).wait_for()
    page.locator(".row", has_text=f"Letter {MANY - 2}").get_by_role("checkbox").uncheck()
    page.get_by_text(re.compile(r"1,499 selected")).wait_for()
    page.get_by_role("button", name="Mark as read").click()
    dev.wait(lambda: dev.api("GET", "v1/letters?limit=1")["unread"] == 1)
    (left,) = dev.api("GET", "v1/letters?query=is:unread")["letters"]
    assert left["subject"] == f"Letter {MANY - 2}"


def test_range_includes_letters_that_are_not_loaded(visit: Open, dev: Environment) -> None:
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").get_by_role("checkbox").check()
    page.evaluate(MIDDLE)
    page.locator(".row", has_text=re.compile(r"Letter 790\b")).get_by_role("checkbox").click(modifiers=["Shift"])
    page.get_by_text(re.compile("710 selected")).wait_for()
    page.get_by_role("button", name="Delete").click()
    dev.wait(lambda: dev.total() == MANY - 710)
    page.locator(".row", has_text=re.compile(r"Letter 789\b")).wait_for()
    page.get_by_role("button", name="Undo").click()
    dev.wait(lambda: dev.total() == MANY)


def test_a_large_search_shows_its_exact_total_and_keeps_the_scroll_bar(visit: Open, dev: Environment) -> None:
    """The server counts a part of a large search at first: here 100 letters."""

    def count_a_part(route: Any) -> None:
        response = route.fetch()
        found = response.json()
        if "exact=1" not in route.request.url and "query=" in route.request.url:
            found |= {"total": 100, "unread": 100, "exact": False}
        route.fulfill(response=response, json=found)

    page = visit("#/setup")
    page.route("**/v1/letters?*", count_a_part)
    page.evaluate("location.hash = '#/letters?query=is%3Adelivered'")
    page.get_by_text("1,500 letters").wait_for()
    height = "document.querySelector('.rows').offsetHeight"
    until(page, f"{height} === {MANY * ROW}")
    page.evaluate(MIDDLE)
    page.locator(".row", has_text="Letter 799").wait_for()
    dev.send(letter("One more"), "bob@home.test")
    heights = page.evaluate(
        f"""() => new Promise(resolve => {{ const seen = new Set(); const end = performance.now() + 3000;
        const look = () => {{ seen.add({height}); performance.now() < end && {height} !== {(MANY + 1) * ROW}
            ? requestAnimationFrame(look) : resolve([...seen]); }}; look(); }})"""
    )
    assert set(heights) <= {MANY * ROW, (MANY + 1) * ROW}
    assert (MANY + 1) * ROW in heights
    assert dev.api("DELETE", "v1/letters", {"query": 'subject:"One more"'})["deleted"] == 1


def test_rows_that_are_not_loaded_have_placeholders_of_their_height(visit: Open, dev: Environment) -> None:
    page = visit()
    page.locator(".row", has_text=f"Letter {MANY - 1}").wait_for()
    held: list[Any] = []
    page.route("**/v1/letters?*start=*", lambda route: held.append(route))  # noqa: PLW0108
    page.evaluate(MIDDLE)
    page.locator(".row.unknown").first.wait_for()
    boxes = page.evaluate("[...document.querySelectorAll('.row.unknown')].map(each => each.offsetHeight)")
    assert len(boxes) > 10
    assert set(boxes) == {ROW}
    before = page.evaluate("document.querySelector('.scroller').scrollTop")
    for route in held:
        route.continue_()
    page.locator(".row", has_text="Letter 799").wait_for()
    assert page.evaluate("document.querySelector('.scroller').scrollTop") == before
    assert page.evaluate("document.querySelector('.rows').offsetHeight") == MANY * ROW
