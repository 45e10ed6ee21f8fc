"""Reports as letters, and reports that cannot be delivered."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Failed, Letter, LetterId, Status
from mailstack.letter.dsn import RecipientStatus
from mailstack.letter.letter import Content, Octets, read_all
from mailstack.queue.bounce import Bouncer
from mailstack.queue.recipient_routes import Router
from mailstack.queue.settings import InitialClaim
from mailstack.queue.settlement import ReportDue
from mailstack.store import StoreError
from tests.aid import run
from tests.queue.rig import ALICE, DAY, RARE_POLLS, REFUSED, SERVER, START, MemoryDirectory, Rig, a_letter

BOUNCER = Bouncer(Router(MemoryDirectory("alice@home.test")), SERVER, max_header=100)
LETTER = a_letter("x@else.test")
DUE = ReportDue(
    "failed",
    LetterId("report"),
    (RecipientStatus(LETTER.envelope.recipients[0], Failed(Status(5, 1, 1), "550 nobody", "mx.else.test")),),
    START,
)


def returned(content: Content) -> str | None:
    """The header section that the report on a letter with this content returns."""
    original = replace(LETTER, content=content)
    report = run(BOUNCER.report(DUE, original, START, None)).letter
    parts = email.message_from_bytes(run(read_all(report.content))).get_payload()
    return parts[2].get_payload() if len(parts) == 3 else None


class Slices:
    """A content that comes an octet at a time."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.size = len(octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        for octet in self.octets:
            yield bytes((octet,))


class Unreadable:
    size = 10

    async def chunks(self) -> AsyncIterator[bytes]:
        raise StoreError("the content is gone")
        yield b""


def test_a_report_has_the_null_reverse_path_and_goes_to_the_sender():
    """RLY-15, RLY-17."""
    acceptance = run(BOUNCER.report(DUE, LETTER, START, None))
    letter = acceptance.letter
    assert isinstance(letter, Letter)
    assert letter.id == "report"
    assert letter.envelope.sender is None
    assert [recipient.address for recipient in letter.envelope.recipients] == [ALICE]
    (delivery,) = acceptance.deliveries
    assert (delivery.destination, delivery.claimed_by, delivery.attempts, delivery.due) == ("local", None, 0, START)


def test_a_report_can_enter_claimed():
    claim = InitialClaim("me", START + 100, START + 300)
    (delivery,) = run(BOUNCER.report(DUE, LETTER, START, claim)).deliveries
    assert (delivery.claimed_by, delivery.attempts, delivery.due, delivery.lease) == ("me", 1, START + 300, START + 100)


@pytest.mark.parametrize(
    ("octets", "header"),
    [
        pytest.param(b"A: 1\r\nB: 2\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n", id="header and body"),
        pytest.param(b"A: 1\r\n", "A: 1\r\n", id="no body"),
        pytest.param(b"A: 1\r\n" * 30 + b"\r\nbody", "A: 1\r\n" * 16, id="cut behind a whole line"),
        pytest.param(b"A: " + b"x" * 200, "\r\n", id="one line too long"),
        pytest.param(b"Dear Bob,\r\n", "\r\n", id="no header"),
        pytest.param(b"", "\r\n", id="empty"),
    ],
)
@pytest.mark.parametrize("content", [Octets, Slices])
def test_the_header_is_returned_and_never_the_body(octets, header, content):
    """DSN-03: headers only."""
    assert returned(content(octets)) == header


def test_a_content_that_can_not_be_read_leaves_a_report_without_it():
    assert returned(Unreadable()) is None


def test_a_report_that_cannot_be_delivered_goes_to_the_postmaster_once():
    """And what is written to him goes no further."""
    rig = Rig(
        MemoryDirectory("postmaster@home.test"),
        postmaster=Address("postmaster", "home.test"),
        outcome=REFUSED,
        limits=RARE_POLLS,
    )
    letter = rig.accept(a_letter("x@else.test", sender=Address("gone", "third.test")))
    rig.clock.advance(DAY)
    assert rig.states(letter) == ["bounced"]
    # Both are of the same instant: nothing says which is listed first.
    first, second = sorted(rig.reports(), key=lambda each: each.deliveries[0].state.value)
    assert [each.deliveries[0].state.value for each in (first, second)] == ["bounced", "delivered"]
    text = rig.octets(second)
    assert b"Subject: A delivery report could not be delivered\r\n" in text
    assert b"Subject: Your message could not be delivered\r\n" in text
    (step,) = (each for each in rig.journal.steps if each.step == "bounced" and each.letter == first.letter.id)
    assert step.facts["report_to"] == "postmaster@home.test"


def test_the_postmaster_who_cannot_be_reached_is_told_nothing_more():
    rig = Rig(MemoryDirectory(), postmaster=Address("postmaster", "home.test"), outcome=REFUSED, limits=RARE_POLLS)
    rig.accept(a_letter("x@else.test", sender=Address("gone", "third.test")))
    rig.clock.advance(DAY)
    assert [each.deliveries[0].state.value for each in rig.reports()] == ["bounced", "bounced"]


def test_a_strangers_letter_with_the_null_reverse_path_is_told_to_nobody():
    rig = Rig(
        MemoryDirectory("postmaster@home.test"),
        postmaster=Address("postmaster", "home.test"),
        outcome=REFUSED,
        limits=RARE_POLLS,
    )
    rig.accept(a_letter("x@else.test", sender=None))
    rig.clock.advance(DAY)
    assert len(rig.reports()) == 1
