"""Login page in Chromium: required for remote access, and logout."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.browsing import DESKTOP, Trap, Watched, until
from tests.browser.environment import Environment
from tests.browser.letters import letter, order
from tests.journeys.clients import send
from tests.journeys.process import PATIENCE, serve
from tests.journeys.process import server as mail_server


@pytest.fixture
def guarded(tmp_path: Any) -> Iterator[Environment]:
    """It listens on every interface, so that whoever comes has to log in."""
    with Environment(tmp_path, "--host", "0.0.0.0") as found:
        found.web = f"http://127.0.0.1:{found.port('web')}/"
        found.facts["services"]["capture"]["host"] = "127.0.0.1"
        yield found


def test_one_logs_in_and_out(browser: tuple[Any, Trap], guarded: Environment) -> None:
    guarded.send(letter("For your eyes only"), "bob@home.test")
    context = browser[0].new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    watched = Watched(page, browser[1])
    page.goto(guarded.web + "#/letters?query=eyes")
    page.get_by_role("heading", name="Log in").wait_for()
    assert not page.locator("#navigation").is_visible()
    assert not page.locator("#offline").is_visible()
    page.get_by_label("Address").fill("bob@home.test")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Wrong address or password.").wait_for()
    page.get_by_label("Password").fill("bob")
    page.get_by_role("button", name="Log in").click()
    page.locator(".row", has_text="For your eyes only").wait_for()
    assert page.url.endswith("#/letters?query=eyes"), "where one wanted to go"
    until(page, "document.getElementById('live').dataset.state === 'live'")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert page.locator(".row").count() == 0
    context.close()
    watched.check()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of `mailstack serve` with an inbox in the browser."""
    directory = tmp_path_factory.mktemp("server")
    with serve(mail_server(directory, "[index]\nenabled = true\n", web=True), services=4) as server:
        yield server.ports
        assert server.stop() == 0


@pytest.fixture
def bob(browser: tuple[Any, Trap], served: dict[str, int]) -> Iterator[Any]:
    """A page of his, logged in, without letters."""
    context = browser[0].new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    watched = Watched(page, browser[1])
    page.goto(f"http://127.0.0.1:{served['web']}/")
    page.get_by_label("Address").fill("bob@home.test")
    page.get_by_label("Password").fill("bob")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="No letter here yet").wait_for()
    yield page
    page.evaluate(
        "fetch('v1/letters', {method: 'DELETE', headers: {'Content-Type': 'application/json'}, body: '{\"all\": true}'})"
    )
    context.close()
    watched.check()


def test_a_user_of_a_server_is_offered_what_is_for_him(bob: Any, served: dict[str, int]) -> None:
    offered = bob.locator("#navigation a[data-needs]:visible")
    until(bob, "document.querySelector('#navigation a[data-page=queue]').closest('li').hidden")
    assert offered.all_inner_texts() == ["Accounts"]
    assert bob.locator("#navigation h2:visible").all_inner_texts() == ["ENVIRONMENT", "CLIENTS"]
    send(served["submission"], "For bob", "bob@home.test")
    bob.locator(".row a", has_text="For bob").click()
    bob.get_by_role("tab", name="Checks").click()
    bob.get_by_text("no server has written down").wait_for()
    bob.get_by_role("tab", name="Journey").click()
    bob.get_by_text("Only the sender of this message may read its journey").wait_for()


def test_a_user_of_a_server_sees_html_with_its_pictures(bob: Any, served: dict[str, int]) -> None:
    with smtplib.SMTP("127.0.0.1", served["submission"], timeout=PATIENCE) as client:
        client.login("alice", "alice")
        made = order()
        made.replace_header("From", "alice@home.test")
        client.send_message(made, "alice@home.test", ["bob@home.test"])
    bob.locator(".row a", has_text="Your order 4711").click()
    bob.frame_locator("iframe").get_by_role("heading", name="Your parcel is on its way").wait_for()
    until(
        bob,
        "document.querySelector('iframe').contentDocument.querySelector('img[alt=\"The shop\"]').naturalWidth === 120",
    )
