"""Files of the SQLite store: contents, orphans, and access by other processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.letter.letter import read_all
from mailstack.protocols.bounded_memory import ALWAYS_ALLOWED
from mailstack.store import Conflict, Damaged, Filter, Settlement, StoreError
from mailstack.store.accounts import Account
from tests.aid import Pump
from tests.contracts.store import BOB, SERVER, acceptance, later, to
from tests.store.sqlite.databases import Open, accept_large, content_files, database, wait_for

pytestmark = pytest.mark.filterwarnings("error")


def test_the_directory_is_private(open_store: Open, directory: Path) -> None:
    open_store()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_small_contents_make_no_files_and_large_ones_go_with_their_letter(
    pump: Pump, open_store: Open, directory: Path
) -> None:
    store = open_store(memory_limit=1000)
    pump.run(store.queue.accept(acceptance(octets=b"x" * 1000)))
    assert content_files(directory) == []
    letter = accept_large(pump, store, 1001)
    assert len(content_files(directory)) == 1
    for claim in pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later)):
        pump.run(store.queue.settle(Settlement((to(DeliveryState.RELAYED, claim.deliveries[0]),))))
    pump.run(store.close())
    assert content_files(directory) == [], letter


def test_a_content_that_was_discarded_leaves_no_file(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()

    async def discard(*, finish: bool) -> None:
        writer = store.contents.new()
        await writer.write(b"x" * 100_000)
        if finish:
            await writer.finish()
        writer.discard()

    pump.run(discard(finish=False))
    pump.run(discard(finish=True))
    waiting = store.contents.new()
    begun = pump.start(waiting.write(b"x" * 100_000))
    waiting.discard()
    wait_for(pump, begun)
    pump.run(store.close())
    assert content_files(directory) == []


def test_contents_go_to_files_early_when_many_come_at_a_time(pump: Pump, open_store: Open, directory: Path) -> None:
    """SMTP-28: none of them holds much of the memory then."""
    store = open_store()
    room = store._large.room
    writers = [store.contents.new() for _ in range(4)]
    pump.run(writers[0].write(b"x" * 60_000))
    assert (room.used, content_files(directory)) == (60_000, [])
    room.limit = 70_000
    pump.run(writers[1].write(b"x" * 10_000))
    assert (room.used, content_files(directory)) == (70_000, [])
    pump.run(writers[2].write(b"x" * (ALWAYS_ALLOWED + 1)))
    assert (room.used, len(content_files(directory))) == (70_000, 1)
    pump.run(writers[3].write(b"x" * 10))
    pump.run(writers[0].finish())
    assert room.used == 10_010
    for writer in writers:
        writer.discard()
    assert room.used == 0
    pump.run(store.close())


def test_an_accepted_content_is_not_discarded(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()

    async def arrive() -> LetterId:
        writer = store.contents.new()
        await writer.write(b"x" * 100_000)
        accepted = acceptance()
        letter = replace(accepted.letter, content=await writer.finish())
        await store.queue.accept(replace(accepted, letter=letter))
        writer.discard()
        return letter.id

    letter = pump.run(arrive())
    assert pump.run(read_all(pump.run(store.contents.get(letter)))) == b"x" * 100_000


def test_a_file_that_was_not_accepted_can_be_discarded_still(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    there = acceptance()
    pump.run(store.queue.accept(there))

    async def arrive() -> None:
        writer = store.contents.new()
        await writer.write(b"x" * 100_000)
        content = await writer.finish()
        try:
            await store.queue.accept(replace(there, letter=replace(there.letter, content=content)))
        finally:
            writer.discard()

    with pytest.raises(Conflict):
        pump.run(arrive())
    pump.run(store.close())
    assert content_files(directory) == []


def test_orphans_are_swept_when_the_store_is_opened_and_nothing_else_is(
    pump: Pump, open_store: Open, directory: Path
) -> None:
    letter = accept_large(pump, open_store())
    orphan = directory / "contents" / "ab" / ("ab" * 16)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x")
    stranger = orphan.with_name("notes.txt")
    stranger.write_bytes(b"x")
    open_store()
    assert orphan.exists(), "it may be a content that is just arriving in another process"
    store = open_store(orphan_age=0.0)
    assert not orphan.exists()
    assert stranger.exists()
    assert pump.run(read_all(pump.run(store.contents.get(letter)))) == b"x" * 100_000


def test_a_file_that_is_gone_or_cut_is_damage(pump: Pump, open_store: Open, directory: Path) -> None:
    """To come again later is of no use then (RFC 3206 §4): somebody has to see to it."""
    store = open_store()
    letter = accept_large(pump, store)
    content = pump.run(store.contents.get(letter))
    (file,) = content_files(directory)
    for octets in (b"x" * 99_999, b"x" * 100_001):
        file.write_bytes(octets)
        with pytest.raises(Damaged, match="and 100000 were accepted"):
            pump.run(read_all(content))
    file.unlink()
    with pytest.raises(Damaged, match="not there"):
        pump.run(read_all(content))


def test_another_store_on_the_same_directory_sees_and_is_seen(pump: Pump, open_store: Open) -> None:
    one, two = open_store(), open_store()
    accepted = acceptance()
    results = wait_for(
        pump,
        *(pump.start(store.queue.accept(acceptance())) for store in (one, two) * 20),
        pump.start(two.queue.accept(accepted)),
    )
    assert results == [None] * 41
    assert len(pump.run(one.history.records(Filter()))) == 41
    operator = Settlement((to(DeliveryState.HELD, accepted.deliveries[0]),))
    pump.run(two.queue.settle(operator))
    (record,) = pump.run(one.history.records(Filter(ids=(accepted.letter.id,))))
    assert record.deliveries[0].state is DeliveryState.HELD


def test_a_writer_that_holds_on_too_long_is_a_store_error_and_no_loss(
    pump: Pump, open_store: Open, directory: Path
) -> None:
    store = open_store(busy_timeout=0.02)
    other = database(directory)
    other.execute("BEGIN IMMEDIATE")
    one, two = acceptance(), acceptance()
    for error in wait_for(pump, pump.start(store.queue.accept(one)), pump.start(store.queue.accept(two))):
        assert type(error) is StoreError
        assert "locked" in str(error)
    other.execute("ROLLBACK")
    other.close()
    pump.run(store.queue.accept(one))


def test_an_account_changed_by_another_process_is_seen_when_it_is_no_longer_believed(
    pump: Pump, open_store: Open
) -> None:
    one, two = open_store(address_seconds=0.0), open_store()
    assert pump.run(one.accounts.get(BOB.key)) is None
    pump.run(two.accounts.add([Account(BOB.key, b"x", 1.0)]))
    assert pump.run(one.accounts.get(BOB.key)) == Account(BOB.key, b"x", 1.0)


def test_one_process_serves_a_directory(pump: Pump, open_store: Open, directory: Path) -> None:
    one, two = open_store(), open_store()
    one.lock_server()
    with pytest.raises(StoreError, match=rf"another mailstack \(pid {os.getpid()}\) serves this data directory"):
        two.lock_server()
    pump.run(one.close())
    two.lock_server()
