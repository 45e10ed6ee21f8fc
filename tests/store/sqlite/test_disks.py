"""SQLite store on full, failing and foreign disks."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState, Step
from mailstack.store import Filter, Placement, Settlement, StoreError, StoreFull
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, HEADERS, SERVER, acceptance, later, to
from tests.store.sqlite.databases import Open, accept_large, content_files, wait_for

pytestmark = pytest.mark.filterwarnings("error")


def test_a_full_disk_refuses_and_loses_nothing_and_then_goes_on(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store(max_pages=120)
    accepted = []
    letters = [acceptance(octets=b"x" * 20_000) for _ in range(100)]
    for one in letters:
        (outcome,) = wait_for(pump, pump.start(store.queue.accept(one)))
        if outcome is None:
            accepted.append(one.letter.id)
        else:
            assert type(outcome) is StoreFull
    assert 0 < len(accepted) < len(letters)
    records = pump.run(store.history.records(Filter()))
    assert {record.letter.id for record in records} == set(accepted)
    claims = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=100, lease=1.0, next_due=later))
    for claim in claims:
        pump.run(store.queue.settle(Settlement((to(DeliveryState.RELAYED, claim.deliveries[0]),))))
    pump.run(store.queue.accept(acceptance(octets=b"x" * 20_000)))


def test_a_reader_deletes_also_where_the_disk_is_full(pump: Pump, open_store: Open) -> None:
    """That he collected his letters takes room, which their contents give."""
    store = open_store(max_pages=300)
    letters: list[LetterId] = []
    for size in (2000, 10):  # until there is no room for the least either
        outcome = None
        while outcome is None:
            one = acceptance(octets=b"x" * size)
            delivered = replace(one.deliveries[0], state=DeliveryState.DELIVERED)
            placement = Placement(BOB.key, (one.letter.id, 0), HEADERS, len(HEADERS) + size, 2000.0)
            placed = replace(one, deliveries=(delivered,), placements=(placement,))
            (outcome,) = wait_for(pump, pump.start(store.queue.accept(placed)))
            letters += [one.letter.id] if outcome is None else []
        assert type(outcome) is StoreFull
    facts = {"by": BOB.key, "client": "192.0.2.7", "protocol": "pop3s", "told": "x" * 200}
    steps = [Step(letter, 3000.0, SERVER, "collected", facts) for letter in letters]
    uids = range(1, len(letters) + 1)
    assert pump.run(store.mailboxes.update(BOB.key, collected=uids, deleted=uids, steps=steps)) == steps
    assert pump.run(store.mailboxes.octets_in(BOB.key)) == 0


def test_a_disk_that_cannot_keep_a_file_accepts_nothing(
    pump: Pump, open_store: Open, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMTP-29: the file is synced, and the directory that names it, before the letter is accepted."""
    store = open_store()

    def refuse(number: int) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        return sync

    for name, number, error in (("fdatasync", errno.ENOSPC, StoreFull), ("fsync", errno.EIO, StoreError)):
        with monkeypatch.context() as disk:
            disk.setattr(os, name, refuse(number))
            with pytest.raises(error, match=re.escape(os.strerror(number))):
                accept_large(pump, store)
    assert pump.run(store.history.records(Filter())) == []
    accept_large(pump, store)
    assert len(content_files(directory)) == 1


def test_a_database_that_is_none_does_not_open(pump: Pump, directory: Path) -> None:
    directory.mkdir()
    (directory / DATABASE).write_bytes(b"not a database, but long enough to be taken for one" * 100)
    store = SqliteStore(pump, directory)
    with pytest.raises(StoreError, match=r"mailstack\.sqlite3: .*not a database"):
        pump.run(store.open())
    with pytest.raises(StoreError):
        pump.run(store.queue.accept(acceptance()))
    pump.run(store.close())


def test_a_closed_store_refuses_calls(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.close())
    for work in (
        store.queue.accept(acceptance()),
        store.accounts.all(),
        store.queue.accept(acceptance(octets=b"x" * 100_000)),
    ):
        with pytest.raises(StoreError, match="closed"):
            pump.run(work)


def test_what_was_begun_before_closing_is_finished(pump: Pump, open_store: Open) -> None:
    store = open_store()
    works = [pump.start(store.queue.accept(acceptance())) for _ in range(20)]
    works.append(pump.start(store.close()))
    assert wait_for(pump, *works) == [None] * 21
