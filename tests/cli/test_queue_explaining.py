"""`mailstack queue show` and `list` explain a wait by what the running server tells, from another process."""

from __future__ import annotations

import time

from mailstack.letter import LetterId
from mailstack.store import Change, Filter, Settlement
from mailstack.store.delay_reasons import DelayReason
from tests.cli.conftest import DEFERRED, Mailstack, Shelf, lines_of

ROUTED = {
    "recipients": ["carol@elsewhere.test"],
    "candidates": [{"host": "mx.elsewhere.test", "address": "192.0.2.7", "port": 25, "why": "MX 10"}],
}
DOWN = DelayReason(
    "down",
    "mx.elsewhere.test [192.0.2.7]:25",
    "connection refused",
    time.time() + 500,
    {"host": "mx.elsewhere.test", "address": "192.0.2.7", "port": 25},
)
OTHER = DelayReason("down", "mx.third.test [192.0.2.8]:25", "no answer", time.time() + 500, {"host": "mx.third.test"})
BUSY = DelayReason("busy", "elsewhere.test", "5 attempts are under way, its limit at present, and 9 wait in memory")


def tell(shelf: Shelf, *conditions: DelayReason) -> None:
    shelf.pump.run(shelf.store.delay_reasons.publish("mx.home.test", conditions, time.time() + 30))


def because(mailstack: Mailstack, letter: LetterId) -> dict[str, str]:
    (document,) = lines_of(mailstack("queue", "show", letter, "--json"))
    return {each["kind"]: each["text"] for each in document["deliveries"][0]["explanation"]["because"]}


def test_a_host_that_is_left_alone_explains_why_its_letters_wait(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time() - 60, steps=(("routed", ROUTED),), **DEFERRED)
    assert because(mailstack, letter) == {}
    tell(shelf, DOWN, OTHER)
    found = because(mailstack, letter)
    assert list(found) == ["down"]
    assert found["down"].startswith("mx.elsewhere.test [192.0.2.7]:25 is backed off until")
    assert found["down"].endswith("connection refused")
    assert "because:" in mailstack("queue", "show", letter).stdout
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"] == found["down"]
    (group,) = lines_of(mailstack("queue", "list", "--by", "sender", "--json"))
    assert "mailbox busy" in group["reason"]


def test_a_full_window_explains_why_a_letter_in_hand_is_not_sent(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time(), claimed_by="mx.home.test", lease=time.time() + 900, attempts=1)
    tell(shelf, BUSY)
    assert "its limit at present" in because(mailstack, letter)["busy"]
    assert "waits for its turn" in mailstack("queue", "show", letter).stdout
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"] == BUSY.text


def test_a_letter_that_stands_in_line_says_so(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time())
    (record,) = shelf.pump.run(shelf.store.records(Filter(ids=(letter,))))
    before = record.deliveries[0]
    shelf.pump.run(shelf.store.settle(Settlement((Change(before, before, "elsewhere.test"),))))
    assert because(mailstack, letter)["in line"].startswith("it waits for a free slot of elsewhere.test")
    tell(shelf, BUSY)
    assert BUSY.text in because(mailstack, letter)["in line"]
    assert "Attempt 1 starts when a slot is free" in mailstack("queue", "show", letter).stdout


def test_an_order_and_the_tls_that_was_demanded_are_told(mailstack: Mailstack, shelf: Shelf) -> None:
    tried = {"recipients": ["carol@elsewhere.test"], "host": "mx.elsewhere.test", "policy": "verified, by MTA-STS"}
    letter = shelf.accept(at=time.time() - 60, steps=(("attempted", tried),), **DEFERRED)
    assert because(mailstack, letter) == {"tls": "TLS with mx.elsewhere.test: verified, by MTA-STS"}
    mailstack("queue", "pause", "elsewhere.test")
    assert "delivery to elsewhere.test is paused" in because(mailstack, letter)["order"]
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"].startswith("delivery to elsewhere.test is paused")
