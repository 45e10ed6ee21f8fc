"""Contract of a store: removed messages that are kept for IMAP sessions which still show them (IMAP-68)."""

from __future__ import annotations

import time

import pytest

from mailstack.letter import LetterId
from mailstack.letter.letter import read_all
from mailstack.store.mailboxes import DELETED, FLAGGED, SEEN, FlagChange, Flags
from tests.contracts.imap_messages import add, messages, status
from tests.contracts.store import BOB, HEADERS, TEXT, Subject, octets_of, place

EVER = time.time() + 1e9


def selected(subject: Subject, mailbox: str = BOB.key) -> None:
    subject.run(subject.store.mailboxes.keep_removed(mailbox, 3600.0))


def kept(subject: Subject, uids: list[int], mailbox: str = BOB.key):
    return subject.run(subject.store.mailboxes.removed_messages(mailbox, uids))


def read_removed(subject: Subject, uid: int, mailbox: str = BOB.key) -> bytes:
    async def read() -> bytes:
        return await read_all(await subject.store.mailboxes.read_removed(mailbox, uid))

    return subject.run(read())


def expunged(subject: Subject) -> LetterId:
    """A letter that was removed from a selected mailbox, in which another one remains."""
    letter = place(subject)
    place(subject)
    selected(subject)
    add(subject, [1], DELETED | FLAGGED)
    subject.run(subject.store.mailboxes.expunge(BOB.key))
    return letter


def test_a_removed_message_of_a_selected_mailbox_is_kept_and_counts_nowhere(subject: Subject) -> None:
    """IMAP-68."""
    letter = expunged(subject)
    mailboxes = subject.store.mailboxes
    (message,) = kept(subject, [1, 2, 3])
    assert (message.uid, message.letter, message.flags) == (1, letter, Flags(DELETED | FLAGGED, 0))
    assert read_removed(subject, 1) == HEADERS + TEXT
    assert (status(subject).messages, subject.run(mailboxes.octets_in(BOB.key))) == (1, message.size)
    assert [entry.uid for entry in subject.run(mailboxes.entries(BOB.key, 0, 9))] == [2]
    assert [entry.uid for entry in subject.run(mailboxes.open(BOB.key, "pop")).entries] == [2]
    assert subject.run(mailboxes.read_together(BOB.key, [1])) == {}
    with pytest.raises(KeyError):
        subject.run(mailboxes.read(BOB.key, 1))
    with pytest.raises(KeyError):
        read_removed(subject, 2)


def test_kept_messages_go_with_their_contents_after_a_restart(subject: Subject) -> None:
    """IMAP-68: the time of the removal is in the store, so nothing leaks."""
    letter = expunged(subject)
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert subject.run(subject.store.mailboxes.purge_removed(time.time() - 60)) == 0
    assert octets_of(subject, letter) == TEXT
    assert subject.run(subject.store.mailboxes.purge_removed(EVER)) == 1
    assert octets_of(subject, letter) is None
    assert kept(subject, [1]) == []
    assert subject.run(subject.store.mailboxes.purge_removed(EVER)) == 0
    assert status(subject).messages == 1


def test_nothing_is_kept_of_a_mailbox_that_is_not_selected(subject: Subject) -> None:
    """IMAP-68: neither before a session, nor after its time."""
    for seconds in (None, -1.0):
        letter = place(subject)
        if seconds is not None:
            subject.run(subject.store.mailboxes.keep_removed(BOB.key, seconds))
        uid = messages(subject)[0].uid
        add(subject, [uid], DELETED)
        subject.run(subject.store.mailboxes.expunge(BOB.key))
        assert (kept(subject, [uid]), octets_of(subject, letter)) == ([], None)


def test_a_shorter_time_ends_no_longer_one(subject: Subject) -> None:
    """IMAP-68."""
    place(subject)
    selected(subject)
    subject.run(subject.store.mailboxes.keep_removed(BOB.key, 1.0))
    subject.run(subject.store.mailboxes.keep_removed(BOB.key, -1.0))
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=[1], steps=[]))
    assert [message.uid for message in kept(subject, [1])] == [1]


def test_a_moved_message_is_kept_where_it_was(subject: Subject) -> None:
    """IMAP-68: its content stays with the message in the target."""
    letter = place(subject)
    trash = subject.run(subject.store.folders.create(BOB.key, "Trash", 1000.0)).mailbox
    selected(subject)
    add(subject, [1], SEEN)
    subject.run(subject.store.mailboxes.move(BOB.key, [1], trash, 3000.0))
    subject.run(subject.store.mailboxes.move(trash, [1], BOB.key, 3000.0))
    subject.run(subject.store.mailboxes.move(BOB.key, [2], BOB.key, 3000.0))
    assert [(message.uid, message.letter) for message in kept(subject, [1, 2, 3])] == [(1, letter), (2, letter)]
    assert [message.uid for message in messages(subject)] == [3]
    assert read_removed(subject, 1) == read_removed(subject, 2) == HEADERS + TEXT
    assert subject.run(subject.store.mailboxes.purge_removed(EVER)) == 2
    assert octets_of(subject, letter) == TEXT
    assert status(subject).messages == 1


def test_flags_of_a_kept_message_change_for_those_that_show_it(subject: Subject) -> None:
    """IMAP-68, IMAP-69."""
    expunged(subject)
    before = status(subject)
    change = FlagChange(Flags(SEEN, 0), Flags(FLAGGED, 0))
    stored = subject.run(subject.store.mailboxes.store_flags(BOB.key, [1, 9], change))
    assert (stored.changed, list(stored.removed)) == ([], [1])
    assert status(subject) == before
    (message,) = kept(subject, [1])
    assert message.flags == Flags(DELETED | SEEN, 0)
    assert message.modseq <= before.modseq
    assert list(subject.run(subject.store.mailboxes.store_flags(BOB.key, [1, 2], change)).removed) == [1]
    assert status(subject).unseen == 0


def test_kept_messages_go_with_their_mailbox_and_when_their_letter_is_pruned(subject: Subject) -> None:
    """IMAP-68."""
    folder = subject.run(subject.store.folders.create(BOB.key, "old", 1000.0)).mailbox
    letters = [place(subject, mailbox=mailbox) for mailbox in (folder, folder, BOB.key, BOB.key)]
    for mailbox in (folder, BOB.key):
        selected(subject, mailbox)
        subject.run(subject.store.mailboxes.update(mailbox, collected=[], deleted=[1], steps=[]))
    subject.run(subject.store.folders.remove(BOB.key, "old"))
    assert [octets_of(subject, letter) for letter in letters] == [None, None, TEXT, TEXT]
    assert subject.run(subject.store.history.prune("mx.home.test", before=0.0, keep=0)) == 4
    assert [octets_of(subject, letter) for letter in letters] == [None] * 4
    assert kept(subject, [1, 2]) == []
