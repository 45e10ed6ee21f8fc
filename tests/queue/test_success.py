"""Success reports: with their delivery in one transaction, once each (DSN-02)."""

from __future__ import annotations

import email

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Recipient, Status
from mailstack.letter.letter import read_all
from mailstack.queue.admin import QueueAdmin
from mailstack.store import StoreError
from tests.aid import run
from tests.queue.letters import MemoryDirectory, a_letter
from tests.queue.rig import TAKEN, FailingStore, Rig


def wanting(address, notify="SUCCESS,FAILURE"):
    return Recipient(Address.parse(address), None, (("NOTIFY", notify),))


def told(rig):
    """Action and Final-Recipient of each report."""
    found = []
    for record in rig.reports():
        report = email.message_from_bytes(run(read_all(record.letter.content)))
        blocks = report.get_payload()[1].get_payload()[1:]
        found.append([(each["Action"], each["Final-Recipient"].removeprefix("rfc822; ")) for each in blocks])
    return found


def test_a_delivery_here_and_its_report_are_one_transaction():
    """DSN-02: when the store can't, nothing is owed, delivered or reported."""
    rig = Rig(store=FailingStore())
    rig.store.failures = 1
    with pytest.raises(StoreError):
        rig.accept(a_letter(wanting("bob@home.test")))
    assert (rig.mailbox("bob@home.test"), rig.reports(), rig.journal.steps) == ([], [], [])
    rig.accept(a_letter(wanting("bob@home.test")))
    assert told(rig) == [[("delivered", "bob@home.test")]]
    assert len(rig.mailbox("bob@home.test")) == len(rig.mailbox("alice@home.test")) == 1


@pytest.mark.parametrize(("dsn", "reports"), [(True, []), (False, [[("relayed", "carol@else.test")]])])
def test_what_was_relayed_is_told_unless_the_host_tells(dsn, reports):
    """DSN-02: RFC 3461 §5.2.1, §5.2.2."""
    rig = Rig()
    rig.relay.outcome = lambda _: replace(TAKEN, dsn=dsn)
    letter = rig.accept(a_letter(wanting("carol@else.test"), wanting("dave@else.test", "FAILURE")))
    assert rig.states(letter) == ["relayed", "relayed"]
    assert told(rig) == reports


def test_several_mailboxes_and_an_alias_are_told_once_each():
    """DSN-02: RFC 3461 §5.2.7.3, §5.2.8."""
    rig = Rig(
        MemoryDirectory(
            "alice@home.test",
            "bob@home.test",
            "carol@home.test",
            aliases={"team@home.test": ("bob@home.test", "carol@home.test"), "robert@home.test": ("bob@home.test",)},
        )
    )
    rig.accept(a_letter(wanting("alice@home.test"), wanting("robert@home.test"), wanting("team@home.test")))
    assert sorted(told(rig)) == [
        [("delivered", "alice@home.test"), ("delivered", "bob@home.test")],
        [("expanded", "team@home.test")],
    ]


def test_a_report_asks_for_no_report():
    """RLY-17"""
    rig = Rig()
    rig.accept(a_letter(wanting("bob@home.test"), sender=None))
    assert len(rig.reports()) == 1, "the letter itself, which has the null reverse-path"


@pytest.mark.parametrize(("notify", "reports"), [("NEVER", 0), ("SUCCESS", 0), ("FAILURE", 1)])
def test_what_an_operator_takes_out_is_told_to_who_wants_it(notify, reports):
    """DSN-02"""
    rig = Rig()
    rig.relay.outcome = lambda _: Deferred(Status(4, 2, 1), "450 4.2.1 busy", "mx.else.test")
    letter = rig.accept(a_letter(wanting("carol@else.test", notify)))
    run(QueueAdmin(rig.store, rig.clock.now).remove([letter.id], bouncer=rig.bouncer))
    assert len(rig.reports()) == reports
