"""Open letter in Chromium: all tabs, at each width."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.browsing import DESKTOP, PHONE, until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import letter, order


@pytest.fixture
def shop(dev: Environment) -> str:
    """The id of the shop's letter."""
    found = dev.send(order(), "bob@home.test")
    dev.summary(found)
    return found


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_html_is_shown_in_a_frame_as_tall_as_it_needs(visit: Open, shop: str, size: tuple[int, int]) -> None:
    page = visit(f"#/letter/{shop}", size=size)
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="Your parcel is on its way").wait_for()
    box = "document.querySelector('iframe')"
    inner = f"{box}.contentDocument.documentElement"
    until(page, f"{inner}.scrollHeight <= {box}.clientHeight + 2")
    until(page, f"{inner}.scrollWidth <= {box}.clientWidth + 2")  # wide letters shrink
    # The picture is a part of its own.
    until(page, f"{box}.contentDocument.querySelector('img[alt=\"The shop\"]').naturalWidth === 120")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_text("Nothing is loaded from elsewhere").wait_for()


def test_the_widths_of_devices(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}")
    width = "document.querySelector('iframe').clientWidth"
    page.get_by_label("As on a phone").click()
    until(page, f"{width} === 390")
    page.get_by_label("As on a tablet").click()
    until(page, f"{width} === 768")
    page.get_by_label("As wide as there is room").click()
    until(page, f"{width} === document.querySelector('.stage').clientWidth")


def test_a_link_in_a_letter_opens_a_window_of_its_own(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}")
    page.context.route("**/*shop.example/**", lambda route: route.fulfill(body="the shop"))
    with page.context.expect_page() as opened:
        page.frame_locator("iframe").get_by_text("Track your parcel").click()
    assert opened.value.url == "https://shop.example/track?order=4711"
    assert opened.value.evaluate("window.opener") is None
    assert page.url.endswith(f"#/letter/{shop}")


def test_codes_and_links_are_there_to_be_copied(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}", permissions=("clipboard-read", "clipboard-write"))
    page.get_by_label("Copy the code 482913").click()
    until(page, "navigator.clipboard.readText().then(text => text === '482913')")
    page.locator(".links summary").click()
    assert "https://shop.example/track?order=4711" in page.locator(".links").inner_text()


def test_an_invitation_is_shown_with_its_time_as_written(visit: Open, dev: Environment) -> None:
    lines = (
        "BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", "SUMMARY:<script>top.harmed=1</script> Tea",
        "DTSTART;TZID=Europe/Berlin:20261203T100000", "DTEND;TZID=Europe/Berlin:20261203T113000", "LOCATION:Room 1",
        "ORGANIZER;CN=Jane:mailto:jane@home.test", "END:VEVENT",
        "BEGIN:VEVENT", "SUMMARY:Holiday", "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227", "END:VEVENT",
        "END:VCALENDAR", "",
    )  # fmt: skip
    made = letter("Tea")
    made.add_alternative("\r\n".join(lines), subtype="calendar", params={"method": "REQUEST"})
    page = visit(f"#/letter/{dev.send(made, 'bob@home.test')}", timezone_id="America/New_York")
    tea, holiday = page.locator(".event").nth(0), page.locator(".event").nth(1)
    tea.get_by_text("<script>top.harmed=1</script> Tea").wait_for()
    shown = tea.inner_text()
    for words in ("Invitation", "3 December 2026", "10:00", "11:30", "Europe/Berlin", "Room 1", "jane@home.test"):
        assert words in shown, "whatever the zone of the browser"
    days = holiday.locator("time").inner_text()
    assert "24" in days
    assert "26" in days
    assert "27" not in days, "the end of whole days is exclusive"
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_every_tab_shows_something(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}")
    wanted = {
        "Text": "Your code is 482913",
        "Headers": "orders@shop.example",
        "Parts": "multipart/mixed",
        "HTML": "<!doctype html>",
        "Source": "Content-Type: multipart/mixed",
        "Journey": "Step by step",
        "Checks": "Authentication",
    }
    for name, words in wanted.items():
        page.get_by_role("tab", name=name).click()
        page.locator(".panel").get_by_text(words).first.wait_for()
        assert page.get_by_role("tab", selected=True).inner_text() == name
    page.get_by_role("tab", selected=True).press("ArrowLeft")
    until(page, "document.querySelector('[role=tab][aria-selected=true]').textContent === 'Source'")


