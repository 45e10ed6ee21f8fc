"""Every single write of a letter's way fails once: then nothing is lost, nothing half done, and the store goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter.delivery import DeliveryState
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Acceptance, Conflict, Filter, Settlement, StoreError, StoreFull
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, CAROL, HEADERS, acceptance, placing, to
from tests.store.failing_disk import FailingDisk

MOST_WRITES = 500
SIZES = {"small": 200, "large": 300_000}
FAULTS = [(full, lasting) for full in (True, False) for lasting in (True, False)]
NAMES = [f"{'full' if full else 'broken'}-{'until-it-heals' if lasting else 'once'}" for full, lasting in FAULTS]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingDisk]:
    disk = FailingDisk()
    with disk.beneath_sqlite():
        disk.beneath_files(monkeypatch)
        yield disk
    assert disk.opened, "Python has a SQLite of its own, which no VFS of ours reaches"


class Place:
    """A store in a directory, with bob's letter 0 in his mailbox and in its place on the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pump = Pump()
        self.store = self._open()
        self.first = accepted("first", 200)
        self.do(self.store.queue.accept(self.first))
        self.do(self.store.queue.settle(placing(self.first.deliveries[0], size=200)))

    def _open(self) -> SqliteStore:
        store = SqliteStore(self.pump, self.directory, settings=StoreSettings(memory_limit=65536, orphan_age=0.0))
        self.pump.run(store.open())
        return store

    def do(self, work: Any) -> Any:
        return self.pump.run(work)

    def reopen(self) -> None:
        self.close()
        self.store = self._open()

    def close(self) -> None:
        self.do(self.store.close())

    def letters(self) -> dict[str, Any]:
        return {record.letter.id: record for record in self.do(self.store.history.records(Filter(limit=1000)))}

    def in_mailbox(self) -> list[str]:
        drop = self.do(self.store.mailboxes.open(BOB.key, "look"))
        self.do(self.store.mailboxes.release(BOB.key, "look"))
        return [entry.letter for entry in drop.entries]

    def octets(self, uid: int) -> bytes:
        async def read() -> bytes:
            return await read_all(await self.store.mailboxes.read(BOB.key, uid))

        return self.do(read())

    def files(self) -> int:
        return len(list((self.directory / "contents").glob("*/*")))


def accepted(text: str, size: int) -> Acceptance:
    made = acceptance(BOB, CAROL, at=3000.0)
    octets = (f"Subject: {text}\r\n\r\n".encode() + b"x" * size)[:size]
    return replace(made, letter=replace(made.letter, content=Octets(octets)))


async def take(store: SqliteStore, accepted: Acceptance) -> None:
    """As a session does: the content as it comes, then the acceptance; discarded when something goes wrong."""
    content = store.contents.new()
    try:
        octets: Any = accepted.letter.content
        async for chunk in octets.chunks():
            await content.write(chunk)
        await store.queue.accept(replace(accepted, letter=replace(accepted.letter, content=await content.finish())))
    except BaseException:
        content.discard()
        raise


Step = Callable[[Place, Callable[[], None]], None]
"""What is done in a place; it calls the function behind what only prepares it."""


def walk(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool, step: Step) -> None:
    """Do `step` with the first write failing, then the second, until none is left to fail."""
    for number in range(1, MOST_WRITES):
        place = Place(tmp_path / str(number))
        step(place, partial(disk.fail, number, full=full, lasting=lasting))
        place.close()
        if not disk.has_failed:
            assert number > 3, "hardly anything was written"
            return
    raise AssertionError("there is no end of writes")


