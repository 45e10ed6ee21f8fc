"""The journey in a real browser: drawn as it was, moving while the letter does, and told to those who can't see."""

from __future__ import annotations

import pytest

from tests.browser.browsing import DESKTOP, PHONE
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])


@SIZES
def test_the_whole_way_of_a_letter_is_drawn(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    found = dev.submit(letter("Hello", From="alice@home.test", To="carol@elsewhere.test"), "carol@elsewhere.test")
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "relayed"])
    page = visit(f"#/journey/{found}", size=size)
    page.locator(".map").get_by_text("carol@elsewhere.test").first.wait_for()
    titles = page.locator(".map .station strong").all_inner_texts()
    assert titles == [
        "alice@home.test",
        "mx.home.test",
        "Queue",
        "Attempt 1",
        "mx.world.test",
        "carol@elsewhere.test",
        "Not fetched yet",
    ]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    way = page.locator(".track").get_attribute("data-way")
    assert way == ("down" if size == PHONE else way)
    page.locator(".station", has_text="Attempt 1").get_by_role("button").click()
    page.locator(".steps .marked .dialogue", has_text="RCPT TO:<carol@elsewhere.test>").wait_for()


def test_who_can_t_see_hears_the_same_in_the_same_order(visit: Open, dev: Environment) -> None:
    found = dev.submit(
        letter("Hello", From="alice@home.test", To="bob@home.test, carol@elsewhere.test"),
        "bob@home.test",
        "carol@elsewhere.test",
    )
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "relayed"])
    page = visit(f"#/journey/{found}")
    page.locator(".branch").nth(1).wait_for()
    told = page.locator("main").aria_snapshot()
    assert told.index("alice@home.test") < told.index("mx.home.test") < told.index('list "Recipients"')
    for name in ('list "To bob@home.test"', 'list "To carol@elsewhere.test"', 'list "Step by step"'):
        assert name in told


def test_a_letter_that_is_fetched_arrives_before_one_s_eyes(visit: Open, dev: Environment) -> None:
    import poplib
    import ssl

    found = dev.submit(letter("Watch me", From="alice@home.test"), "bob@home.test")
    dev.summary(found)
    page = visit(f"#/journey/{found}")
    page.get_by_text("Not fetched yet").wait_for()
    trust = ssl.create_default_context(cafile=dev.facts["ca_file"])
    reader = poplib.POP3_SSL("localhost", dev.facts["services"]["pop3s"]["port"], timeout=20, context=trust)
    reader.user("bob")
    reader.pass_("bob")
    for number in range(1, reader.stat()[0] + 1):
        reader.retr(number)
        reader.dele(number)
    reader.quit()
    page.get_by_text("Collected", exact=True).first.wait_for()
    page.get_by_text("Not fetched yet").wait_for(state="detached")
