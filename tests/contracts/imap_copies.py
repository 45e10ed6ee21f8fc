"""Contract of a store: APPEND, COPY and MOVE of messages, and notifications of changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter.delivery import Step
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Conflict
from mailstack.store.accounts import Account
from mailstack.store.folders import NoSuchFolder
from mailstack.store.mailboxes import DELETED, FLAGGED, MAX_KEYWORDS, SEEN, AppendedLetter, Copied, Flags
from tests.contracts.imap_messages import add, messages, status
from tests.contracts.store import (
    BOB,
    HEADERS,
    SERVER,
    TEXT,
    Subject,
    acceptance,
    claimed,
    entries,
    octets_of,
    place,
    placing,
    states,
)


def folder(subject: Subject, path: str = "Trash") -> str:
    return subject.run(subject.store.folders.create(BOB.key, path, 1500.0)).mailbox


def appended(octets: bytes = TEXT, system: int = 0, keywords: int = 0, at: float = 77.0) -> AppendedLetter:
    letter = replace(acceptance(at=4000.0).letter, content=Octets(octets))
    return AppendedLetter(letter, Flags(system, keywords), at)


def read(subject: Subject, mailbox: str, uid: int) -> bytes:
    async def read() -> bytes:
        return await read_all(await subject.store.mailboxes.read(mailbox, uid))

    return subject.run(read())


def copy(subject: Subject, uids: list[int], target: str, source: str = BOB.key) -> Copied:
    return subject.run(subject.store.mailboxes.copy(source, uids, target, 3000.0))


def test_appended_letters_are_messages_with_a_history(subject: Subject) -> None:
    """IMAP-60, IMAP-62."""
    mailbox = folder(subject)
    small, large = appended(system=SEEN, keywords=1 << MAX_KEYWORDS - 1), appended(b"x" * 300_000, DELETED, at=88.5)
    step = Step(small.letter.id, 4000.0, SERVER, "submitted", {"by": BOB.key})
    before = status(subject, mailbox)
    result = subject.run(subject.store.mailboxes.append(mailbox, [small, large], [step]))
    assert result == Copied(before.validity, [], [before.next_uid, before.next_uid + 1])
    found = messages(subject, mailbox)
    assert [(each.letter, each.flags, each.at, each.saved) for each in found] == [
        (small.letter.id, small.flags, 77.0, 4000.0),
        (large.letter.id, large.flags, 88.5, 4000.0),
    ]
    assert {each.modseq for each in found} == {before.modseq + 1}
    assert (status(subject, mailbox).unseen, status(subject, mailbox).deleted) == (1, 1)
    assert [read(subject, mailbox, uid) for uid in result.uids] == [TEXT, b"x" * 300_000]
    assert subject.run(subject.store.history.steps(small.letter.id)) == [step]
    assert states(subject, small.letter.id) == []
    subject.run(subject.store.mailboxes.expunge(mailbox))
    assert octets_of(subject, large.letter.id) is None
    assert octets_of(subject, small.letter.id) == TEXT


def test_letters_are_appended_together_or_not_at_all(subject: Subject) -> None:
    """IMAP-62, IMAP-76."""
    mailbox = folder(subject)
    first, second = appended(), appended()
    subject.run(subject.store.mailboxes.append(mailbox, [first]))
    with pytest.raises(Conflict):
        subject.run(subject.store.mailboxes.append(mailbox, [second, first]))
    assert [each.letter for each in messages(subject, mailbox)] == [first.letter.id]
    assert status(subject, mailbox).messages == 1
    assert octets_of(subject, second.letter.id) is None
    twice = replace(appended().letter, id=second.letter.id)
    with pytest.raises(Conflict):
        subject.run(subject.store.mailboxes.append(mailbox, [second, AppendedLetter(twice, Flags(0, 0), 1.0)]))
    assert octets_of(subject, second.letter.id) is None
    with pytest.raises(NoSuchFolder):
        subject.run(subject.store.mailboxes.append("bob@home.test/none", [second]))
    assert octets_of(subject, second.letter.id) is None


@pytest.mark.parametrize("is_same", [True, False])
def test_an_appended_letter_replaces_a_message(subject: Subject, is_same: bool) -> None:
    """IMAP-75."""
    source = folder(subject)
    target = source if is_same else folder(subject, "Drafts")
    first, second = appended(), appended(b"second\r\n")
    (uid,) = subject.run(subject.store.mailboxes.append(source, [first])).uids
    before = status(subject, source).modseq
    (new,) = subject.run(subject.store.mailboxes.append(target, [second], replaced=(source, uid))).uids
    assert [each.letter for each in messages(subject, source)] == ([second.letter.id] if is_same else [])
    assert read(subject, target, new) == b"second\r\n"
    assert octets_of(subject, first.letter.id) is None
    assert subject.run(subject.store.mailboxes.removals(source, before)).uids == [(uid, uid)]
    counted = status(subject, source)
    assert (counted.messages, counted.octets) == ((1, 8) if is_same else (0, 0))
    with pytest.raises(Conflict):
        subject.run(subject.store.mailboxes.append(source, [second], replaced=(target, new)))
    assert read(subject, target, new) == b"second\r\n"


def test_a_copy_has_flags_and_dates_and_shares_the_content(subject: Subject) -> None:
    """IMAP-64."""
    mailbox = folder(subject)
    letters = [place(subject) for _ in range(3)]
    subject.run(subject.store.mailboxes.add_keywords(BOB.key, ["one", "two", "three"]))
    subject.run(subject.store.mailboxes.add_keywords(mailbox, ["THREE"]))
    add(subject, [1], SEEN | DELETED, 0b110)
    before = status(subject)
    result = copy(subject, [3, 1, 9], mailbox)
    assert (result.source_uids, result.uids) == ([1, 3], [1, 2])
    assert result.validity == status(subject, mailbox).validity
    assert status(subject, mailbox).keywords == ("THREE", "two")
    first, second = messages(subject, mailbox)
    assert (first.letter, first.flags, first.at, first.saved) == (
        letters[0],
        Flags(SEEN | DELETED, 0b11),
        2000.0,
        3000.0,
    )
    assert (second.letter, second.flags) == (letters[2], Flags(0, 0))
    assert status(subject) == before
    again = copy(subject, [1, 2], BOB.key)
    assert again.uids == [4, 5]
    assert messages(subject)[3].flags == Flags(SEEN | DELETED, 0b110)
    assert messages(subject)[3].saved == 3000.0
    subject.run(subject.store.mailboxes.expunge(BOB.key))
    assert read(subject, mailbox, 1) == HEADERS + TEXT
    subject.run(subject.store.mailboxes.expunge(mailbox))
    assert octets_of(subject, letters[0]) is None
    assert copy(subject, [99], mailbox).uids == []


def test_keywords_beyond_the_limit_of_the_target_are_left_behind(subject: Subject) -> None:
    mailbox = folder(subject)
    place(subject)
    subject.run(subject.store.mailboxes.add_keywords(BOB.key, ["kept", "lost"]))
    subject.run(
        subject.store.mailboxes.add_keywords(mailbox, [*(f"k{number}" for number in range(MAX_KEYWORDS - 1)), "Kept"])
    )
    add(subject, [1], FLAGGED, 0b11)
    copy(subject, [1], mailbox)
    assert [each.flags for each in messages(subject, mailbox)] == [Flags(FLAGGED, 1 << MAX_KEYWORDS - 1)]
    subject.run(subject.store.mailboxes.move(mailbox, [1], BOB.key, 3000.0))
    assert [each.flags for each in messages(subject)] == [Flags(FLAGGED, 0b11), Flags(FLAGGED, 0b01)]


def test_moved_messages_leave_one_mailbox_for_the_other(subject: Subject) -> None:
    """IMAP-65."""
    mailbox = folder(subject)
    letters = [place(subject) for _ in range(4)]
    add(subject, [2], SEEN)
    since = status(subject).modseq
    copied, expunged = subject.run(subject.store.mailboxes.move(BOB.key, [2, 4, 77], mailbox, 3000.0))
    assert (copied.source_uids, copied.uids) == ([2, 4], [1, 2])
    assert (expunged.uids, expunged.modseq) == ([2, 4], since + 1)
    assert entries(subject) == [(1, letters[0]), (3, letters[2])]
    assert [(each.letter, each.saved) for each in messages(subject, mailbox)] == [
        (letters[1], 3000.0),
        (letters[3], 3000.0),
    ]
    assert (status(subject).unseen, status(subject, mailbox).unseen) == (2, 1)
    assert subject.run(subject.store.mailboxes.removals(BOB.key, since)).uids == [(2, 2), (4, 4)]
    assert read(subject, mailbox, 2) == HEADERS + TEXT
    copied, expunged = subject.run(subject.store.mailboxes.move(BOB.key, [99], mailbox, 3000.0))
    assert (copied.uids, expunged.uids) == ([], [])


def test_messages_move_within_their_mailbox(subject: Subject) -> None:
    """IMAP-65."""
    letters = [place(subject) for _ in range(3)]
    since = status(subject).modseq
    copied, expunged = subject.run(subject.store.mailboxes.move(BOB.key, [1, 2], BOB.key, 3000.0))
    assert (copied.source_uids, copied.uids, expunged.uids) == ([1, 2], [4, 5], [1, 2])
    assert entries(subject) == [(3, letters[2]), (4, letters[0]), (5, letters[1])]
    changed = messages(subject, changed_since=since)
    assert [each.uid for each in changed] == [4, 5]
    assert all(each.modseq > expunged.modseq for each in changed)
    assert status(subject).next_uid == 6


def test_a_moved_letter_fulfils_its_delivery_still(subject: Subject) -> None:
    """A step finds it by its delivery, which no second entry can fulfil."""
    mailbox = folder(subject)
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(placing(delivery)))
    subject.run(subject.store.mailboxes.move(BOB.key, [1], mailbox, 3000.0))
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.settle(placing(delivery)))
    step = Step(delivery.letter, 5000.0, SERVER, "collected", {"by": BOB.key})
    assert subject.run(subject.store.mailboxes.update(mailbox, collected=[1], deleted=[], steps=[step])) == [step]
    assert states(subject, delivery.letter) == ["collected"]


def test_a_copy_of_a_copy_and_of_a_moved_copy_are_entries_of_their_own(subject: Subject) -> None:
    first, second = folder(subject, "a"), folder(subject, "b")
    place(subject)
    for _ in range(2):
        copy(subject, [1], first)
        copy(subject, [1], second)
    subject.run(subject.store.mailboxes.move(first, [1, 2], second, 3000.0))
    copy(subject, [1, 2, 3, 4], second, source=second)
    assert status(subject, second).messages == 8
    assert status(subject, first).messages == 0


def test_changes_are_notified_after_their_commit(subject: Subject) -> None:
    """IMAP-111."""
    mailbox = folder(subject)
    seen: list[str | None] = []
    end = subject.store.mailboxes.on_change(seen.append)
    mailboxes = subject.store.mailboxes

    def changed() -> set[str | None]:
        subject.run(mailboxes.status(BOB.key))
        found = set(seen)
        seen.clear()
        return found

    place(subject)
    assert changed() == {BOB.key}
    add(subject, [1], SEEN)
    assert changed() == {BOB.key}
    add(subject, [1], SEEN)
    assert changed() == set()
    copy(subject, [1], mailbox)
    assert changed() == {mailbox}
    subject.run(mailboxes.move(BOB.key, [1], mailbox, 3000.0))
    assert changed() == {BOB.key, mailbox}
    subject.run(mailboxes.append(mailbox, [appended(system=DELETED)]))
    assert changed() == {mailbox}
    subject.run(mailboxes.expunge(mailbox))
    assert changed() == {mailbox}
    subject.run(mailboxes.update(mailbox, collected=[], deleted=[1], steps=[]))
    assert changed() == {mailbox}
    place(subject)
    changed()
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0)]))
    subject.run(subject.store.accounts.remove(BOB.key))
    assert changed() >= {BOB.key}
    end()
    place(subject)
    assert changed() == set()


def test_letters_of_messages_are_in_the_order_of_their_uids(subject: Subject) -> None:
    """IMAP-123."""
    mailboxes, mailbox = subject.store.mailboxes, folder(subject)
    letters = [appended(system=DELETED) for _ in range(3)]
    subject.run(mailboxes.append(mailbox, letters))
    ids = [each.letter.id for each in letters]
    assert subject.run(mailboxes.letters_of(mailbox, [3, 1, 1, 9])) == [ids[0], ids[2]]
    assert subject.run(mailboxes.letters_of(mailbox, [])) == []
    assert subject.run(mailboxes.letters_of("nobody@home.test", [1])) == []
    expunged = subject.run(mailboxes.expunge(mailbox, [3, 2]))
    assert (expunged.uids, list(expunged.letters)) == ([2, 3], ids[1:])
    subject.run(mailboxes.keep_removed(mailbox, 60.0))
    expunged = subject.run(mailboxes.expunge(mailbox))
    assert (expunged.uids, list(expunged.letters)) == ([1], ids[:1])
