"""The log of removals is bounded, and says whether it reaches back far enough (IMAP-114)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.store.mailboxes import SEEN, FlagChange, Flags
from mailstack.store.sql_parts import imap_reads, removals
from mailstack.store.sqlite.in_memory import InMemoryStore
from mailstack.store.uid_ranges import merged, parse_ranges, ranges_of, text_of
from tests.aid import run
from tests.contracts.store import BOB, Subject, place


@pytest.fixture
def subject() -> Subject:
    store = InMemoryStore()
    subject = Subject(store, run, lambda: store)
    for _ in range(8):
        place(subject)
    return subject


def remove(subject: Subject, *uids: int) -> None:
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=uids, steps=[]))


def log(subject: Subject, since: int) -> tuple[list[tuple[int, int]], bool]:
    found = subject.run(subject.store.mailboxes.removals(BOB.key, since))
    return found.uids, found.is_complete


def modseq(subject: Subject) -> int:
    return subject.run(subject.store.mailboxes.status(BOB.key)).modseq


def test_old_removals_are_dropped(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (removals, imap_reads):
        monkeypatch.setattr(module, "LOGGED", 3)
    since = modseq(subject)
    remove(subject, 1)
    assert log(subject, since) == ([(1, 1)], True)
    remove(subject, 2)
    remove(subject, 4)
    assert log(subject, since) == ([(1, 2), (4, 4)], True)
    subject.run(subject.store.mailboxes.store_flags(BOB.key, [5], FlagChange(Flags(SEEN, 0))))
    assert not log(subject, since)[1]
    remove(subject, 6)
    assert log(subject, since) == ([(4, 4), (6, 6)], False)
    assert log(subject, modseq(subject) - 3) == ([(4, 4), (6, 6)], True)


def test_a_removal_that_is_too_long_cuts_the_log(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of before gets all messages, and all other uids as removed."""
    monkeypatch.setattr(removals, "MAX_LOG_TEXT", 4)
    since = modseq(subject)
    remove(subject, 1, 2, 3)
    assert log(subject, since) == ([(1, 3)], True)
    remove(subject, 4, 6, 8)
    assert log(subject, since) == ([], False)
    assert log(subject, modseq(subject)) == ([], True)
    changed = subject.run(subject.store.mailboxes.messages(BOB.key, changed_since=since, limit=10))
    assert [each.uid for each in changed] == [5, 7]
    changed = subject.run(subject.store.mailboxes.messages(BOB.key, changed_since=modseq(subject), limit=10))
    assert changed == []


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_ranges_are_read_back_and_merged(first: set[int], second: set[int]) -> None:
    ranges = ranges_of(first)
    assert ranges == sorted(ranges)
    assert [uid for low, high in ranges for uid in range(low, high + 1)] == sorted(first)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))
    if first:
        assert parse_ranges(text_of(ranges)) == ranges
    assert merged([*ranges, *ranges_of(second)]) == ranges_of(first | second)
