"""Hostile letters in Chromium: no script runs, and no other host is requested."""

from __future__ import annotations

from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import harm, letter

PANELS = ("html", "text", "headers", "parts", "code", "source", "journey", "checks")


def test_no_script_runs_and_no_host_is_requested(visit: Open, dev: Environment) -> None:
    """The page's watcher fails the test when any other host is asked."""
    octets, recipients = harm()
    found = dev.send(octets, *recipients)
    dev.summary(found)
    page = visit()
    page.locator(".row").wait_for()
    for panel in PANELS:
        page.goto(f"{dev.web}#/letter/{found}/{panel}")
        page.locator(".panel").wait_for()
        page.wait_for_timeout(150)
    page.goto(f"{dev.web}#/letter/{found}/html")
    frame = page.frame_locator(".stage iframe")
    frame.locator("body").wait_for()
    for link in frame.locator("a").all():
        link.click(force=True, no_wait_after=True)
    page.get_by_role("button", name="Reply").click()
    page.get_by_role("dialog", name="Reply").wait_for()
    page.keyboard.press("Escape")
    for where in ("#/accounts", "#/queue", "#/letters?query=from%3Aapp%40example.test", f"#/journey/{found}"):
        page.goto(dev.web + where)
        page.wait_for_timeout(150)
    assert page.evaluate("window.harmed") is None
    assert len(page.context.pages) == 1, "no window was opened"
    assert page.url.startswith(dev.web)


def test_a_letter_asks_for_nothing_but_its_own_parts(visit: Open, dev: Environment) -> None:
    """Its HTML is a page of ours to the browser: it must neither mark letters as read nor keep all connections waiting."""
    other = dev.send(letter("Unread"), "bob@home.test")
    waits = "".join(f'<img src="../v1/wait?timeout=600&amp;subject={number}">' for number in range(20))
    octets = letter("Nosy")
    octets.add_alternative(f'<img src="../api/v1/message/{other}"><p>Nosy</p>{waits}', subtype="html")
    found = dev.send(octets, "bob@home.test")
    dev.summary(found)
    page = visit()
    page.goto(f"{dev.web}#/letter/{found}/html")
    page.frame_locator(".stage iframe").get_by_text("Nosy").wait_for()
    page.wait_for_timeout(300)
    assert (
        page.evaluate("fetch('v1/tags', {signal: AbortSignal.timeout(5000)}).then((answer) => answer.status)") == 200
    ), "a connection is free"
    assert dev.summary(other)["unread"]


def test_the_letter_itself_as_a_page_is_as_harmless(visit: Open, dev: Environment) -> None:
    octets, recipients = harm()
    found = dev.send(octets, *recipients)
    dev.summary(found)
    page = visit(f"view/{found}.html")
    page.wait_for_timeout(300)
    assert page.evaluate("window.harmed") is None
    assert page.url.startswith(dev.web)


def test_an_attachment_is_never_a_page_with_scripts(visit: Open, dev: Environment) -> None:
    octets, recipients = harm()
    found = dev.send(octets, *recipients)
    whole = dev.wait(lambda: dev.api("GET", f"v1/letters/{found}"))
    page = visit()
    for part in whole["parts"]:
        answer = page.request.get(f"{dev.web}v1/letters/{found}/parts/{part['part']}")
        kept_out = "sandbox" in answer.headers.get("content-security-policy", "")
        as_file = answer.headers.get("content-disposition", "").startswith("attachment")
        assert kept_out or as_file, part
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_pages_allow_no_script_but_their_own(visit: Open, dev: Environment) -> None:
    page = visit()
    answer = page.request.get(dev.web)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    ran = page.evaluate(
        """() => new Promise(resolve => { const s = document.createElement('script'); s.textContent = 'window.harmed = 1';
        document.body.append(s); setTimeout(() => resolve(window.harmed), 50); })"""
    )
    assert ran is None
