"""Pages of the environment in Chromium: queue, faults, accounts, zone, log and clock."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.browsing import SIZES, settle, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter


@pytest.fixture
def faulty(dev: Environment) -> Iterator[Environment]:
    """Its hosts put off everything for busy.test; nothing of it is left behind."""
    fault = {"at": "rcpt", "recipient": "*@busy.test", "reply": "451 4.7.1 come again", "service": "mx"}
    dev.api("POST", "v1/faults", fault)
    yield dev
    dev.api("DELETE", "v1/faults")
    for each in dev.api("GET", "v1/queue")["letters"]:
        dev.api("POST", f"v1/queue/{each['id']}/remove", {})


def waiting(dev: Environment, subject: str = "Patience") -> str:
    found = dev.submit(letter(subject, From="alice@home.test", To="erin@busy.test"), "erin@busy.test")
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "deferred"])
    return found


@SIZES
def test_a_waiting_letter_is_held_released_and_removed(visit: Open, faulty: Environment, size: tuple[int, int]) -> None:
    found = waiting(faulty)
    page = visit("#/queue", size=size)
    group = page.get_by_role("region", name="busy.test")
    group.wait_for()
    assert "451 4.7.1 come again" in group.inner_text()
    group.locator(".countdown", has_text="in ").wait_for()
    state = lambda: faulty.api("GET", f"v1/queue/{found}")["deliveries"][0]["state"]  # noqa: E731
    group.get_by_role("button", name="Hold", exact=True).click()
    faulty.wait(lambda: state() == "held")
    group.get_by_role("button", name="Release").click()
    faulty.wait(lambda: state() == "queued")
    group.get_by_role("button", name="Try now").click()
    tried = lambda: faulty.api("GET", f"v1/queue/{found}")["deliveries"][0]["attempts"] >= 2  # noqa: E731
    faulty.wait(tried)
    group.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.get_by_role("heading", name="Nothing waits").wait_for()


def test_a_letter_is_redirected(visit: Open, faulty: Environment) -> None:
    waiting(faulty)
    page = visit("#/queue")
    page.get_by_role("button", name="Redirect").click()
    page.get_by_label("To", exact=True).fill("carol@elsewhere.test")
    page.get_by_role("dialog").get_by_role("button", name="Redirect").click()
    page.get_by_role("heading", name="Nothing waits").wait_for()
    faulty.wait(lambda: {"delivered", "relayed"} & {each["recipients"][0]["state"] for each in faulty.listed()})


@SIZES
def test_the_journey_of_a_waiting_letter_is_live(visit: Open, faulty: Environment, size: tuple[int, int]) -> None:
    found = waiting(faulty)
    page = visit(f"#/journey/{found}", size=size)
    page.locator(".map").get_by_text("Next attempt").wait_for()
    until(page, "document.querySelector('.countdown').textContent.startsWith('in ')")
    faulty.api("DELETE", "v1/faults")
    page.get_by_role("button", name="Try now").click()
    page.get_by_text("Not fetched yet").wait_for()
    titles = page.locator(".map .station strong").all_inner_texts()
    assert [each for each in titles if each.startswith("Attempt")] == ["Attempt 1", "Attempt 2"]


@SIZES
def test_a_fault_is_set_in_the_words_of_mail_and_ended(visit: Open, dev: Environment, size: tuple[int, int]) -> None:
    page = visit("#/faults", size=size)
    page.get_by_role("button", name="No such mailbox").click()
    page.get_by_label("For recipients").fill("nobody@far.test")
    page.get_by_role("button", name="Set", exact=True).click()
    page.locator("td", has_text="At RCPT TO, for nobody@far.test").wait_for()
    found = dev.submit(letter("In vain", From="alice@home.test", To="nobody@far.test"), "nobody@far.test")
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "bounced"])
    page.locator("td", has_text="once").wait_for()
    page.get_by_role("button", name="End: ").click()
    page.get_by_role("heading", name="Nothing goes wrong").wait_for()
    assert dev.api("GET", "v1/faults")["faults"] == []
    page.goto(f"{dev.web}#/journey/{found}")
    page.get_by_role("link", name="Read the report").click()
    page.get_by_role("heading", level=1).filter(has_text="could not be delivered").wait_for()


def test_a_fault_of_imap_is_set_without_a_value(visit: Open, dev: Environment) -> None:
    page = visit("#/faults")
    page.get_by_role("button", name="New UIDVALIDITY").click()
    page.get_by_label("Service").select_option("imaps")
    page.get_by_role("button", name="Set", exact=True).click()
    page.locator("td", has_text="At IMAP SELECT, on imaps: the folder has a new UIDVALIDITY, once.").wait_for()
    (rule,) = dev.api("GET", "v1/faults")["faults"]
    assert (rule["at"], rule["new_validity"], rule["times"]) == ("imap.select", True, 1)
    dev.api("DELETE", "v1/faults")


def test_every_ready_made_fault_is_one_that_the_server_takes(visit: Open, dev: Environment) -> None:
    page = visit("#/faults")
    page.locator(".ready").wait_for()
    texts = "import('./pages/fault-texts.js').then(found => found.PRESETS.map(([, , rule]) => "
    ready, said = page.evaluate(f"{texts}rule))"), page.evaluate(f"{texts}found.sentence(rule)))")
    assert len(ready) > 12
    for rule, sentence in zip(ready, said, strict=True):
        dev.api("POST", "v1/faults", rule)
        assert "undefined" not in sentence
        assert ": ." not in sentence
    dev.api("DELETE", "v1/faults")


def test_an_account_is_added_used_and_removed(visit: Open, dev: Environment) -> None:
    page = visit("#/accounts")
    page.get_by_role("button", name="Add an account").click()
    page.get_by_role("textbox", name="Address").fill("dana@home.test")
    page.get_by_role("textbox", name="Password").fill("a good password")
    page.get_by_role("button", name="Add", exact=True).click()
    page.locator("td", has_text="dana@home.test").wait_for()
    assert any(each["address"] == "dana@home.test" for each in dev.api("GET", "v1/accounts")["accounts"])
    page.get_by_label("Remove dana@home.test").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.locator("td", has_text="dana@home.test").wait_for(state="detached")


def test_an_alias_leads_letters_on(visit: Open, dev: Environment) -> None:
    page = visit("#/aliases")
    page.get_by_role("button", name="Add an alias").click()
    page.get_by_role("textbox", name="Alias").fill("sales@home.test")
    page.get_by_role("textbox", name="Leads to").fill("alice@home.test, bob@home.test")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    page.locator("td", has_text="sales@home.test").wait_for()
    page.get_by_label("Remove sales@home.test").click()
    page.get_by_role("heading", name="No aliases").wait_for()
    assert dev.api("GET", "v1/aliases")["aliases"] == []


def test_the_servers_and_their_ports_are_named(visit: Open, dev: Environment) -> None:
    page = visit("#/servers")
    page.locator(".card", has_text="mx.home.test").wait_for()
    words = page.locator("main").inner_text()
    for name in ("submission", "pop3s", "capture"):
        assert str(dev.facts["services"][name]["port"]) in words
    assert "mx.world.test" in words


def test_a_name_of_the_zone_is_set_and_taken_back(visit: Open, dev: Environment) -> None:
    page = visit("#/zone")

    def add(name: str, kind: str, value: str) -> None:
        page.get_by_role("button", name="Add a record").click()
        page.get_by_role("textbox", name="Name").fill(name)
        page.get_by_role("combobox", name="Type").select_option(kind)
        page.get_by_role("textbox", name="Value").fill(value)
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_label(f"Remove {kind} of {name}").wait_for()

    add("nomail.test", "MX", "0 .")
    add("nomail.test", "TXT", "v=spf1 -all")
    assert [each["type"] for each in dev.api("GET", "v1/zone/nomail.test")["records"]] == ["MX", "TXT"]
    page.get_by_label("Change TXT of nomail.test").click()
    page.get_by_role("textbox", name="Value").fill("v=spf1 mx -all")
    page.get_by_role("button", name="Change", exact=True).click()
    page.locator("td", has_text="v=spf1 mx -all").wait_for()
    found = dev.submit(letter("To nowhere", From="alice@home.test", To="a@nomail.test"), "a@nomail.test")
    dev.wait(lambda: [step for step in dev.api("GET", f"v1/journeys/{found}")["steps"] if step["step"] == "bounced"])
    for kind in ("MX", "TXT"):
        page.get_by_label(f"Remove {kind} of nomail.test").click()
        page.get_by_label(f"Remove {kind} of nomail.test").wait_for(state="detached")
    assert "nomail.test" not in [each["name"] for each in dev.api("GET", "v1/zone")["names"]]


def test_the_protocol_log_is_live_narrowed_and_without_secrets(visit: Open, dev: Environment) -> None:
    page = visit("#/protocol")
    page.locator(".log").wait_for()
    dev.submit(letter("Overheard", From="alice@home.test"), "bob@home.test")
    line = page.locator(".log li", has_text="MAIL FROM:<alice@home.test>").first
    line.wait_for()
    assert re.fullmatch(r"[a-z.]+\.test, from 127\.0\.0\.1:[0-9]+", line.locator(".peer").get_attribute("title"))
    words = page.locator(".log").inner_text()
    assert "AUTH" in words
    assert "AGFsaWNlAGFsaWNl" not in words, "alice's password"
    page.get_by_label("Show lines with").fill("rcpt to")
    page.locator(".log li", has_text="MAIL FROM").first.wait_for(state="hidden")
    assert all("rcpt to" in each.lower() for each in page.locator(".log li:visible").all_inner_texts())


def test_the_log_says_that_nothing_was_said(visit: Open, dev: Environment) -> None:
    page = visit("#/protocol")
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("No protocol lines yet").wait_for()
    dev.send(letter("Something"), "bob@home.test")
    page.locator(".log", has_text="RCPT TO:<bob@home.test>").wait_for()
    page.get_by_text("No protocol lines yet").wait_for(state="hidden")


def test_lines_of_the_time_while_the_log_loads_are_shown(visit: Open, dev: Environment) -> None:
    page = visit("#/setup")
    late = []
    page.route("**/v1/protocol", lambda route: late.append((route, route.fetch())))
    page.evaluate("location.hash = '#/protocol'")
    until(page, "document.querySelector('.log') !== null")
    while not late:
        page.wait_for_timeout(20)
    dev.submit(letter("Meanwhile", From="alice@home.test"), "meanwhile@elsewhere.test")
    until(page, "document.getElementById('unread').textContent === '1'")
    settle(page)
    route, response = late[0]
    route.fulfill(response=response)
    page.locator(".log li", has_text="RCPT TO:<meanwhile@elsewhere.test>").first.wait_for()


def test_open_page_shows_an_advance_of_the_clock(visit: Open, faulty: Environment) -> None:
    page = visit("#/letters")
    page.locator("#live", has_text="Live").wait_for()
    faulty.api("POST", "v1/clock", {"advance": "90m"})
    page.locator("#ahead", has_text="+1 h 30 min").wait_for()


def test_the_clock_travels(visit: Open, faulty: Environment) -> None:
    """Near the end of its file for a reason: the environment's clock does not come back."""
    found = waiting(faulty, "Late")
    page = visit("#/clock")
    before = faulty.api("GET", f"v1/queue/{found}")["deliveries"][0]["attempts"]
    page.get_by_role("button", name="+1 hour").click()
    page.get_by_text("ahead of this machine").wait_for()
    faulty.wait(lambda: faulty.api("GET", f"v1/queue/{found}")["deliveries"][0]["attempts"] > before)


def test_the_protocol_log_dates_lines_of_an_advanced_clock(visit: Open, faulty: Environment) -> None:
    page = visit("#/protocol")
    faulty.api("POST", "v1/clock", {"advance": "5d"})
    faulty.submit(letter("Days ahead", From="alice@home.test"), "bob@home.test")
    line = page.locator(".log li", has_text="MAIL FROM:<alice@home.test>").last
    time = line.locator("time", has_text=re.compile(r"^\w+ \w+, [0-9]+:[0-9]{2}:[0-9]{2}\.[0-9]{3}"))
    time.wait_for()
    assert time.evaluate("each => each.scrollWidth <= each.clientWidth"), "the whole time is visible"
