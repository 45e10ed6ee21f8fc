"""What only a store on disk can do wrong: threads, other processes, full disks, damaged rows and files."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.letter import LetterId
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import read_all
from mailstack.protocols.bounded_memory import ALWAYS_ALLOWED
from mailstack.store import Conflict, Damaged, Filter, Placement, Settlement, StoreError, StoreFull, pruning, sql
from mailstack.store.accounts import Account
from mailstack.store.locks import Turn
from mailstack.store.schema import migrations
from mailstack.store.sql_parts.accounts import ALIASES_TO
from mailstack.store.sql_store import StoreSettings
from mailstack.store.sqlite.store import DATABASE, TURN, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, HEADERS, SERVER, TEXT, acceptance, later, placing, to

pytestmark = pytest.mark.filterwarnings("error")

Open = Callable[..., SqliteStore]


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_store(pump: Pump, directory: Path) -> Iterator[Open]:
    opened: list[SqliteStore] = []

    def make(**settings: Any) -> SqliteStore:
        opened.append(SqliteStore(pump, directory, StoreSettings(**settings)))
        pump.run(opened[-1].open())
        return opened[-1]

    yield make
    for store in opened:
        pump.run(store.close())


def database(directory: Path) -> sqlite3.Connection:
    return sqlite3.connect(directory / DATABASE, isolation_level=None, timeout=0.05)


def change(directory: Path, statement: str, *parameters: Any) -> None:
    """As another process does."""
    connection = database(directory)
    connection.execute(statement, parameters)
    connection.close()


def wait_for(pump: Pump, *started: list[Any]) -> list[Any]:
    """Results, or the errors, of coroutines that run at the same time."""
    while not all(started):
        pump._calls.get(timeout=20)()
    return [result[0].value if isinstance(result[0], Failure) else result[0] for result in started]


def content_files(directory: Path) -> list[Path]:
    return sorted((directory / "contents").glob("*/*"))


def accept_large(pump: Pump, store: SqliteStore, size: int = 100_000) -> LetterId:
    accepted = acceptance(octets=b"x" * size)
    pump.run(store.accept(accepted))
    return accepted.letter.id


# --- one transaction for all that waits


def test_letters_that_are_claimed_together_are_read_with_few_jobs(pump: Pump, open_store: Open) -> None:
    store = open_store(recent_octets=1 << 20)
    texts = {}
    for number in range(100):
        accepted = acceptance(octets=b"\0\xff\r\n%d" % number * (number % 7))
        texts[accepted.letter.id] = b"\0\xff\r\n%d" % number * (number % 7)
        pump.run(store.accept(accepted))
    pump.run(store.close())
    store = open_store(recent_octets=1 << 20)
    claims = pump.run(store.claim(SERVER, "me", 5000.0, limit=100, lease=60, next_due=later))
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
    pump.run(store.accept(there))
    good = [acceptance() for _ in range(20)]
    account = Account(BOB.key, b"x", 1.0)
    works = [store.accept(one) for one in good]
    works.insert(7, store.accept(there))
    works += [
        store.accounts.add([account]),
        store.accounts.set_password("nobody@home.test", b"x"),
        store.accounts.add([account]),
    ]
    results = wait_for(pump, *(pump.start(work) for work in works))
    assert isinstance(results.pop(7), Conflict)
    assert [type(result) for result in results[20:]] == [type(None), KeyError, Conflict]
    assert results[:20] == [None] * 20
    assert len(pump.run(store.records(Filter()))) == 21


def test_all_that_waits_is_one_transaction(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    done: list[str] = []

    async def watch() -> None:
        await store._writer.do(lambda change: change.connection.set_trace_callback(done.append))

    pump.run(watch())
    done.clear()
    other = database(directory)
    other.execute("BEGIN IMMEDIATE")
    accepts = [pump.start(store.accept(acceptance())) for _ in range(50)]
    other.execute("ROLLBACK")
    other.close()
    wait_for(pump, *accepts)
    assert len(pump.run(store.records(Filter()))) == 50
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
        wait_for(pump, *[pump.start(store.accept(acceptance())) for _ in range(20)])
        assert done.count("COMMIT") == 1
    last = pump.start(store.accept(acceptance()))
    pump.run(store.close())
    assert last == [None]


def test_what_was_asked_in_the_turn_of_a_store_that_can_not_be_opened_is_refused(directory: Path) -> None:
    pump = TurningPump()
    directory.mkdir()
    (directory / DATABASE).write_bytes(b"this is no database" * 1000)
    store = SqliteStore(pump, directory)
    opened = store._writer.open()
    accepted = pump.start(store.accept(acceptance()))
    with pytest.raises(StoreError):
        pump.run(waited(opened))
    assert isinstance(wait_for(pump, accepted)[0], StoreError)
    pump.run(store.close())


async def waited(deferred: Deferred[None]) -> None:
    await deferred


def test_two_settlements_of_one_delivery_in_one_group_are_one(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.accept(acceptance()))
    (claim,) = pump.run(store.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    settlement = placing(claim.deliveries[0])
    results = wait_for(pump, *(pump.start(store.settle(settlement)) for _ in range(5)))
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["NoneType"]
    assert len(pump.run(store.open_maildrop(BOB.key, "me")).entries) == 1


def test_a_bug_in_one_call_is_raised_to_its_caller_alone(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.accept(acceptance()))

    def broken(delivery: Delivery, arrived: float) -> float:
        raise ZeroDivisionError

    results = wait_for(
        pump,
        pump.start(store.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=broken)),
        pump.start(store.accept(acceptance())),
    )
    assert isinstance(results[0], ZeroDivisionError)
    assert results[1] is None
    assert len(pump.run(store.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later))) == 2


def test_a_commit_is_on_the_disk_when_it_returns(pump: Pump, open_store: Open) -> None:
    """SMTP-29: write-ahead log, synced at each commit."""
    store = open_store()

    async def setting(name: str) -> Any:
        return await store._writer.do(lambda change: change.execute(f"PRAGMA {name}").fetchall()[0][0])

    assert pump.run(setting("synchronous")) == 2
    assert pump.run(setting("journal_mode")) == "wal"


# --- full and failing disks


def test_a_full_disk_refuses_and_loses_nothing_and_then_goes_on(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store(max_pages=120)
    accepted = []
    letters = [acceptance(octets=b"x" * 20_000) for _ in range(100)]
    for one in letters:
        (outcome,) = wait_for(pump, pump.start(store.accept(one)))
        if outcome is None:
            accepted.append(one.letter.id)
        else:
            assert type(outcome) is StoreFull
    assert 0 < len(accepted) < len(letters)
    records = pump.run(store.records(Filter()))
    assert {record.letter.id for record in records} == set(accepted)
    claims = pump.run(store.claim(SERVER, "me", 5000.0, limit=100, lease=1.0, next_due=later))
    for claim in claims:
        pump.run(store.settle(Settlement((to(DeliveryState.RELAYED, claim.deliveries[0]),))))
    pump.run(store.accept(acceptance(octets=b"x" * 20_000)))


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
            (outcome,) = wait_for(pump, pump.start(store.accept(placed)))
            letters += [one.letter.id] if outcome is None else []
        assert type(outcome) is StoreFull
    facts = {"by": BOB.key, "client": "192.0.2.7", "protocol": "pop3s", "told": "x" * 200}
    steps = [Step(letter, 3000.0, SERVER, "collected", facts) for letter in letters]
    uids = range(1, len(letters) + 1)
    assert pump.run(store.update_maildrop(BOB.key, collected=uids, deleted=uids, steps=steps)) == steps
    assert pump.run(store.octets_in(BOB.key)) == 0


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
    assert pump.run(store.records(Filter())) == []
    accept_large(pump, store)
    assert len(content_files(directory)) == 1


def test_a_database_that_is_none_does_not_open(pump: Pump, directory: Path) -> None:
    directory.mkdir()
    (directory / DATABASE).write_bytes(b"not a database, but long enough to be taken for one" * 100)
    store = SqliteStore(pump, directory)
    with pytest.raises(StoreError, match=r"mailstack\.sqlite3: .*not a database"):
        pump.run(store.open())
    with pytest.raises(StoreError):
        pump.run(store.accept(acceptance()))
    pump.run(store.close())


def test_a_closed_store_refuses_calls(pump: Pump, open_store: Open) -> None:
    store = open_store()
    pump.run(store.close())
    for work in (store.accept(acceptance()), store.accounts.all(), store.accept(acceptance(octets=b"x" * 100_000))):
        with pytest.raises(StoreError, match="closed"):
            pump.run(work)


def test_what_was_begun_before_closing_is_finished(pump: Pump, open_store: Open) -> None:
    store = open_store()
    works = [pump.start(store.accept(acceptance())) for _ in range(20)]
    works.append(pump.start(store.close()))
    assert wait_for(pump, *works) == [None] * 21


# --- files


def test_the_directory_is_private(open_store: Open, directory: Path) -> None:
    open_store()
    assert directory.stat().st_mode & 0o777 == 0o700


def test_small_contents_make_no_files_and_large_ones_go_with_their_letter(
    pump: Pump, open_store: Open, directory: Path
) -> None:
    store = open_store(memory_limit=1000)
    pump.run(store.accept(acceptance(octets=b"x" * 1000)))
    assert content_files(directory) == []
    letter = accept_large(pump, store, 1001)
    assert len(content_files(directory)) == 1
    for claim in pump.run(store.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later)):
        pump.run(store.settle(Settlement((to(DeliveryState.RELAYED, claim.deliveries[0]),))))
    pump.run(store.close())
    assert content_files(directory) == [], letter


def test_a_content_that_was_discarded_leaves_no_file(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()

    async def discard(*, finish: bool) -> None:
        writer = store.new_content()
        await writer.write(b"x" * 100_000)
        if finish:
            await writer.finish()
        writer.discard()

    pump.run(discard(finish=False))
    pump.run(discard(finish=True))
    waiting = store.new_content()
    begun = pump.start(waiting.write(b"x" * 100_000))
    waiting.discard()
    wait_for(pump, begun)
    pump.run(store.close())
    assert content_files(directory) == []


def test_contents_go_to_files_early_when_many_come_at_a_time(pump: Pump, open_store: Open, directory: Path) -> None:
    """SMTP-28: none of them holds much of the memory then."""
    store = open_store()
    room = store._large.room
    writers = [store.new_content() for _ in range(4)]
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
        writer = store.new_content()
        await writer.write(b"x" * 100_000)
        accepted = acceptance()
        letter = replace(accepted.letter, content=await writer.finish())
        await store.accept(replace(accepted, letter=letter))
        writer.discard()
        return letter.id

    letter = pump.run(arrive())
    assert pump.run(read_all(pump.run(store.content(letter)))) == b"x" * 100_000


def test_a_file_that_was_not_accepted_can_be_discarded_still(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    there = acceptance()
    pump.run(store.accept(there))

    async def arrive() -> None:
        writer = store.new_content()
        await writer.write(b"x" * 100_000)
        content = await writer.finish()
        try:
            await store.accept(replace(there, letter=replace(there.letter, content=content)))
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
    assert pump.run(read_all(pump.run(store.content(letter)))) == b"x" * 100_000


def test_a_file_that_is_gone_or_cut_is_damage(pump: Pump, open_store: Open, directory: Path) -> None:
    """To come again later is of no use then (RFC 3206 §4): somebody has to see to it."""
    store = open_store()
    letter = accept_large(pump, store)
    content = pump.run(store.content(letter))
    (file,) = content_files(directory)
    for octets in (b"x" * 99_999, b"x" * 100_001):
        file.write_bytes(octets)
        with pytest.raises(Damaged, match="and 100000 were accepted"):
            pump.run(read_all(content))
    file.unlink()
    with pytest.raises(Damaged, match="not there"):
        pump.run(read_all(content))


# --- other processes


def test_another_store_on_the_same_directory_sees_and_is_seen(pump: Pump, open_store: Open) -> None:
    one, two = open_store(), open_store()
    accepted = acceptance()
    results = wait_for(
        pump,
        *(pump.start(store.accept(acceptance())) for store in (one, two) * 20),
        pump.start(two.accept(accepted)),
    )
    assert results == [None] * 41
    assert len(pump.run(one.records(Filter()))) == 41
    operator = Settlement((to(DeliveryState.HELD, accepted.deliveries[0]),))
    pump.run(two.settle(operator))
    (record,) = pump.run(one.records(Filter(ids=(accepted.letter.id,))))
    assert record.deliveries[0].state is DeliveryState.HELD


def test_a_writer_that_holds_on_too_long_is_a_store_error_and_no_loss(
    pump: Pump, open_store: Open, directory: Path
) -> None:
    store = open_store(busy_timeout=0.02)
    other = database(directory)
    other.execute("BEGIN IMMEDIATE")
    one, two = acceptance(), acceptance()
    for error in wait_for(pump, pump.start(store.accept(one)), pump.start(store.accept(two))):
        assert type(error) is StoreError
        assert "locked" in str(error)
    other.execute("ROLLBACK")
    other.close()
    pump.run(store.accept(one))


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


# --- hostile rows


def damaged(pump: Pump, open_store: Open, directory: Path, statement: str) -> tuple[SqliteStore, LetterId]:
    """A store with a damaged letter, and a sound one behind it."""
    store = open_store()
    letter = acceptance(at=1000.0)
    pump.run(store.accept(letter))
    change(directory, statement)
    pump.run(store.accept(acceptance(at=2000.0)))
    return store, letter.letter.id


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE letters SET envelope = '{}'", "letters"),
        ("UPDATE letters SET arrival = 'x'", "letters"),
        ("UPDATE deliveries SET recipient = '[]'", "deliveries"),
        ("UPDATE deliveries SET status = 'fine'", "deliveries"),
        ("DELETE FROM letters", "letters"),
    ],
)
def test_a_damaged_delivery_is_held_and_what_waits_behind_it_goes_on(
    pump: Pump, open_store: Open, directory: Path, statement: str, table: str
) -> None:
    store, letter = damaged(pump, open_store, directory, statement)
    claims = pump.run(store.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later))
    assert [claim.letter.arrival.at for claim in claims] == [2000.0]
    connection = database(directory)
    ((state, text),) = connection.execute("SELECT state, text FROM deliveries WHERE letter = ?", (letter,)).fetchall()
    connection.close()
    assert state == "held"
    assert table in text


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE letters SET envelope = '{}'", "table letters"),
        ("UPDATE letters SET size = 'many'", "table letters"),
        ("UPDATE deliveries SET state = 'lost'", "table deliveries"),
        ("UPDATE deliveries SET attempts = -1", "table deliveries"),
    ],
)
def test_a_damaged_record_is_named(pump: Pump, open_store: Open, directory: Path, statement: str, message: str) -> None:
    store, _ = damaged(pump, open_store, directory, statement)
    with pytest.raises(StoreError, match=message):
        pump.run(store.records(Filter()))


def test_damaged_steps_contents_and_mailboxes_are_named(pump: Pump, open_store: Open, directory: Path) -> None:
    store, letter = damaged(pump, open_store, directory, "UPDATE steps SET step = 'eaten'")
    with pytest.raises(StoreError, match="table steps"):
        pump.run(store.steps(letter))
    store, letter = damaged(pump, open_store, directory, "UPDATE deliveries SET collected = '[[1]]'")
    with pytest.raises(StoreError, match="table deliveries"):
        pump.run(store.steps(letter))
    change(directory, "UPDATE contents SET octets = x'00'")
    with pytest.raises(StoreError, match="table contents"):
        pump.run(store.content(letter))
    change(directory, "UPDATE contents SET file = '../../etc/passwd'")
    with pytest.raises(StoreError, match="no file of ours"):
        pump.run(read_all(pump.run(store.content(letter))))
    change(directory, "INSERT INTO mailboxes VALUES (1, 'bob@home.test', 'x', 2, 0)")
    with pytest.raises(StoreError, match="table mailboxes"):
        pump.run(store.open_maildrop(BOB.key, "me"))
    change(directory, "UPDATE mailboxes SET validity = 1")
    assert pump.run(store.open_maildrop(BOB.key, "other")).entries == [], "a failed opening holds no lock"
    change(directory, "INSERT INTO accounts VALUES ('a@home.test', 'text', 1.0, '', NULL, 0)")
    with pytest.raises(StoreError, match="table accounts"):
        pump.run(store.accounts.all())


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE contents SET octets = x'00'", "table contents"),
        ("UPDATE contents SET octets = 'text'", "table contents"),
        ("UPDATE entries SET headers = 'text'", "table entries"),
        ("UPDATE entries SET size = 'many'", "table entries"),
    ],
)
def test_a_damaged_letter_is_left_out_of_others_and_named_alone(
    pump: Pump, open_store: Open, directory: Path, statement: str, message: str
) -> None:
    store = open_store()
    for _ in range(2):
        pump.run(store.accept(acceptance()))
        (claim,) = pump.run(store.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
        pump.run(store.settle(placing(claim.deliveries[0])))
    assert sorted(pump.run(store.read_together(BOB.key, [1, 2]))) == [1, 2]
    change(directory, f"{statement} WHERE letter = '{claim.letter.id}'")
    assert sorted(pump.run(store.read_together(BOB.key, [1, 2]))) == [1]
    with pytest.raises(Damaged, match=message):
        pump.run(store.read(BOB.key, 2))
    assert pump.run(read_all(pump.run(store.read(BOB.key, 1)))).endswith(TEXT)


# --- what is held in memory


def test_what_was_just_accepted_is_not_read_back(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    pump.run(store.accept(acceptance()))
    change(directory, "UPDATE contents SET octets = x'00'")
    (claim,) = pump.run(store.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    assert pump.run(read_all(claim.letter.content)) == TEXT


def test_a_large_maildrop_is_listed_in_order(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    pump.run(store.accept(acceptance()))
    (claim,) = pump.run(store.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    pump.run(store.settle(placing(claim.deliveries[0])))
    for more in (4999, 7000):
        change(
            directory,
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO entries SELECT mailbox, (SELECT max(uid) FROM entries) + i, letter,"
            " (SELECT max(number) FROM entries) + i, size, at, headers FROM entries JOIN n WHERE uid = 1",
            more,
        )
        drop = pump.run(store.open_maildrop(BOB.key, "me"))
        assert [entry.uid for entry in drop.entries] == list(range(1, len(drop.entries) + 1))
    assert len(drop.entries) == 12000
    assert pump.run(read_all(pump.run(store.read(BOB.key, 1)))) == HEADERS + TEXT


# --- the cost of a look-up doesn't grow with the history


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql.DUE, "deliveries_owed"),
        (sql.NEXT_DUE, "deliveries_owed"),
        (sql.stopped_attempts(1), "deliveries_owed"),
        (sql.release_claims(1), "deliveries_owed"),
        (sql.known_files(1), "contents_in_files"),
        (pruning.PRUNABLE, "letters_by_arrival"),
        (ALIASES_TO, "aliases_by_target"),
        (sql.drop_contents(3), "entries_by_delivery"),
        (sql.move_deliveries(3), "SEARCH d USING PRIMARY KEY"),
        (sql.claim(3), "SEARCH d USING PRIMARY KEY"),
        (sql.collect(100), "SEARCH d USING PRIMARY KEY"),
        (sql.uncollected(100), "SEARCH d USING PRIMARY KEY"),
        (sql.COLLECTED, "SEARCH deliveries USING PRIMARY KEY"),
        (sql.insert_entries(3), "SEARCH m USING INDEX"),
        (
            sql.records(
                ids=0, server=True, sender=False, recipient=True, since=False, until=False, states=0, pending=False
            ),
            "deliveries_by_address",
        ),
        (
            sql.records(
                ids=0, server=False, sender=True, recipient=False, since=False, until=False, states=0, pending=False
            ),
            "letters_by_sender",
        ),
        (
            sql.records(
                ids=0, server=False, sender=False, recipient=False, since=False, until=False, states=1, pending=True
            ),
            "deliveries_owed",
        ),
        (
            sql.records(
                ids=0, server=True, sender=False, recipient=False, since=True, until=False, states=0, pending=False
            ),
            "letters_by_arrival",
        ),
    ],
)
def test_an_index_finds_it(statement: str, index: str) -> None:
    connection = sqlite3.connect(":memory:")
    for migration in migrations():
        connection.executescript(migration.script)
    parameters = (None,) * statement.count("?")
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    connection.close()
    assert any(index in step for step in plan), plan


def test_a_database_is_begun_in_turn(pump: Pump, directory: Path) -> None:
    # Of two processes that turn one to write-ahead logging at once, SQLite refuses one without any wait.
    directory.mkdir()
    store = SqliteStore(pump, directory, settings=StoreSettings(busy_timeout=0.01))
    with (
        Turn(directory / TURN, 0.0).acquired(),
        pytest.raises(StoreError, match="another process holds the write lock"),
    ):
        pump.run(store.open())
    pump.run(store.close())
    assert database(directory).execute("PRAGMA journal_mode").fetchone() == ("delete",)
