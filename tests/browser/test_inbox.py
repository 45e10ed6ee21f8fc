"""Inbox in Chromium: live updates, search, selection and undo, by mouse and keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.browser.browsing import PHONE, SIZES, WIDE, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter, order
from tests.clients.environment import need


def subjects(page: object) -> list[str]:
    return page.locator(".row .subject").all_inner_texts()  # type: ignore[attr-defined,no-any-return]


@SIZES
def test_an_empty_inbox_shows_how_to_send_a_letter(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    page = visit(size=size)
    hint = page.locator(".hint-card")
    hint.get_by_text("swaks").first.wait_for()
    port = str(dev.facts["services"]["capture"]["port"])
    assert hint.inner_text().count(port) >= 4
    for program in ("curl", "Python"):
        assert program in hint.inner_text()


def test_an_empty_inbox_says_so_again_after_a_search_that_found_nothing(visit: Open) -> None:
    page = visit()
    page.locator(".hint-card").wait_for()
    page.get_by_label("Search letters").fill("nobody wrote this")
    page.get_by_role("heading", name="Nothing found").wait_for()
    page.get_by_label("Search letters").fill("")
    page.locator(".hint-card").wait_for()
    page.goto(f"{page.url.partition('#')[0]}#/letters?mailbox=$(x)@home.test")
    page.get_by_role("heading", name="No letter here yet").wait_for()
    page.locator(".hint-card").get_by_text("--to bob@home.test").first.wait_for()


@SIZES
def test_a_letter_shows_up_without_reload(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    page = visit(size=size)
    page.locator(".hint-card").wait_for()
    dev.send(letter("Out of the blue"), "bob@home.test")
    page.locator(".row", has_text="Out of the blue").wait_for()
    until(page, "document.querySelectorAll('.row.unread').length === 1")
    until(page, "document.title.startsWith('(1)')")


def test_a_letter_that_is_opened_is_read(visit: Open, dev: Environment) -> None:
    dev.fill("One", "Two")
    page = visit()
    page.locator(".row", has_text="One").locator("a").click()
    page.get_by_role("heading", name="One", level=1).wait_for()
    page.locator(".plain", has_text="Hello Bob").wait_for()
    dev.wait(lambda: [each["unread"] for each in dev.listed()] == [True, False])
    page.go_back()
    page.locator(".row", has_text="One").wait_for()
    until(page, "document.querySelectorAll('.row.unread').length === 1")


def test_the_keyboard_is_enough(visit: Open, dev: Environment) -> None:
    dev.fill("Oldest", "Middle", "Newest")
    page = visit()
    page.locator(".row").nth(2).wait_for()
    press = page.keyboard.press
    press("j")
    press("j")
    page.locator(".row.current", has_text="Middle").wait_for()
    press("Enter")
    page.get_by_role("heading", name="Middle", level=1).wait_for()
    press("j")
    page.get_by_role("heading", name="Oldest", level=1).wait_for()
    press("k")
    page.get_by_role("heading", name="Middle", level=1).wait_for()
    press("u")
    page.locator(".reader").wait_for(state="hidden")
    press("x")
    page.get_by_text("1 selected").wait_for()
    press("k")
    press("x")
    page.get_by_text("2 selected").wait_for()
    press("#")
    page.get_by_text("2 letters deleted").wait_for()
    until(page, "document.querySelectorAll('.row').length === 1")
    assert subjects(page) == ["Oldest"]
    press("z")
    page.locator(".row").nth(2).wait_for()
    assert subjects(page) == ["Newest", "Middle", "Oldest"]
    press("/")
    page.keyboard.type("subject:oldest")
    until(page, "document.querySelectorAll('.row').length === 1")
    press("Escape")
    page.locator(".row").nth(2).wait_for()
    press("Escape")
    press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    press("Escape")
    press("g")
    press("q")
    page.get_by_role("heading", name="Queue", level=1).wait_for()
    press("g")
    press("i")
    page.locator(".row").nth(2).wait_for()


def test_everything_can_be_reached_with_the_tab_key_and_shows_its_focus(visit: Open, dev: Environment) -> None:
    dev.fill("One")
    page = visit()
    page.locator(".row").wait_for()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        facts = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.tagName, e.textContent.trim() || e.getAttribute('aria-label'), e === document.body || s.outlineStyle !== 'none' || e.matches('#search')]; }"""
        )
        assert facts[2], facts
        seen.add(facts[1])
    for wanted in ("Skip to the content", "Write a letter", "Queue", "Search letters", "Select all letters", "Clock"):
        assert any(wanted in str(each) for each in seen), wanted
    assert any("One" in str(each) for each in seen)


