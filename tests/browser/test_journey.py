"""Journey in Chromium: picture, live updates, accessibility, and its model."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest

from tests.browser.browsing import PHONE, SIZES
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter


@SIZES
def test_the_whole_way_of_a_letter_is_drawn(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    found = dev.submit(letter("Hello", From="alice@home.test", To="carol@elsewhere.test"), "carol@elsewhere.test")
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "relayed"])
    page = visit(f"#/journey/{found}", size=size)
    page.locator(".map").get_by_text("carol@elsewhere.test").first.wait_for()
    titles = page.locator(".map .station strong").all_inner_texts()
    path = ["alice@home.test", "mx.home.test", "Queue", "Attempt 1", "mx.world.test", "carol@elsewhere.test"]
    assert titles == [*path, "Not fetched yet"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    way = page.locator(".track").get_attribute("data-way")
    assert way == ("down" if size == PHONE else way)
    page.locator(".station", has_text="Attempt 1").get_by_role("button").click()
    page.locator(".steps .marked .dialogue", has_text="RCPT TO:<carol@elsewhere.test>").wait_for()


def test_journey_is_accessible_in_the_same_order(visit: Open, dev: Environment) -> None:
    to = ("bob@home.test", "carol@elsewhere.test")
    found = dev.submit(letter("Hello", From="alice@home.test", To=", ".join(to)), *to)
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "relayed"])
    page = visit(f"#/journey/{found}")
    page.locator(".branch").nth(1).wait_for()
    told = page.locator("main").aria_snapshot()
    assert told.index("alice@home.test") < told.index("mx.home.test") < told.index('list "Recipients"')
    for name in ('list "To bob@home.test"', 'list "To carol@elsewhere.test"', 'list "Step by step"'):
        assert name in told


def test_fetch_of_a_letter_is_shown_live(visit: Open, dev: Environment) -> None:
    found = dev.submit(letter("Watch me", From="alice@home.test"), "bob@home.test")
    dev.summary(found)
    page = visit(f"#/journey/{found}")
    page.get_by_text("Not fetched yet").wait_for()
    reader = dev.reader("bob")
    for number in range(1, reader.stat()[0] + 1):
        reader.retr(number)
        reader.dele(number)
    reader.quit()
    page.get_by_text("Collected", exact=True).first.wait_for()
    page.get_by_text("Not fetched yet").wait_for(state="detached")


def test_what_an_imap_client_does_is_shown_live(visit: Open, dev: Environment) -> None:
    """IMAP-123."""
    found = dev.submit(letter("Read me", From="alice@home.test"), "bob@home.test")
    dev.summary(found)
    page = visit(f"#/journey/{found}")
    page.get_by_text("Not fetched yet").wait_for()
    with imaplib.IMAP4_SSL("localhost", dev.port("imaps"), ssl_context=dev.trust, timeout=10) as client:
        client.login("bob@home.test", "bob")
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "(\\Seen)")
        client.uid("MOVE", "1:*", "Junk")
    page.get_by_text("Read", exact=True).first.wait_for()
    page.get_by_text("Not fetched yet").wait_for(state="detached")
    page.locator(".steps").get_by_text("from the folder INBOX to Junk by bob@home.test").wait_for()


FIRST = {"step": "submitted", "by": "alice@home.test", "recipients": ["bob@b.test"]}


def steps(*given: dict[str, Any], first: dict[str, Any] = FIRST) -> list[dict[str, Any]]:
    """A second apart, of one letter in one server, for bob, unless they say otherwise."""
    usual = {"server": "mx.home.test", "letter": "L1"}
    listed = [first, *({"recipient": "bob@b.test", **each} for each in given)]
    return [{"at": f"2026-11-26T22:00:{second:02}Z", **usual, **each} for second, each in enumerate(listed)]


DEFERRED = [
    {"step": "attempted", "host": "mx.b.test"},
    {"step": "deferred", "reply": "451 later", "next_attempt": "2026-11-27T00:00:00Z"},
]
CASES = {
    "under way": (steps({"step": "routed", "via": "mx.b.test"}), ["Queue", "Under way"], "queued"),
    "put off seven times": (steps(*DEFERRED * 7), ["Queue", "Attempt 1", "4 more attempts", "Attempt 6", "Attempt 7", "Next attempt"], "deferred"),
    "relayed to a stranger": (
        steps({"step": "attempted", "host": "mx.b.test"}, {"step": "relayed", "host": "mx.b.test", "remote_id": "theirs"}),
        ["Queue", "Attempt 1", "mx.b.test"],
        "relayed",
    ),
    "refused": (
        steps({"step": "attempted", "host": "mx.b.test"}, {"step": "bounced", "reply": "550 no", "report": "L2"}),
        ["Queue", "Attempt 1", "Returned"],
        "bounced",
    ),
    "too old, without an attempt": (steps({"step": "bounced", "reply": "expired"}), ["Returned"], "bounced"),
    "held": (steps({"step": "held", "by": "operator"}), ["Queue", "Held"], "held"),
    "held and released": (steps({"step": "held"}, {"step": "released"}), ["Queue", "Held", "Released", "Under way"], "queued"),
    "removed": (steps({"step": "removed"}), ["Removed"], "removed"),
    "an alias": (
        steps({"step": "routed", "targets": ["carol@home.test"]}, {"step": "delivered", "recipient": "carol@home.test", "mailbox": "carol@home.test"}),
        ["Alias", "carol@home.test", "Not fetched yet"],
        "delivered",
    ),
    "redirected": (
        steps({"step": "redirected", "to": "carol@home.test"}, {"step": "delivered", "recipient": "carol@home.test", "mailbox": "carol@home.test"}),
        ["Redirected", "carol@home.test", "Not fetched yet"],
        "delivered",
    ),
    "collected": (
        steps({"step": "delivered", "mailbox": "bob@b.test"}, {"step": "collected", "recipient": None, "by": "bob@b.test"}, {"step": "collected", "recipient": None, "by": "bob@b.test"}),
        ["bob@b.test", "Collected"],
        "collected",
    ),
    "another host's letter": (
        steps({"step": "delivered", "mailbox": "bob@b.test"}, first={"step": "exchanged", "helo": "mx.a.test", "recipients": ["bob@b.test"]}),
        ["bob@b.test", "Not fetched yet"],
        "delivered",
    ),
    "a copy that was released": (
        steps(
            {"step": "delivered", "mailbox": "bob@b.test"},
            {"step": "copied", "recipient": None, "copy": "L2", "recipients": ["erin@z.test"], "why": "released by a user"},
            {"step": "exchanged", "recipient": None, "letter": "L2", "server": "relay.home.test", "recipients": ["erin@z.test"]},
            {"step": "attempted", "letter": "L2", "recipient": "erin@z.test", "host": "mx.z.test"},
            {"step": "relayed", "letter": "L2", "recipient": "erin@z.test", "host": "mx.z.test", "remote_id": "theirs"},
        ),
        ["Copied", "relay.home.test", "Queue", "Attempt 1", "mx.z.test"],
        "relayed",
    ),
    "a step of tomorrow": (steps({"step": "teleported"}), ["Under way"], "queued"),
}  # fmt: skip


def test_every_kind_of_step_has_its_station(visit: Open) -> None:
    page = visit()
    for name, (given, titles, state) in CASES.items():
        found = page.evaluate(
            "journey => import('./pages/journey-model.js').then(found => found.modelOf(journey))",
            {"id": "L1", "recipients": ["bob@b.test"], "steps": given},
        )
        line = found["lines"][-1]
        assert [each["title"] for each in line["stations"]] == titles, name
        assert line["state"] == state, name
        assert len(found["trunk"]) == 2, name


@pytest.mark.parametrize(
    "given",
    [
        [],
        steps(first={"step": "delivered"}),
        steps({"step": "delivered"}, first={"step": "submitted", "original": "L0", "recipients": ["bob@b.test"]}),
    ],
)
def test_an_odd_journey_is_no_trouble(visit: Open, given: list[dict[str, Any]]) -> None:  # fmt: skip
    page = visit()
    found = page.evaluate(
        "steps => import('./pages/journey-model.js').then(found => found.modelOf({id: 'L1', steps}))", given
    )
    assert len(found["lines"]) == len(found["trunk"]), "one line from the report's own server, or nothing at all"


def test_fifty_that_go_the_same_way_are_drawn_once(visit: Open) -> None:
    page = visit()
    many = [f"person{number}@b.test" for number in range(50)]
    given = [{**each, "recipient": None, "recipients": many} for each in steps({"step": "routed", "via": "mx.b.test"})]
    groups = page.evaluate(
        """journey => import('./pages/journey-model.js').then(found => found.grouped(found.modelOf(journey).lines))""",
        {"id": "L1", "recipients": many, "steps": given},
    )
    assert [len(each["recipients"]) for each in groups] == [50]
