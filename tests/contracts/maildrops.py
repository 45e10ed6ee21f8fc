"""Contract of a store: maildrops, their letters and collected steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState, Step
from mailstack.letter.letter import read_all
from mailstack.store import MaildropInUse, Settlement, StoreError
from mailstack.store.accounts import Account
from mailstack.store.greylist import GreylistEntry
from tests.contracts.store import (
    ALICE,
    BOB,
    CAROL,
    HEADERS,
    SERVER,
    Subject,
    claimed,
    deliveries,
    entries,
    octets_of,
    place,
    placing,
    states,
    to,
)


def test_a_maildrop_lists_its_letters_in_the_order_of_arrival(subject: Subject) -> None:
    letters = [place(subject, octets=b"x" * size) for size in (10, 20, 30)]
    drop = subject.run(subject.store.mailboxes.open(BOB.key, "session"))
    assert [entry.letter for entry in drop.entries] == letters
    assert [entry.size for entry in drop.entries] == [len(HEADERS) + size for size in (10, 20, 30)]
    assert [entry.uid for entry in drop.entries] == [1, 2, 3]


def test_an_unknown_mailbox_is_empty(subject: Subject) -> None:
    """POP-04."""
    assert subject.run(subject.store.mailboxes.open("nobody@home.test", "session")).entries == []
    subject.run(subject.store.mailboxes.update("nobody@home.test", collected=[1], deleted=[2], steps=[]))
    with pytest.raises(KeyError):
        subject.run(subject.store.mailboxes.read("nobody@home.test", 1))


def test_a_maildrop_has_one_session_at_a_time(subject: Subject) -> None:
    """CODE-30: [IN-USE]."""
    subject.run(subject.store.mailboxes.open(BOB.key, "one"))
    with pytest.raises(MaildropInUse):
        subject.run(subject.store.mailboxes.open(BOB.key, "two"))
    subject.run(subject.store.mailboxes.open(ALICE.key, "two"))
    subject.run(subject.store.mailboxes.release(BOB.key, "two"))
    with pytest.raises(MaildropInUse):
        subject.run(subject.store.mailboxes.open(BOB.key, "two"))
    subject.run(subject.store.mailboxes.release(BOB.key, "one"))
    subject.run(subject.store.mailboxes.release(BOB.key, "one"))
    subject.run(subject.store.mailboxes.open(BOB.key, "two"))


def test_a_letter_that_arrives_later_is_not_in_an_open_maildrop(subject: Subject) -> None:
    place(subject)
    drop = subject.run(subject.store.mailboxes.open(BOB.key, "session"))
    place(subject)
    assert len(drop.entries) == 1


def test_a_uid_is_never_given_again_though_all_letters_are_gone(subject: Subject) -> None:
    for _ in range(2):
        place(subject)
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=[1, 2], steps=[]))
    letter = place(subject)
    assert entries(subject) == [(3, letter)]


def test_a_mailbox_that_is_made_anew_has_another_validity(subject: Subject) -> None:
    account = Account(BOB.key, b"hash", 1.0)
    seen = set()
    for _ in range(3):
        subject.run(subject.store.accounts.add([account]))
        letter = place(subject)
        drop = subject.run(subject.store.mailboxes.open(BOB.key, "session"))
        subject.run(subject.store.mailboxes.release(BOB.key, "session"))
        assert drop.validity > 0
        seen |= {(drop.validity, entry.uid) for entry in drop.entries}
        assert len({validity for validity, _ in seen}) == len(seen)
        subject.run(subject.store.accounts.remove(BOB.key))
        assert entries(subject) == []
        assert octets_of(subject, letter) is None
    assert len(seen) == 3


def test_a_session_marks_and_removes_at_its_end(subject: Subject) -> None:
    first, second, third = (place(subject) for _ in range(3))
    steps = [Step(letter, 3000.0, SERVER, "collected", {"by": BOB.key}) for letter in (first, second)]
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1, 2, 99], deleted=[2, 99], steps=steps))
    assert entries(subject) == [(1, first), (3, third)]
    assert [states(subject, letter) for letter in (first, second, third)] == [
        ["collected"],
        ["collected"],
        ["delivered"],
    ]
    assert [step.step for step in subject.run(subject.store.history.steps(second))] == [
        "submitted",
        "delivered",
        "collected",
    ]


def test_many_letters_in_one_mailbox_get_consecutive_uids(subject: Subject) -> None:
    (one, two), (three,) = claimed(subject, BOB, CAROL), claimed(subject)
    settlements: Sequence[Settlement] = [placing(one), placing(three), placing(two)]
    both = Settlement(
        settlements[0].changes + settlements[2].changes, settlements[0].placements + settlements[2].placements
    )
    subject.run(subject.store.queue.settle(both))
    subject.run(subject.store.queue.settle(settlements[1]))
    assert entries(subject) == [(1, one.letter), (2, one.letter), (3, three.letter)]


def test_letters_are_read_together_without_those_that_are_gone(subject: Subject) -> None:
    for size in (10, 100_000, 30):
        place(subject, octets=b"x" * size)
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=[3], steps=[]))
    found = subject.run(subject.store.mailboxes.read_together(BOB.key, [2, 3, 1, 99]))
    assert {uid: len(subject.run(read_all(content))) for uid, content in found.items()} == {
        1: len(HEADERS) + 10,
        2: len(HEADERS) + 100_000,
    }
    assert subject.run(subject.store.mailboxes.read_together("nobody@home.test", [1])) == {}
    assert subject.run(subject.store.mailboxes.read_together(BOB.key, [])) == {}


def test_letters_that_are_read_together_are_octet_for_octet_what_they_were(subject: Subject) -> None:
    letters = [b"\0", b"\xff\xfe\0\x80" * 300, "ünï\r\n".encode(), b"", b"a\nb\n1 5\n" * 20, bytes(range(256))]
    for octets in letters:
        place(subject, octets=octets)
    found = subject.run(subject.store.mailboxes.read_together(BOB.key, range(1, len(letters) + 1)))
    read = {uid: subject.run(read_all(content)) for uid, content in found.items()}
    assert read == {uid: HEADERS + octets for uid, octets in enumerate(letters, 1)}
    assert {uid: content.size for uid, content in found.items()} == {uid: len(octets) for uid, octets in read.items()}


def test_a_letter_is_collected_once_however_often_it_is_fetched(subject: Subject) -> None:
    letter = place(subject)
    step = Step(letter, 3000.0, SERVER, "collected", {"by": BOB.key})
    assert subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=[step])) == [step]
    assert subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[1], steps=[step])) == []
    assert [told.step for told in subject.run(subject.store.history.steps(letter))].count("collected") == 1


def collected(letter: LetterId, at: float, **facts: Any) -> Step:
    return Step(letter, at, SERVER, "collected", facts)


def client_info_of(subject: Subject, letter: LetterId) -> list[Step]:
    return subject.run(subject.store.history.steps(letter))


def test_a_collected_step_has_its_facts_and_time(subject: Subject) -> None:
    letter = place(subject)
    fetched = collected(letter, 3000.123456789, by=BOB.key, tls={"version": "TLSv1.3", "cipher": "ü"})
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[1], steps=[fetched]))
    for at in (2500.0, 3000.123456789, 3500.0):
        steps = [Step(letter, at, SERVER, "attempted", {})]
        subject.run(subject.store.mailboxes.update("nobody@home.test", collected=[], deleted=[], steps=steps))
    told = client_info_of(subject, letter)
    assert [step.step for step in told[2:]] == ["attempted", "collected", "attempted", "attempted"]
    assert told[3] == fetched


def test_each_reader_of_a_letter_has_a_collected_step(subject: Subject) -> None:
    first, second = claimed(subject, BOB, ALICE)
    subject.run(subject.store.queue.settle(placing(first)))
    subject.run(subject.store.queue.settle(placing(second, ALICE.key)))
    steps = [collected(first.letter, 4000.0 - n, by=reader.key) for n, reader in enumerate((BOB, ALICE))]
    for reader, step in zip((BOB, ALICE), steps, strict=True):
        update = subject.store.mailboxes.update(reader.key, collected=[1], deleted=[1], steps=[step])
        assert subject.run(update) == [step]
    assert client_info_of(subject, first.letter)[-2:] == steps[::-1]


def test_a_letter_in_a_mailbox_twice_has_a_collected_step_for_each(subject: Subject) -> None:
    first, second, third = claimed(subject, BOB, ALICE, CAROL)
    for delivery in (first, second, third):
        subject.run(subject.store.queue.settle(placing(delivery)))
    steps = [collected(first.letter, 3000.0 + n) for n in range(3)]
    told = subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=steps[:1]))
    assert told == steps[:1]
    told = subject.run(subject.store.mailboxes.update(BOB.key, collected=[1, 2, 3], deleted=[1, 2, 3], steps=steps))
    assert told == steps[:2]
    assert [step.at for step in client_info_of(subject, first.letter) if step.step == "collected"] == [
        3000.0,
        3000.0,
        3001.0,
    ]


def test_a_letter_delivered_and_collected_again_has_two_collected_steps(subject: Subject) -> None:
    letter = place(subject)
    for at in (3000.0, 4000.0):
        step = collected(letter, at, by=BOB.key)
        assert subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=[step])) == [step]
        (delivery,) = deliveries(subject, letter)
        subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.DELIVERED, delivery),))))
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=[]))
    assert states(subject, letter) == ["collected"]
    assert [step.at for step in client_info_of(subject, letter) if step.step == "collected"] == [3000.0, 4000.0]


def test_a_step_that_can_not_be_stored_leaves_the_mailbox_as_it_is(subject: Subject) -> None:
    letter = place(subject)
    step = collected(letter, 3000.0, by=object())
    with pytest.raises(StoreError):
        subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[1], steps=[step]))
    assert entries(subject) == [(1, letter)]
    assert states(subject, letter) == ["delivered"]


def test_a_greylist_entry_is_stored_replaced_and_deleted(subject: Subject) -> None:
    store, run = subject.store, subject.run
    assert run(store.greylist.find("192.0.2.0/24")) is None
    run(store.greylist.set(GreylistEntry("192.0.2.0/24", 1.0, 50.0)))
    run(store.greylist.set(GreylistEntry("192.0.2.0/24", 2.0, 100.0)))
    run(store.greylist.set(GreylistEntry("a b c", 3.0, 60.0)))
    store = subject.reopen()
    assert run(store.greylist.find("192.0.2.0/24")) == GreylistEntry("192.0.2.0/24", 2.0, 100.0)
    assert run(store.greylist.purge(60.0, 10)) == 1
    assert run(store.greylist.find("a b c")) is None
    assert run(store.greylist.find("192.0.2.0/24")) is not None


def test_of_too_many_greylist_entries_those_that_expire_first_are_deleted(subject: Subject) -> None:
    for number in range(10):
        subject.run(subject.store.greylist.set(GreylistEntry(f"contact {number}", 0.0, 100.0 + number)))
    assert subject.run(subject.store.greylist.purge(50.0, 3)) == 7
    kept = [number for number in range(10) if subject.run(subject.store.greylist.find(f"contact {number}"))]
    assert kept == [7, 8, 9]


def test_a_mailbox_is_listed_from_any_place_on(subject: Subject) -> None:
    letters = [place(subject) for _ in range(3)]
    listed = subject.run(subject.store.mailboxes.entries(BOB.key, 0, 10))
    assert [entry.letter for entry in listed] == letters
    assert subject.run(subject.store.mailboxes.entries(BOB.key, listed[0].uid, 1)) == listed[1:2]
    assert subject.run(subject.store.mailboxes.entries(BOB.key, listed[2].uid, 10)) == []
    assert subject.run(subject.store.mailboxes.entries("nobody@home.test", 0, 10)) == []
