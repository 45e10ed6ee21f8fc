"""Contract of a store: flags, keywords, mod-sequences, counters and removals of IMAP mailboxes."""

from __future__ import annotations

import pytest

from mailstack.letter.delivery import Step
from mailstack.store import Filter
from mailstack.store.folders import NoSuchFolder
from mailstack.store.mailboxes import (
    ANSWERED,
    DELETED,
    FLAGGED,
    MAX_KEYWORDS,
    SEEN,
    FlagChange,
    Flags,
    MailboxMessage,
    MailboxStatus,
)
from tests.contracts.store import ALICE, BOB, HEADERS, SERVER, TEXT, Subject, place

SIZE = len(HEADERS) + len(TEXT)
TOP = MAX_KEYWORDS - 1


def messages(subject: Subject, mailbox: str = BOB.key, **which: int) -> list[MailboxMessage]:
    return subject.run(subject.store.mailboxes.messages(mailbox, **{"limit": 1000, **which}))


def status(subject: Subject, mailbox: str = BOB.key) -> MailboxStatus:
    """Counters of a mailbox, which must agree with its messages."""
    found = subject.run(subject.store.mailboxes.status(mailbox))
    assert found is not None
    there = messages(subject, mailbox)
    assert found.messages == len(there)
    assert found.unseen == sum(not each.flags.system & SEEN for each in there)
    assert found.deleted == sum(bool(each.flags.system & DELETED) for each in there)
    assert found.octets == sum(each.size for each in there)
    assert all(each.modseq <= found.modseq and each.uid < found.next_uid for each in there)
    return found


def add(subject: Subject, uids: list[int], system: int, keywords: int = 0, **wish: int):
    change = FlagChange(Flags(system, keywords))
    return subject.run(subject.store.mailboxes.store_flags(BOB.key, uids, change, **wish))


def test_counters_of_a_mailbox_follow_arrivals(subject: Subject) -> None:
    """IMAP-49."""
    assert subject.run(subject.store.mailboxes.status(BOB.key)) is None
    letters = [place(subject) for _ in range(3)]
    found = status(subject)
    assert (found.messages, found.unseen, found.deleted, found.next_uid) == (3, 3, 0, 4)
    assert found.octets == 3 * SIZE
    assert [(each.uid, each.letter, each.size, each.at, each.saved) for each in messages(subject)] == [
        (uid, letter, SIZE, 2000.0, 2000.0) for uid, letter in enumerate(letters, 1)
    ]
    modseqs = [each.modseq for each in messages(subject)]
    assert modseqs == sorted(set(modseqs))
    assert modseqs[0] > 1
    place(subject, mailbox=ALICE.key)
    found = subject.run(subject.store.mailboxes.statuses([ALICE.key, BOB.key, "nobody@home.test"]))
    assert {name: each.messages for name, each in found.items()} == {ALICE.key: 1, BOB.key: 3}
    assert subject.run(subject.store.mailboxes.statuses([])) == {}


def test_messages_are_read_in_slices(subject: Subject) -> None:
    for _ in range(4):
        place(subject)
    assert [each.uid for each in messages(subject, after=1, limit=2)] == [2, 3]
    assert messages(subject, "nobody@home.test") == []


def test_flags_are_added_removed_and_replaced(subject: Subject) -> None:
    """IMAP-69."""
    for _ in range(3):
        place(subject)
    before = status(subject).modseq
    stored = add(subject, [1, 3, 9], SEEN | DELETED, 1 << TOP | 1)
    assert stored.modseq == before + 1
    assert stored.changed == [(1, Flags(SEEN | DELETED, 1 << TOP | 1)), (3, Flags(SEEN | DELETED, 1 << TOP | 1))]
    assert stored.refused == []
    found = status(subject)
    assert (found.unseen, found.deleted, found.modseq) == (1, 2, before + 1)
    change = FlagChange(Flags(ANSWERED, 0), Flags(DELETED, 1))
    stored = subject.run(subject.store.mailboxes.store_flags(BOB.key, [1], change))
    assert stored.changed == [(1, Flags(SEEN | ANSWERED, 1 << TOP))]
    replaced = FlagChange(Flags(FLAGGED, 2), Flags(31, 2**MAX_KEYWORDS - 1))
    stored = subject.run(subject.store.mailboxes.store_flags(BOB.key, [1, 2], replaced))
    assert stored.changed == [(1, Flags(FLAGGED, 2)), (2, Flags(FLAGGED, 2))]
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert [each.flags for each in messages(subject)] == [
        Flags(FLAGGED, 2),
        Flags(FLAGGED, 2),
        Flags(SEEN | DELETED, 1 << TOP | 1),
    ]
    assert (status(subject).unseen, status(subject).deleted) == (2, 1)