def test_many_are_selected_at_once(visit: Open, dev: Environment) -> None:
    dev.fill(*(f"Letter {number}" for number in range(6)))
    page = visit()
    page.locator(".row").nth(5).wait_for()
    page.locator(".row .select").nth(0).click()
    page.locator(".row .select").nth(3).click(modifiers=["Shift"])
    page.get_by_text("4 selected").wait_for()
    page.get_by_role("button", name="Mark as read").click()
    dev.wait(lambda: sum(each["unread"] for each in dev.listed()) == 2)
    page.get_by_label("Select all letters").click()
    page.get_by_text("6 selected").wait_for()
    page.get_by_role("button", name="Tags").click()
    page.get_by_label("Add").fill("spring, to check")
    page.get_by_role("button", name="Change").click()
    dev.wait(lambda: all(each["tags"] == ["spring", "to check"] for each in dev.listed()))
    page.locator(".row .tag", has_text="spring").nth(5).wait_for()
    page.get_by_role("navigation").get_by_role("link", name="to check").click()
    until(page, "location.hash.includes('tag')")
    page.locator(".row").nth(5).wait_for()
    page.locator("[data-page=letters]").first.click()
    page.locator(".row").nth(5).wait_for()
    page.get_by_label("Select all letters").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.locator(".hint-card").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.locator(".row").nth(5).wait_for()


def test_all_letters_of_a_search_are_deleted_for_good_after_a_question(visit: Open, dev: Environment) -> None:
    dev.fill("Apple one", "Apple two", "Pear")
    page = visit("#/letters?query=apple")
    page.locator(".row").nth(1).wait_for()
    page.get_by_role("button", name="Delete all").click()
    question = page.get_by_role("dialog", name="Delete all 2 letters of this search?")
    question.get_by_text("This can't be undone.").wait_for()
    page.keyboard.press("Enter")
    question.wait_for(state="hidden")
    assert len(dev.listed()) == 3, "the focus is on Cancel"
    page.get_by_role("button", name="Delete all").click()
    question.get_by_role("button", name="Delete 2").click()
    page.get_by_text("2 letters deleted for good").wait_for()
    page.get_by_role("heading", name="Nothing found").wait_for()
    assert not page.get_by_role("button", name="Undo").count()
    assert [each["subject"] for each in dev.listed()] == ["Pear"]


def test_a_wide_list_has_a_column_of_sizes_and_a_phone_has_it_in_the_letter(visit: Open, dev: Environment) -> None:
    octets = b"From: app@example.test\r\nSubject: Large\r\n\r\n" + (b"x" * 98 + b"\r\n") * 25
    shown = f"{dev.summary(dev.send(octets, 'bob@home.test'))['size'] / 1000:.1f} kB"
    page = visit(size=WIDE)
    page.locator(".row .size", has_text=shown).wait_for()
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.locator(".row .size").wait_for(state="hidden")
    page.locator(".row a").click()
    page.locator(".parties", has_text=shown).wait_for()


def test_a_search_is_kept_in_the_address_and_explained(visit: Open, dev: Environment) -> None:
    dev.fill("Apples", "Pears")
    page = visit("#/letters?query=subject%3Apears")
    page.locator(".row").wait_for()
    assert subjects(page) == ["Pears"]
    page.get_by_label("How to search").click()
    page.get_by_role("dialog", name="How to search").get_by_role("button", name="has:attachment").click()
    page.get_by_role("heading", name="Nothing found").wait_for()
    assert page.locator("#search").input_value() == "subject:pears has:attachment"
    page.get_by_role("link", name="Show all letters").click()
    page.locator(".row").nth(1).wait_for()


def test_letters_are_found_by_state_and_an_unknown_filter_is_explained(visit: Open, dev: Environment) -> None:
    dev.submit(letter("Lost", From="alice@home.test"), "bob@home.test")
    dev.send(letter("Arrived"), "bob@home.test")
    dev.wait(lambda: [each["state"] for each in dev.listed()] == ["delivered"] * 2)
    held = dev.api("GET", "v1/letters?query=subject:lost")["letters"][0]["id"]
    page = visit("#/letters?query=is%3Adelivered")
    page.locator(".row").nth(1).wait_for()
    page.get_by_label("Search letters").fill("is:queued")
    page.get_by_role("heading", name="Nothing found").wait_for()
    page.get_by_label("Search letters").fill("is:late")
    page.get_by_role("alert").get_by_text("is:bounced").wait_for()
    page.get_by_label("Search letters").fill("is:delivered subject:lost")
    page.locator(".row", has_text="Lost").wait_for()
    assert page.locator(".row").get_attribute("data-id") == held


def test_each_mailbox_has_its_own_list(visit: Open, dev: Environment) -> None:
    dev.send(letter("For carol", To="carol@elsewhere.test"), "carol@elsewhere.test")
    dev.send(letter("For bob"), "bob@home.test")
    page = visit()
    page.locator(".row").nth(1).wait_for()
    page.get_by_role("navigation").get_by_role("link", name="carol@elsewhere.test").click()
    until(page, "document.querySelectorAll('.row').length === 1")
    assert subjects(page) == ["For carol"]
    dev.send(letter("Another for carol", To="carol@elsewhere.test"), "carol@elsewhere.test")
    page.locator(".row", has_text="Another for carol").wait_for()
    dev.send(letter("Another for bob"), "bob@home.test")
    until(page, "document.getElementById('unread').textContent === '4'")
    assert "Another for bob" not in subjects(page)


