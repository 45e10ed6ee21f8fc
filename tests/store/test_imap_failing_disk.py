"""Every single write of an IMAP client's change fails once: then nothing is half done (IMAP-76)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter.letter import Octets, read_all
from mailstack.store.mailboxes import DELETED, AppendedLetter, FlagChange, Flags, MailboxMessage
from tests.contracts.store import BOB, acceptance
from tests.store.failing_disk import FailingDisk
from tests.store.test_failing_disk import FAULTS, NAMES, Place, disk, refused, walk

__all__ = ["disk"]

faults = pytest.mark.parametrize(("full", "lasting"), FAULTS, ids=NAMES)


def letter(size: int) -> AppendedLetter:
    made = replace(acceptance(at=3000.0).letter, content=Octets(b"x" * size))
    return AppendedLetter(made, Flags(DELETED, 0), 77.0)


def folder(place: Place) -> str:
    return place.do(place.store.folders.create(BOB.key, "Trash", 1000.0)).mailbox


def messages(place: Place, mailbox: str = BOB.key) -> list[MailboxMessage]:
    """Messages of a mailbox, with which its counters agree."""
    found = place.do(place.store.mailboxes.messages(mailbox, limit=100))
    status = place.do(place.store.mailboxes.status(mailbox))
    assert (status.messages, status.octets) == (len(found), sum(each.size for each in found))
    assert status.deleted == sum(bool(each.flags.system & DELETED) for each in found)
    return found


def check(disk: FailingDisk, tmp_path: Path, fault: tuple[bool, bool], change: Any, *, prepare: Any = None) -> None:
    """Do a change that fails at each write: it was done, or nothing was; and it works once the disk is well."""

    def step(place: Place, begin: Callable[[], None]) -> None:
        trash = folder(place)
        if prepare is not None:
            place.do(prepare(place.store.mailboxes, trash))
        before = (messages(place), messages(place, trash))
        begin()
        was_refused = refused(place, change(place.store.mailboxes, trash), fault[0])
        disk.heal()
        assert (before == (messages(place), messages(place, trash))) is was_refused
        place.reopen()
        assert (before == (messages(place), messages(place, trash))) is was_refused
        if was_refused:
            place.do(change(place.store.mailboxes, trash))
            assert before != (messages(place), messages(place, trash))
        for mailbox in (BOB.key, trash):
            for each in messages(place, mailbox):
                content = place.do(place.store.mailboxes.read(mailbox, each.uid))
                assert len(place.do(read_all(content))) == each.size

    walk(disk, tmp_path, *fault, step)


@faults
def test_appending(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """IMAP-62: all letters or none."""

    async def change(mailboxes: Any, trash: str) -> None:
        await mailboxes.append(trash, [letter(200), letter(300_000)])

    check(disk, tmp_path, (full, lasting), change)


@faults
def test_copying(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """IMAP-64."""

    async def change(mailboxes: Any, trash: str) -> None:
        await mailboxes.copy(BOB.key, [1], trash, 9.0)

    check(disk, tmp_path, (full, lasting), change)


@faults
def test_moving(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """IMAP-65."""

    async def change(mailboxes: Any, trash: str) -> None:
        await mailboxes.move(BOB.key, [1], trash, 9.0)

    check(disk, tmp_path, (full, lasting), change)


@faults
def test_expunging(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """IMAP-66."""

    async def prepare(mailboxes: Any, trash: str) -> None:
        await mailboxes.append(trash, [letter(200), letter(300_000)])
        await mailboxes.store_flags(BOB.key, [1], FlagChange(Flags(DELETED, 0)))

    async def change(mailboxes: Any, trash: str) -> None:
        await mailboxes.expunge(trash)

    check(disk, tmp_path, (full, lasting), change, prepare=prepare)