def test_attachments_are_previewed_and_downloaded(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}/text")
    page.get_by_role("heading", name="3 attachments").wait_for()
    page.get_by_label("Show parcel.png").click()
    page.get_by_role("dialog").locator("img").wait_for()
    assert page.get_by_role("dialog").locator("img").evaluate("e => e.decode().then(() => e.naturalWidth)") == 160
    page.keyboard.press("Escape")
    page.get_by_label("Show order.csv").click()
    page.get_by_role("dialog").get_by_text("order;4711").wait_for()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_label("Download invoice 2026-11.pdf").click()
    assert download.value.suggested_filename == "invoice 2026-11.pdf"
    with page.expect_download() as download:
        page.get_by_label("Download the raw letter").click()
    assert download.value.suggested_filename.endswith(".eml")


def test_fifty_files_without_a_preview_are_rows_on_a_phone(visit: Open, dev: Environment) -> None:
    made = EmailMessage(policy=SMTP)
    made["Subject"], made["To"] = "fifty files", "bob@home.test"
    made.set_content("Look.")
    for number in range(50):
        made.add_attachment(b"x", "application", "zip", filename=f"a-rather-long-name-of-a-file-{number}.zip")
    page = visit(f"#/letter/{dev.send(made, 'bob@home.test')}", size=PHONE)
    page.get_by_role("heading", name="50 attachments").wait_for()
    assert page.locator(".attached").bounding_box()["height"] < 50 * 75
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_letter_to_fifty_is_short_until_one_asks(visit: Open, dev: Environment) -> None:
    many = [f"person{number}@elsewhere.test" for number in range(50)]
    found = dev.send(letter("To all", To=", ".join(many)), *many)
    page = visit(f"#/letter/{found}", size=PHONE)
    page.get_by_role("button", name="and 47 more").click()
    assert "person49@elsewhere.test" in page.locator(".parties").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("مرحبا بك في خدمتنا", "السلام عليكم\n"),
        ("Rechnung 🎉 für Zoë", "👋🏽 hallo\n"),
        ("x" * 400, "y" * 3000 + "\n"),
        ("", "\n"),
    ],
    ids=["arabic", "emoji", "long", "empty"],
)
def test_any_words_fit_a_phone(visit: Open, dev: Environment, subject: str, text: str) -> None:
    found = dev.send(letter(subject, text), "bob@home.test")
    dev.summary(found)
    page = visit(f"#/letter/{found}", size=PHONE)
    page.get_by_role("heading", level=1, name=subject or "(no subject)").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".reader").evaluate("e => e.scrollWidth <= e.clientWidth")
    if subject.startswith("م"):
        assert page.locator(".letter h1").evaluate("e => getComputedStyle(e).direction") == "rtl"


def test_a_letter_is_released_through_the_queue(visit: Open, dev: Environment, shop: str) -> None:
    page = visit(f"#/letter/{shop}")
    page.get_by_label("Release to a real address").click()
    page.get_by_role("dialog").get_by_label("To").fill("real@elsewhere.test")
    page.get_by_role("button", name="Release", exact=True).click()
    page.get_by_text("Released to real@elsewhere.test").wait_for()
    dev.wait(lambda: any(each["recipients"][0]["address"] == "real@elsewhere.test" for each in dev.listed()))
    page.get_by_role("tab", name="Journey").click()
    page.locator(".picture, .panel").get_by_text("Copied").first.wait_for()
    page.get_by_role("list", name="Step by step").get_by_text("released by a user").first.wait_for()