def test_the_list_stands_beside_the_letter_where_there_is_room(visit: Open, dev: Environment) -> None:
    dev.fill("One", "Two")
    page = visit(size=WIDE)
    page.locator(".row", has_text="One").locator("a").click()
    page.get_by_role("heading", name="One", level=1).wait_for()
    assert page.locator(".row", has_text="Two").is_visible()
    page.set_viewport_size({"width": 700, "height": 800})
    page.locator(".row", has_text="Two").wait_for(state="hidden")


def test_what_is_far_down_is_loaded_when_it_comes_near(visit: Open, dev: Environment) -> None:
    dev.fill(*(f"Number {number:03}" for number in range(130)))
    page = visit()
    page.locator(".row").first.wait_for()
    for _ in range(12):
        page.evaluate("document.querySelector('.scroller').scrollTop += 800")
        page.wait_for_timeout(50)
    page.locator(".row", has_text="Number 000").wait_for()
    assert page.locator(".row").count() < 60, "only what is in sight is in the document"


def test_when_the_server_is_gone_the_page_says_so(visit: Open, dev: Environment) -> None:
    dev.fill("One")
    page = visit()
    page.locator(".row").wait_for()
    until(page, "document.getElementById('live').dataset.state === 'live'")
    page.context.set_offline(True)
    page.locator(".row a").click()
    page.get_by_role("heading", name="This letter can't be shown").wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Back to the list").click()
    page.locator(".row").wait_for()


def test_however_small_the_window_a_letter_can_be_sent(visit: Open, dev: Environment) -> None:
    page = visit(size=(320, 480))
    page.locator(".hint-card").wait_for()
    page.get_by_role("button", name="Write a letter").last.click()
    page.get_by_role("dialog").wait_for()
    below = page.evaluate("document.querySelector('dialog footer').getBoundingClientRect().bottom - innerHeight")
    assert below < 0


def test_a_letter_is_written_and_answered(visit: Open, dev: Environment) -> None:
    page = visit()
    page.get_by_role("button", name="Write a letter").first.click()
    page.get_by_label("To", exact=True).fill("carol@elsewhere.test")
    page.get_by_label("Subject").fill("From the browser")
    page.get_by_label("Text").fill("Hello Carol")
    page.get_by_label("Files").set_input_files({"name": "note.txt", "mimeType": "text/plain", "buffer": b"enclosed"})
    page.get_by_role("button", name="Send").click()
    page.locator(".row", has_text="From the browser").wait_for()
    sent = dev.listed()[0]
    assert (sent["sender"], sent["attachments"]) == ("alice@home.test", 1)
    dev.send(order(), "bob@home.test")
    page.locator(".row", has_text="Your order").locator("a").click()
    page.get_by_role("button", name="Reply").click()
    form = page.get_by_role("dialog", name="Reply")
    form.wait_for()
    assert form.get_by_label("To", exact=True).input_value() == "orders@shop.example"
    assert form.get_by_label("From").input_value() == "bob@home.test"
    assert "> Hello Bob," in form.get_by_label("Text").input_value()
    form.get_by_role("button", name="Send").click()
    form.wait_for(state="hidden")
    dev.wait(lambda: dev.listed()[0]["subject"] == "Re: Your order 4711 has been shipped")


def test_every_line_that_the_empty_inbox_teaches_sends_a_letter(visit: Open, dev: Environment) -> None:
    need("swaks", "curl", "python3")
    page = visit("#/letters?mailbox=carol%40elsewhere.test")
    page.locator(".hint-card pre").nth(3).wait_for()
    lines = page.locator(".hint-card pre").all_inner_texts()
    environ = {**os.environ, **dev.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for count, line in enumerate(lines, 1):
        subprocess.run(["bash", "-c", line], check=True, timeout=60, env=environ, capture_output=True)
        dev.wait(lambda count=count: len(dev.listed()) == count)
        page.locator(".row").nth(count - 1).wait_for()
    assert {each["subject"] for each in dev.listed()} == {"Hello"}


@SIZES
def test_without_scripts_nothing_is_shown_that_does_not_work(visit: Open, size: tuple[int, int]) -> None:
    page = visit(size=size, java_script_enabled=False)
    page.locator(".noscript").wait_for()
    assert not page.get_by_role("button").count()
    page.locator(".noscript a").click()
    row = page.get_by_role("row").filter(has_text="submissions").bounding_box()
    assert row is not None
    assert row["height"] < 50, "no name of a service or a port is broken"