def test_flags_that_are_set_already_change_nothing(subject: Subject) -> None:
    place(subject)
    first = add(subject, [1], SEEN)
    again = add(subject, [1], SEEN)
    assert (again.modseq, again.changed) == (first.modseq, first.changed)
    assert (list(first.updated), list(again.updated)) == ([1], [])
    assert status(subject).modseq == first.modseq


def test_a_change_since_a_mod_sequence_is_refused_message_by_message(subject: Subject) -> None:
    """IMAP-74."""
    for _ in range(3):
        place(subject)
    since = status(subject).modseq
    add(subject, [2], SEEN)
    stored = add(subject, [1, 2, 3], FLAGGED, unchanged_since=since)
    assert stored.refused == [2]
    assert [uid for uid, _ in stored.changed] == [1, 3]
    assert {each.modseq for each in messages(subject) if each.uid != 2} == {stored.modseq}
    assert add(subject, [2], FLAGGED, unchanged_since=since).changed == []


def test_changed_messages_are_found_by_mod_sequence(subject: Subject) -> None:
    """IMAP-88."""
    for _ in range(4):
        place(subject)
    since = status(subject).modseq
    assert messages(subject, changed_since=since) == []
    add(subject, [3], SEEN)
    place(subject)
    assert [each.uid for each in messages(subject, changed_since=since)] == [3, 5]
    assert [each.uid for each in messages(subject, changed_since=since, after=3)] == [5]
    assert [each.uid for each in messages(subject, changed_since=since, limit=1)] == [3]


def test_any_uids_of_a_large_mailbox_are_changed(subject: Subject) -> None:
    for _ in range(40):
        place(subject)
    odd = list(range(1, 41, 2))
    assert [uid for uid, _ in add(subject, odd, SEEN).changed] == odd
    assert [uid for uid, _ in add(subject, list(range(40, 0, -1)), FLAGGED).changed] == list(range(1, 41))
    assert [each.uid for each in messages(subject) if each.flags.system & SEEN] == odd
    assert status(subject).unseen == 20


def test_keywords_have_numbers_without_regard_to_case(subject: Subject) -> None:
    """IMAP-71."""
    place(subject)
    mailboxes = subject.store.mailboxes
    assert subject.run(mailboxes.add_keywords(BOB.key, ["$Forwarded", "Work"])) == {"$Forwarded": 0, "Work": 1}
    assert subject.run(mailboxes.add_keywords(BOB.key, ["WORK", "$Junk"])) == {"WORK": 1, "$Junk": 2}
    assert status(subject).keywords == ("$Forwarded", "Work", "$Junk")
    many = [f"k{number}" for number in range(MAX_KEYWORDS)]
    found = subject.run(mailboxes.add_keywords(BOB.key, many))
    assert sorted(found.values()) == list(range(3, MAX_KEYWORDS))
    assert subject.run(mailboxes.add_keywords(BOB.key, ["one-more", "work"])) == {"work": 1}
    assert len(status(subject).keywords) == MAX_KEYWORDS


def test_expunge_removes_what_is_marked_as_deleted(subject: Subject) -> None:
    """IMAP-66."""
    letters = [place(subject) for _ in range(5)]
    assert subject.run(subject.store.mailboxes.expunge(BOB.key)).uids == []
    since = add(subject, [1, 2, 4], DELETED).modseq
    first = subject.run(subject.store.mailboxes.expunge(BOB.key, [2, 3, 9]))
    assert (first.uids, first.modseq) == ([2], since + 1)
    second = subject.run(subject.store.mailboxes.expunge(BOB.key))
    assert (second.uids, second.modseq) == ([1, 4], since + 2)
    assert [each.uid for each in messages(subject)] == [3, 5]
    assert (status(subject).deleted, status(subject).modseq) == (0, since + 2)
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since)).uids == [(1, 2), (4, 4)]
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since + 1)).uids == [(1, 1), (4, 4)]
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since + 2)).uids == []
    assert subject.run(subject.store.mailboxes.removals(BOB.key, 1)).is_complete
    assert not subject.run(subject.store.mailboxes.removals(BOB.key, 0)).is_complete
    with pytest.raises(KeyError):
        subject.run(subject.store.contents.get(letters[0]))


