"""Queue on a full disk: the start, attempts, and outcomes that wait for room."""

from __future__ import annotations

import pytest

from mailstack.store import StoreError, StoreFull
from mailstack.store.sql_parts.queue import SqlQueue
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.queue.rig import HOUR, REFUSED, TAKEN, OneByOne, Rig, a_letter


class FullQueue(OneByOne):
    """Queue of a store whose disk is full when the test says so: it can be read."""

    is_full = False

    def _check(self) -> None:
        if self.is_full:
            raise StoreFull("no space left on device")

    async def accept(self, acceptance):
        self._check()
        await super().accept(acceptance)

    async def settle(self, settlement):
        self._check()
        await super().settle(settlement)

    async def recover(self, owners, now):
        self._check()
        return await super().recover(owners, now)

    async def claim(self, *arguments, **options):
        self._check()
        return await super().claim(*arguments, **options)


class FullStore(InMemoryStore):
    queue_class = FullQueue
    queue: FullQueue


def test_a_server_begins_on_a_full_disk_accepts_nothing_and_delivers_once_there_is_room():
    """CODE-21."""
    store = FullStore()
    rig = Rig(store=store, waits=True)
    before = rig.accept(a_letter("x@else.test"))
    store.queue.is_full = True
    rig.restart()
    steps = list(rig.journal.steps)
    with pytest.raises(StoreFull):
        rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    assert rig.relay.calls == []
    assert rig.journal.steps == steps
    assert rig.states(before) == ["queued"]
    store.queue.is_full = False
    rig.clock.advance(2)
    assert len(rig.relay.calls) == 1
    rig.relay.answer_all()
    assert rig.states(before) == ["relayed"]


def test_what_comes_before_claims_could_be_recovered_is_attempted_once():
    """Claimed at once it would be let go of with the claims of the life before, and attempted again."""
    store = FullStore()
    store.queue.is_full = True
    rig = Rig(store=store, waits=True)
    store.queue.is_full = False
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    assert [called for called, _ in rig.relay.calls] == [letter.id]
    rig.relay.answer_all()
    assert rig.states(letter) == ["relayed"]
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 1


def test_trouble_that_is_no_full_disk_still_stops_the_start():
    class LostQueue(SqlQueue):
        async def recover(self, owners, now):
            raise StoreError("the disk is away")

    class LostStore(InMemoryStore):
        queue_class = LostQueue

    with pytest.raises(StoreError, match="away"):
        Rig(store=LostStore())


@pytest.mark.parametrize("outcome", [TAKEN, REFUSED], ids=["relayed", "bounced"])
def test_stop_does_not_wait_for_room_on_a_full_disk(outcome):
    """What can't be written down by then is attempted again after the next start."""
    store = FullStore()
    rig = Rig(store=store, outcome=outcome)
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(3)]
    rig.relay.answer()
    store.queue.is_full = True
    rig.relay.answer_all()
    rig.clock.advance(30)
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True), within=10)
    assert stopped == [True]
    states = [rig.states(letter) for letter in letters]
    assert states.count(["queued"]) == 2
    store.queue.is_full = False
    rig.restart()
    rig.relay.answer_all()
    rig.clock.advance(1)
    assert ["queued"] not in [rig.states(letter) for letter in letters]


def test_what_waits_for_room_is_written_at_the_end_if_there_is_any():
    store = FullStore()
    rig = Rig(store=store, waits=True)
    letter = rig.accept(a_letter("x@else.test"))
    store.queue.is_full = True
    rig.relay.answer()
    rig.clock.advance(45)
    store.queue.is_full = False
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True), within=10)
    assert stopped == [True]
    assert rig.states(letter) == ["relayed"]
