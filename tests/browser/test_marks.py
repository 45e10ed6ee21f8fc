"""Marks of the page in Chromium, set and seen by a mail client over IMAP."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.browsing import until
from tests.browser.conftest import Open
from tests.browser.environment import Environment
from tests.browser.letters import order

ROW = "document.querySelector('.row[data-id=\"{}\"]')"


@contextmanager
def inbox(dev: Environment) -> Iterator[imaplib.IMAP4]:
    with imaplib.IMAP4(*dev.at("imap"), timeout=10) as client:
        client.starttls(dev.trust)
        client.login("bob@home.test", "bob")
        client.select("INBOX")
        yield client


def newest_flags(client: imaplib.IMAP4) -> bytes:
    client.noop()
    _, (answer, *_) = client.fetch("*", "(FLAGS)")
    assert isinstance(answer, bytes)
    return answer


def test_a_mail_client_and_the_page_show_the_same_marks(dev: Environment, visit: Open) -> None:
    letter = dev.send(order(), "bob@home.test")
    dev.summary(letter)
    page = visit("#/")
    row = ROW.format(letter)
    until(page, f"{row}?.classList.contains('unread')")
    with inbox(dev) as client:
        client.store("*", "+FLAGS", r"(\Seen \Flagged)")
        until(page, f"!{row}.classList.contains('unread')")
        until(page, f"{row}.textContent.includes('Flagged')")
        page.goto(f"{dev.web}#/letter/{letter}")
        page.get_by_role("button", name="Remove the flag").click()
        dev.wait(lambda: b"Flagged" not in newest_flags(client))
        page.get_by_role("button", name="Mark as unread").click()
        dev.wait(lambda: b"Seen" not in newest_flags(client))


def test_the_page_shows_a_move_of_a_mail_client(dev: Environment, visit: Open) -> None:
    letter = dev.send(order(), "bob@home.test")
    dev.summary(letter)
    page = visit(f"#/letter/{letter}")
    page.get_by_text("bob@home.test: INBOX").wait_for()
    with inbox(dev) as client:
        client.copy("*", "Trash")
        client.store("*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    page.get_by_text("bob@home.test: Trash", exact=True).wait_for()