def test_what_pop3_and_pruning_remove_is_logged(subject: Subject) -> None:
    """IMAP-113, IMAP-122."""
    for number in range(4):
        place(subject, at=1000.0 + number)
    since = status(subject).modseq
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=[3, 3, 99], steps=[]))
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since)).uids == [(3, 3)]
    assert status(subject).modseq == since + 1
    subject.run(subject.store.history.prune(SERVER, before=0.0, keep=1))
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since)).uids == [(1, 3)]
    assert status(subject).messages == 1
    assert len(subject.run(subject.store.history.records(Filter()))) == 1


def test_what_pop3_retrieves_is_seen(subject: Subject) -> None:
    """IMAP-122."""
    for _ in range(3):
        place(subject)
    add(subject, [1], FLAGGED)
    since = status(subject).modseq
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1, 2, 9], deleted=[2], steps=[]))
    assert [each.flags for each in messages(subject)] == [Flags(SEEN | FLAGGED, 0), Flags(0, 0)]
    assert [each.uid for each in messages(subject, changed_since=since)] == [1]
    assert (status(subject).unseen, status(subject).modseq) == (1, since + 2)
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=[]))
    assert status(subject).modseq == since + 2


def test_what_pop3_retrieves_stays_unseen_by_choice(subject: Subject) -> None:
    """IMAP-122."""
    step = Step(place(subject), 3000.0, SERVER, "collected", {"by": BOB.key})
    since = status(subject)
    update = subject.store.mailboxes.update
    assert subject.run(update(BOB.key, collected=[1], deleted=[], steps=[step], sets_seen=False)) == [step]
    assert [each.flags for each in messages(subject)] == [Flags(0, 0)]
    assert status(subject) == since


def test_an_open_maildrop_keeps_no_imap_client_out(subject: Subject) -> None:
    """IMAP-121."""
    mailboxes = subject.store.mailboxes
    letters = [place(subject) for _ in range(3)]
    add(subject, [1], DELETED)
    drop = subject.run(mailboxes.open(BOB.key, "pop3"))
    assert [entry.letter for entry in drop.entries] == letters
    add(subject, [2], DELETED)
    assert subject.run(mailboxes.expunge(BOB.key, [2])).uids == [2]
    with pytest.raises(KeyError):
        subject.run(mailboxes.read(BOB.key, 2))
    step = Step(letters[0], 3000.0, SERVER, "collected", {"by": BOB.key})
    assert subject.run(mailboxes.update(BOB.key, collected=[1, 2], deleted=[2, 3], steps=[step])) == [step]
    subject.run(mailboxes.release(BOB.key, "pop3"))
    assert [(each.uid, each.flags) for each in messages(subject)] == [(1, Flags(SEEN | DELETED, 0))]
    status(subject)


def test_a_mailbox_that_is_not_there_has_no_flags(subject: Subject) -> None:
    mailboxes = subject.store.mailboxes
    with pytest.raises(NoSuchFolder):
        subject.run(mailboxes.store_flags("nobody@home.test", [1], FlagChange(Flags(SEEN, 0))))
    with pytest.raises(NoSuchFolder):
        subject.run(mailboxes.expunge("nobody@home.test"))
    with pytest.raises(NoSuchFolder):
        subject.run(mailboxes.add_keywords("nobody@home.test", ["x"]))
    assert subject.run(mailboxes.removals("nobody@home.test", 1)).uids == []


def test_entries_of_letters_are_found_in_all_mailboxes(subject: Subject) -> None:
    """IMAP-113: pages change what a client of IMAP shows."""
    mailboxes = subject.store.mailboxes
    first, second, other = place(subject), place(subject), place(subject, mailbox=ALICE.key)
    add(subject, [2], SEEN | FLAGGED)
    subject.run(mailboxes.copy(ALICE.key, [1], BOB.key, 3000.0))
    found = subject.run(mailboxes.entries_of([other, second, "unknown"]))
    assert found == [(other, ALICE.key, 1, 0), (second, BOB.key, 2, SEEN | FLAGGED), (other, BOB.key, 3, 0)]
    subject.run(mailboxes.keep_removed(BOB.key, 60.0))
    add(subject, [1], DELETED)
    subject.run(mailboxes.expunge(BOB.key))
    assert subject.run(mailboxes.entries_of([first])) == [], "a removed message is in no mailbox"
    assert subject.run(mailboxes.entries_of([])) == []


def test_positions_tell_which_mailboxes_have_changed(subject: Subject) -> None:
    place(subject)
    place(subject, mailbox=ALICE.key)
    before = subject.run(subject.store.mailboxes.positions())
    assert before[BOB.key] == (status(subject).validity, status(subject).modseq)
    add(subject, [1], SEEN)
    after = subject.run(subject.store.mailboxes.positions())
    assert {name for name in after if after[name] != before.get(name)} == {BOB.key}
    assert after[BOB.key][1] > before[BOB.key][1]
