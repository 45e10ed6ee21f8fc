"""Preferences of a browser: color theme, and notifications of new letters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.browsing import until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import SCRIPT, letter

WATCH = """globalThis.colors = new Set();
const look = () => { if (document.body && document.styleSheets.length) colors.add(getComputedStyle(document.body).backgroundColor); requestAnimationFrame(look); };
look();"""
PAPER = {"light": "rgb(246, 245, 242)", "dark": "rgb(19, 21, 25)"}
SHOWN = "getComputedStyle(document.body).backgroundColor"
NOTIFICATIONS = """globalThis.asked = 0; globalThis.shown = []; globalThis.isHidden = false;
globalThis.Notification = class { static permission = 'default';
static async requestPermission() { asked += 1; return (this.permission = %r); }
constructor(title, options) { shown.push([title, options.body]); } close() {} };
Object.defineProperty(document, 'hidden', {get: () => isHidden});"""


@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_theme_is_kept_and_there_from_the_first_paint(visit: Open, system: str) -> None:
    page = visit("#/setup", scheme=system, fresh=True)
    page.get_by_role("button", name="Theme: system").click()
    until(page, f"{SHOWN} === '{PAPER['light']}'")
    page.get_by_role("button", name="Theme: light").click()
    until(page, f"{SHOWN} === '{PAPER['dark']}'")
    page.add_init_script(WATCH)
    page.reload()
    page.get_by_role("button", name="Theme: dark").wait_for()
    colors = page.evaluate("[...colors]")
    assert set(colors) - {"rgba(0, 0, 0, 0)"} == {PAPER["dark"]}, "another color would flash"
    page.get_by_role("button", name="Theme: dark").click()
    until(page, f"{SHOWN} === '{PAPER[system]}'")


def test_a_theme_is_that_of_all_tabs(visit: Open, dev: Environment) -> None:
    page = visit("#/setup")
    other = page.context.new_page()
    other.goto(f"{dev.web}#/clock")
    other.get_by_role("button", name="Theme: system").wait_for()
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    until(other, f"{SHOWN} === '{PAPER['dark']}'")
    other.get_by_role("button", name="Theme: dark").wait_for()


def notified(visit: Open, permission: str) -> Any:
    """A page whose browser gives this permission, and records notifications."""
    page = visit("#/setup", fresh=True)
    page.add_init_script(NOTIFICATIONS % permission)
    page.reload()
    page.get_by_role("button", name="Notify me of new letters").wait_for()
    until(page, "document.getElementById('live').dataset.state === 'live'")
    return page


def test_new_letters_are_notified_only_while_the_page_is_hidden(visit: Open, dev: Environment) -> None:
    page = notified(visit, "granted")
    dev.summary(dev.send(letter("Before"), "bob@home.test"))
    assert page.evaluate("asked") == 0, "the browser asks after a click only"
    page.get_by_role("button", name="Notify me of new letters").click()
    page.get_by_role("button", name="Notifications are on", pressed=True).wait_for()
    dev.summary(dev.send(letter("Visible"), "bob@home.test"))
    page.get_by_role("link", name="Inbox").click()
    page.locator(".row", has_text="Visible").wait_for()
    page.evaluate("isHidden = true")
    dev.send(letter(SCRIPT), "bob@home.test")
    until(page, "shown.length === 1")
    assert page.evaluate("shown") == [["App", SCRIPT]]
    dev.send(letter("One"), "bob@home.test")
    dev.send(letter("Two"), "bob@home.test")
    until(page, "shown.length === 2")
    assert page.evaluate("shown[1]") == ["2 new letters", "Two"], "several at once are one notification"
    page.get_by_role("button", name="Notifications are on").click()
    page.get_by_role("button", name="Notify me of new letters", pressed=False).wait_for()
    assert page.evaluate("asked") == 1


def test_a_browser_that_blocks_notifications_is_explained(visit: Open) -> None:
    page = notified(visit, "denied")
    page.get_by_role("button", name="Notify me of new letters").click()
    page.get_by_text("The browser blocks notifications of this page").wait_for()
    page.get_by_role("button", name="Notify me of new letters", pressed=False).wait_for()
