"""Dialogs and the browser's Back button."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import order


def opened(page: Any, name: str = "How to search") -> Any:
    page.get_by_role("button", name=name).first.click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    return dialog


def at_queue_after_inbox(visit: Open) -> Any:
    """The queue, with the inbox as the entry before it."""
    page = visit("#/letters")
    page.get_by_role("button", name="How to search").wait_for()
    page.evaluate("location.hash = '#/queue'")
    page.get_by_role("heading", name="Queue", level=1).wait_for()
    return page


def test_back_closes_a_dialog_and_the_page_stays(visit: Open) -> None:
    page = visit("#/queue")
    page.get_by_role("heading", name="Queue", level=1).wait_for()
    page.evaluate("location.hash = '#/letters'")
    dialog = opened(page)
    page.go_back()
    dialog.wait_for(state="hidden")
    assert page.evaluate("location.hash") == "#/letters"
    page.go_back()
    page.get_by_role("heading", name="Queue", level=1).wait_for()


def test_a_dialog_closed_by_a_key_leaves_no_entry(visit: Open) -> None:
    page = at_queue_after_inbox(visit)
    for _ in range(2):
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard")
        dialog.wait_for()
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    page.wait_for_function("!history.state?.overlays")
    page.go_back()
    page.get_by_role("button", name="How to search").wait_for()
    assert page.evaluate("location.hash") == "#/letters"


def test_a_key_after_a_dialog_opens_another_page(visit: Open) -> None:
    """The dialog's entry is still being left when the next page is asked for."""
    page = at_queue_after_inbox(visit)
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    for key in ("Escape", "g", "a"):
        page.keyboard.press(key)
    page.get_by_role("heading", name="Accounts", level=1).wait_for()
    page.go_back()
    page.get_by_role("heading", name="Queue", level=1).wait_for()


def test_a_place_opened_from_a_dialog_takes_its_entry(visit: Open, dev: Environment) -> None:
    dev.send(order(), "bob@home.test")
    page = visit("#/letters")
    page.locator(".row").wait_for()
    opened(page).get_by_role("button", name="has:attachment").click()
    page.wait_for_function("location.hash.includes('has')")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.go_back()
    page.wait_for_function("location.hash === '#/letters'")
    assert page.get_by_role("dialog").count() == 0