def test_a_screenshot_is_downloaded_in_the_width_of_the_page(visit: Open, shop: str, tmp_path: Path) -> None:
    """The button is there because this machine has Chromium."""
    page = visit(f"#/letter/{shop}", scheme="dark")
    page.get_by_role("button", name="As on a phone").click()
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Download a screenshot").click()
    assert download.value.suggested_filename == f"{shop}.png"
    download.value.save_as(tmp_path / "letter.png")
    with Image.open(tmp_path / "letter.png") as picture:
        assert picture.width == 375


def test_paper_has_the_letter_and_nothing_to_press(visit: Open, shop: str) -> None:
    page = visit(f"#/letter/{shop}/text")
    page.locator(".plain").wait_for()
    page.emulate_media(media="print")
    assert page.locator(".plain").is_visible()
    for gone in ("#navigation", ".tools", ".tabs", ".list"):
        assert not page.locator(gone).is_visible()


def test_a_letter_that_is_not_there_says_so(visit: Open) -> None:
    page = visit("#/letter/1kq2v7m4e80c3xz")
    page.get_by_role("heading", name="This letter is not here").wait_for()


def test_checks_show_results_and_request_only_this_machine(visit: Open, dev: Environment) -> None:
    sent = letter("News", From="news@example.test", List_Unsubscribe="<https://example.test/leave>, <ftp://x.test>")
    sent.add_alternative('<p style="display:grid"><a href="https://shop.example/">shop</a></p>', subtype="html")
    found = dev.send(sent, "bob@home.test")
    dev.summary(found)
    page = visit(f"#/letter/{found}/checks")
    check = lambda name: page.get_by_role("region", name=name)  # noqa: E731
    check("Authentication").get_by_text("not signed with DKIM").wait_for()
    check("Unsubscribing").get_by_text("One click").wait_for()
    check("Unsubscribing").get_by_text("faulty").wait_for()
    check("Unsubscribing").get_by_text("neither http, https nor mailto").wait_for()
    check("HTML").get_by_text("of clients show it as meant").wait_for()
    check("HTML").get_by_text("grid").first.wait_for()
    check("Links").get_by_role("button").click()
    check("Links").get_by_text("no answer").wait_for()
    check("Spam").get_by_role("button").click()
    check("Spam").get_by_text("No spam filter is configured").wait_for()


@pytest.mark.parametrize("lines", [40_000, 10_000])
def test_of_a_long_text_the_beginning_is_shown_and_all_on_demand(visit: Open, dev: Environment, lines: int) -> None:
    """A browser takes many seconds for megabytes with links in them."""
    line = "See https://example.test/page for the quick brown fox, who jumps over it.\r\n"
    found = dev.send(b"Subject: long\r\n\r\n" + line.encode() * lines + b"The end.\r\n", "bob@home.test")
    dev.summary(found)
    page = visit(f"#/letter/{found}")
    # A search in the whole page, with megabytes of text, would take Playwright seconds.
    below = page.locator(".viewing")
    below.get_by_text("The beginning of a long text.").wait_for()
    characters = "document.querySelector('.plain').textContent.length"
    assert 30_000 < page.evaluate(characters) <= 32_768
    below.get_by_role("button", name="Show all").click()
    if len(line) * lines > 2_097_152:
        below.get_by_text("The rest is in the source.").wait_for()
        assert page.evaluate(characters) > 2_000_000
    else:
        until(page, "document.querySelector('.plain').textContent.endsWith('The end.\\n')")
        assert page.evaluate(characters) == (len(line) - 1) * lines + len("The end.\n")
    assert below.get_by_role("button", name="Show all").count() == 0


def test_a_short_text_is_shown_whole(visit: Open, dev: Environment) -> None:
    found = dev.send(letter(text="short\n"), "bob@home.test")
    dev.summary(found)
    page = visit(f"#/letter/{found}")
    page.locator(".plain", has_text="short").wait_for()
    assert page.get_by_role("button", name="Show all").count() == 0


def test_of_a_long_source_the_beginning_is_read(visit: Open, dev: Environment) -> None:
    found = dev.send(b"Subject: long\r\n\r\n" + b"line\r\n" * 600_000, "bob@home.test")
    dev.summary(found)
    page = visit(f"#/letter/{found}/source")
    page.locator(".quiet", has_text="The beginning of a long letter.").wait_for()
