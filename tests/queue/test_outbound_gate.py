"""Outbound gate: allowed domains and suppressed addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailstack.letter import Address, Failed, Status
from mailstack.queue.outbound_gate import OutboundGate, OutboundRules, is_dead_address
from mailstack.store.hold_rules import Suppression
from tests.aid import run
from tests.queue.rig import SERVER, Rig, a_letter

NOBODY = Failed(Status(5, 1, 1), "550 5.1.1 nobody", "mx.else.test")


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert not rig.clock.bugs


def gated(rig: Rig, leaving: OutboundRules) -> None:
    """Put the gate before the rig's relay."""
    rig.gated = lambda relay: OutboundGate(relay, rig.store, rig.hold_rules, rig.directory, SERVER, rig.clock, leaving)
    rig.start()


def test_what_is_not_named_is_refused_and_no_connection_made(rig) -> None:
    gated(rig, OutboundRules(("ours.test",), "refuse"))
    letter = rig.accept(a_letter("x@else.test", "y@ours.test", "bob@home.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["bounced", "relayed", "delivered"]
    assert [recipients for _, recipients in rig.relay.calls] == [("y@ours.test",)]
    (report,) = rig.reports()
    assert b"5.7.1" in rig.octets(report)
    assert b"allowed_domains" in rig.octets(report)


def test_what_is_not_named_is_captured_once_for_each_recipient(rig) -> None:
    gated(rig, OutboundRules(("ours.test",), "capture", Address("bob", "home.test")))
    letter = rig.accept(a_letter("x@else.test", "y@third.test", "z@ours.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["delivered", "delivered", "relayed"]
    assert rig.mailbox("bob@home.test") == [letter.id, letter.id]
    assert [recipients for _, recipients in rig.relay.calls] == [("z@ours.test",)]


def test_what_is_captured_names_whom_it_was_for(rig) -> None:
    gated(rig, OutboundRules(("ours.test",), "capture", Address("bob", "home.test")))
    rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    content = run(rig.store.mailboxes.read("bob@home.test", 1))

    async def octets() -> bytes:
        return b"".join([chunk async for chunk in content.chunks()])

    assert b"Delivered-To: x@else.test\r\n" in run(octets())


def test_without_the_account_that_captures_letters_wait(rig) -> None:
    gated(rig, OutboundRules(("ours.test",), "capture", Address("nobody", "home.test")))
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["queued"]
    assert "capture_to" in rig.record(letter).deliveries[0].text
    assert rig.relay.calls == []


def test_letters_to_suppressed_addresses_fail_at_once_with_the_reason(rig) -> None:
    gated(rig, OutboundRules())
    run(rig.store.suppressions.add([Suppression("x@else.test", "she asked for it", 1.0)]))
    rig.clock.advance(1)
    letter = rig.accept(a_letter("X@Else.test", "y@else.test"))
    rig.clock.advance(1)
    assert sorted(rig.states(letter)) == ["bounced", "relayed"]
    assert b"any more: she asked for it" in rig.octets(rig.reports()[0]).replace(b"\r\n ", b" ")
    run(rig.store.suppressions.remove("x@else.test"))
    rig.clock.advance(1)
    again = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    assert rig.states(again) == ["relayed"]


@pytest.mark.parametrize("wanted", [True, False])
def test_what_bounces_for_good_is_suppressed_by_setting(rig, wanted) -> None:
    gated(rig, OutboundRules(suppress_bounced=wanted))
    rig.relay.outcome = lambda _: NOBODY
    rig.accept(a_letter("x@else.test"))
    rig.clock.advance(2)
    found = run(rig.store.suppressions.newest(10))
    assert [each.address for each in found] == (["x@else.test"] if wanted else [])
    rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    assert len(rig.relay.calls) == (1 if wanted else 2)


@pytest.mark.parametrize(
    ("status", "dead"),
    [("5.1.1", True), ("5.1.6", True), ("5.2.1", True), ("5.7.1", False), ("5.2.2", False), ("5.1.8", False)],
)
def test_only_what_says_that_the_address_is_dead_suppresses_it(status: str, dead: bool) -> None:
    assert is_dead_address(Status.parse(status)) is dead