def refused(place: Place, work: Any, full: bool) -> bool:
    """Whether the store could not do it; it says so, and says whether the disk is full."""
    trouble: StoreError | None = None
    try:
        place.do(work)
    except StoreError as error:
        trouble = error
    assert not isinstance(trouble, Conflict)
    assert trouble is None or isinstance(trouble, StoreFull) == full, trouble
    return trouble is not None


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("full", "lasting"), FAULTS, ids=NAMES)
def test_accepting(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool, size: int) -> None:
    """SMTP-29, CODE-21: a letter is either refused and not there, or accepted and there for good."""

    def step(place: Place, begin: Callable[[], None]) -> None:
        letter = accepted("letter", size)
        begin()
        was_refused = refused(place, take(place.store, letter), full)
        disk.heal()
        assert (letter.letter.id in place.letters()) is not was_refused
        another = accepted("another", size)
        place.do(take(place.store, another))
        place.reopen()
        wanted = {place.first.letter.id, another.letter.id} | (set() if was_refused else {letter.letter.id})
        letters = place.letters()
        assert set(letters) == wanted
        for each in wanted - {place.first.letter.id}:
            octets = place.do(read_all(letters[each].letter.content))
            assert len(octets) == size
        assert place.files() == (len(wanted) - 1 if size > 65536 else 0), "a content file that no letter has"

    walk(disk, tmp_path, full, lasting, step)


@pytest.mark.parametrize(("full", "lasting"), FAULTS, ids=NAMES)
def test_settling(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """RLY-14: delivery and mailbox change together or not at all, and once the disk is well the same works."""

    def step(place: Place, begin: Callable[[], None]) -> None:
        letter = accepted("letter", 200)
        place.do(take(place.store, letter))
        begin()
        settlement = placing(letter.deliveries[0], size=200)
        was_refused = refused(place, place.store.queue.settle(settlement), full)
        disk.heal()
        assert (letter.letter.id in place.in_mailbox()) is not was_refused
        if was_refused:
            place.do(place.store.queue.settle(settlement))
        place.reopen()
        assert place.in_mailbox() == [place.first.letter.id, letter.letter.id]
        assert place.octets(2).startswith(HEADERS + b"Subject: letter")
        assert place.letters()[letter.letter.id].deliveries[0].state is DeliveryState.DELIVERED

    walk(disk, tmp_path, full, lasting, step)


@pytest.mark.parametrize(("full", "lasting"), FAULTS, ids=NAMES)
def test_giving_a_delivery_up_with_a_report(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """The report and the end of what it tells of are one change."""

    def step(place: Place, begin: Callable[[], None]) -> None:
        report = accepted("report", 200)
        begin()
        failed = to(DeliveryState.BOUNCED, place.first.deliveries[1])
        settlement = Settlement((failed,), (), (), (report,))
        was_refused = refused(place, place.store.queue.settle(settlement), full)
        disk.heal()
        letters = place.letters()
        state = letters[place.first.letter.id].deliveries[1].state
        assert (report.letter.id in letters) is (state is DeliveryState.BOUNCED) is not was_refused
        if was_refused:
            place.do(place.store.queue.settle(settlement))
        place.reopen()
        assert report.letter.id in place.letters()

    walk(disk, tmp_path, full, lasting, step)


@pytest.mark.parametrize(("full", "lasting"), FAULTS, ids=NAMES)
def test_updating_a_maildrop(disk: FailingDisk, tmp_path: Path, full: bool, lasting: bool) -> None:
    """POP-29: what QUIT was told of is gone altogether, or is all there."""

    def step(place: Place, begin: Callable[[], None]) -> None:
        letter = accepted("letter", 200)
        place.do(take(place.store, letter))
        place.do(place.store.queue.settle(placing(letter.deliveries[0], size=200)))
        begin()
        update = {"collected": [1, 2], "deleted": [1, 2], "steps": []}
        was_refused = refused(place, place.store.mailboxes.update(BOB.key, **update), full)
        disk.heal()
        both = [place.first.letter.id, letter.letter.id]
        assert place.in_mailbox() == (both if was_refused else [])
        place.reopen()
        assert place.in_mailbox() == (both if was_refused else [])
        if was_refused:
            place.do(place.store.mailboxes.update(BOB.key, **update))
            assert place.in_mailbox() == []

    walk(disk, tmp_path, full, lasting, step)
