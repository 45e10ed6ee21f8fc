"""Transactions of the SQLite store: one for all waiting jobs, errors for one caller alone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from mailstack.letter.delivery import Delivery
from mailstack.letter.letter import read_all
from mailstack.store import Conflict, Filter, StoreError
from mailstack.store.accounts import Account
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, SERVER, acceptance, later, placing
from tests.store.sqlite.databases import Open, database, wait_for

pytestmark = pytest.mark.filterwarnings("error")


def test_letters_that_are_claimed_together_are_read_with_few_jobs(pump: Pump, open_store: Open) -> None:
    store = open_store(recent_octets=1 << 20)
    texts = {}
    for number in range(100):
        accepted = acceptance(octets=b"\0\xff\r\n%d" % number * (number % 7))
        texts[accepted.letter.id] = b"\0\xff\r\n%d" % number * (number % 7)
        pump.run(store.queue.accept(accepted))
    pump.run(store.close())
    store = open_store(recent_octets=1 << 20)
    claims = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=100, lease=60, next_due=later))
    jobs = 0
    do = store._readers.do

    def counted(job: Callable[[sqlite3.Connection], Any]) -> Any:
        nonlocal jobs
        jobs += 1
        return do(job)

    store._readers.do = counted  # type: ignore[method-assign,assignment]
    assert {claim.letter.id: pump.run(read_all(claim.letter.content)) for claim in claims} == texts
    assert jobs == 2


def test_in_a_group_only_the_bad_one_fails(pump: Pump, open_store: Open) -> None:
    store = open_store()
    there = acceptance()
    pump.run(store.queue.accept(there))
    good = [acceptance() for _ in range(20)]
    account = Account(BOB.key, b"x", 1.0)
    works = [store.queue.accept(one) for one in good]
    works.insert(7, store.queue.accept(there))
    works += [
        store.accounts.add([account]),
        store.accounts.set_password("nobody@home.test", b"x"),
        store.accounts.add([account]),
    ]
    results = wait_for(pump, *(pump.start(work) for work in works))
    assert isinstance(results.pop(7), Conflict)
    assert [type(result) for result in results[20:]] == [type(None), KeyError, Conflict]
    assert results[:20] == [None] * 20
    assert len(pump.run(store.history.records(Filter()))) == 21


def test_all_that_waits_is_one_transaction(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    done: list[str] = []

    async def watch() -> None:
        await store._writer.do(lambda change: change.connection.set_trace_callback(done.append))

    pump.run(watch())
    done.clear()
    other = database(directory)
    other.execute("BEGIN IMMEDIATE")
    accepts = [pump.start(store.queue.accept(acceptance())) for _ in range(50)]
    other.execute("ROLLBACK")
    other.close()
    wait_for(pump, *accepts)
    assert len(pump.run(store.history.records(Filter()))) == 50
    # What the writer took before the rest was there, and the rest.
    assert 1 <= done.count("COMMIT") <= 2


@implementer(IReactorTime)
class TurningPump(Pump):
    """One with turns, each of which ends when something is waited for."""

    seconds = staticmethod(time.time)

    def callLater(self, delay: float, do: Callable[[], None]) -> None:  # noqa: N802
        assert delay == 0
        self.callFromThread(do)


def test_all_of_one_turn_is_one_transaction(directory: Path) -> None:
    pump = TurningPump()
    store = SqliteStore(pump, directory)
    pump.run(store.open())
    done: list[str] = []

    async def watch() -> None:
        await store._writer.do(lambda change: change.connection.set_trace_callback(done.append))

    pump.run(watch())
    for _ in range(10):
        done.clear()
        wait_for(pump, *[pump.start(store.queue.accept(acceptance())) for _ in range(20)])
        assert done.count("COMMIT") == 1
    last = pump.start(store.queue.accept(acceptance()))
    pump.run(store.close())
    assert last == [None]


def test_what_was_asked_in_the_turn_of_a_store_that_can_not_be_opened_is_refused(directory: Path) -> None:
    pump = TurningPump()
    directory.mkdir()
    (directory / DATABASE).write_bytes(b"this is no database" * 1000)
    store = SqliteStore(pump, directory)
    opened = store._writer.open()
    accepted = pump.start(store.queue.accept(acceptance()))
    with pytest.raises(StoreError):
        pump.run(waited(opened))
    assert isinstance(wait_for(pump, accepted)[0], StoreError)
    pump.run(store.close())


async def waited(deferred: Deferred[None]) -> None:
    await deferred


def test_two_settlements_of_one_delivery_in_one_group_are_one(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.queue.accept(acceptance()))
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    settlement = placing(claim.deliveries[0])
    results = wait_for(pump, *(pump.start(store.queue.settle(settlement)) for _ in range(5)))
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["NoneType"]
    assert len(pump.run(store.mailboxes.open(BOB.key, "me")).entries) == 1


def test_a_bug_in_one_call_is_raised_to_its_caller_alone(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.queue.accept(acceptance()))

    def broken(delivery: Delivery, arrived: float) -> float:
        raise ZeroDivisionError

    results = wait_for(
        pump,
        pump.start(store.queue.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=broken)),
        pump.start(store.queue.accept(acceptance())),
    )
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] is None
    assert len(pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later))) == 2


def test_a_commit_is_on_the_disk_when_it_returns(pump: Pump, open_store: Open) -> None:
    """SMTP-29: write-ahead log, synced at each commit."""
    store = open_store()

    async def setting(name: str) -> Any:
        return await store._writer.do(lambda change: change.execute(f"PRAGMA {name}").fetchall()[0][0])

    assert pump.run(setting("synchronous")) == 2
    assert pump.run(setting("journal_mode")) == "wal"
