"""A server moves into PostgreSQL and back, and is the same to the row and the octet."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mailstack.cli.migrate import CannotMove, dump
from mailstack.cli.migrate.database import DatabaseSource, DatabaseTarget
from mailstack.letter.letter import read_all
from mailstack.store import StoreError
from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.store import PostgresStore
from mailstack.store.schema import tables
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.cli.migrate.stores import Server as StoredServer
from tests.cli.migrate.stores import copied, differing, servers, target_of, write_server
from tests.cli.migrate.test_copying import assert_faults_are_told, interrupted, one_server
from tests.contracts.store import BOB, acceptance, placing
from tests.postgresql.server import Server

MAX_STEPS = 100
STRIDE = 5
"""Each step is tried with a directory (test_copying)."""


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "ROWS", 2)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(servers)
def test_whatever_a_store_holds_is_restored_there_and_back(
    postgresql: Server, tmp_path: Path, mail_server: StoredServer
) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    for directory in (here, back):
        shutil.rmtree(directory, ignore_errors=True)
    write_server(here, mail_server)
    with postgresql.database(migrated(postgresql)) as url:
        copied(here, url)
        assert differing(here, url) == []
        copied(url, back)
    assert differing(here, back) == []


def test_an_interrupted_copy_leaves_the_database_empty_and_starts_anew(tmp_path: Path, postgresql_url: str) -> None:
    here = tmp_path / "here"
    write_server(here, one_server())
    for steps in range(0, MAX_STEPS, STRIDE):
        if not interrupted(here, postgresql_url, steps):
            break
        with closing(DatabaseSource(postgresql_url)) as database:
            assert not any(map(database.count, tables()))
    assert 20 < steps < MAX_STEPS - STRIDE
    assert differing(here, postgresql_url) == []


def migrated(postgresql: Server) -> str:
    """The name of a database in which a server has begun, and nothing else."""
    return postgresql.template("moving", begun)


def begun(url: str) -> None:
    """A server begins there, and ends."""
    pump = Pump()
    store = PostgresStore(pump, DatabaseAddress(url), owner="mx.home.test@one")
    try:
        pump.run(store.open())
    finally:
        pump.run(store.close())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    write_server(tmp_path / "here", one_server())
    return tmp_path / "here"


def test_a_server_goes_on_where_it_was(tmp_path: Path, postgresql_url: str) -> None:
    """Mailboxes, UIDs and large contents are as they were; what comes next is new."""
    pump = Pump()
    letters = [acceptance(octets=b"x" * 200_000), acceptance()]
    old = SqliteStore(pump, tmp_path / "data")
    pump.run(old.open())
    for each in letters:
        pump.run(old.queue.accept(each))
    pump.run(old.queue.settle(placing(letters[0].deliveries[0], size=200_000)))
    before = pump.run(old.mailboxes.open(BOB.key, "reader"))
    pump.run(old.close())
    copied(tmp_path / "data", postgresql_url)
    new = PostgresStore(pump, DatabaseAddress(postgresql_url), owner="mx.home.test@one")
    pump.run(new.open())
    drop = pump.run(new.mailboxes.open(BOB.key, "reader"))
    assert (drop.validity, drop.entries) == (before.validity, before.entries)
    assert pump.run(read_all(pump.run(new.mailboxes.read(BOB.key, 1)))).endswith(b"x" * 200_000)
    pump.run(new.queue.settle(placing(letters[1].deliveries[0])))
    assert [entry.uid for entry in pump.run(new.mailboxes.entries(BOB.key, 0, 10))] == [1, 2]
    pump.run(new.accounts.set_alias("new@home.test", ["bob@home.test"]))
    other = acceptance()
    pump.run(new.queue.accept(other))
    pump.run(new.queue.settle(placing(other.deliveries[0], mailbox="carol@home.test")))
    assert len(pump.run(new.mailboxes.sizes())) == 2
    pump.run(new.mailboxes.release(BOB.key, "reader"))
    pump.run(new.close())


def test_a_server_that_runs_is_not_copied(here: Path, tmp_path: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url)
    pump = Pump()
    store = PostgresStore(pump, DatabaseAddress(postgresql_url), owner="mx.home.test@one")
    pump.run(store.open())
    with pytest.raises(CannotMove, match=r"served by mx\.home\.test@one"):
        copied(postgresql_url, tmp_path / "back")
    pump.run(store.close())
    assert copied(postgresql_url, tmp_path / "back") == []


def test_a_database_is_not_written_while_it_is_copied(here: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url)
    pump = Pump()
    store = PostgresStore(pump, DatabaseAddress(postgresql_url, timeout=0.3))
    pump.run(store.open())
    with closing(DatabaseSource(postgresql_url)), pytest.raises(StoreError):
        pump.run(store.accounts.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.accounts.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.close())


def test_nothing_else_is_filled(here: Path, tmp_path: Path, postgresql_url: str) -> None:
    with pytest.raises(CannotMove, match="has no store"):
        copied(postgresql_url, tmp_path / "back")
    copied(here, postgresql_url)
    with pytest.raises(CannotMove, match="is not empty"):
        copied(here, postgresql_url)


def test_what_does_not_fit_together_is_named(tmp_path: Path, postgresql_url: str) -> None:
    def there(directory: Path) -> DatabaseSource:
        copied(directory, postgresql_url)
        return DatabaseSource(postgresql_url)

    assert_faults_are_told(tmp_path, there)


def test_a_target_that_is_being_filled_is_in_use(here: Path, postgresql_url: str) -> None:
    """Another copy is refused at once, and a server doesn't start."""
    with closing(DatabaseTarget(postgresql_url)):
        with pytest.raises(CannotMove, match="is in use"):
            target_of(postgresql_url)
        pump = Pump()
        store = PostgresStore(pump, DatabaseAddress(postgresql_url, timeout=0.3), owner="mx.home.test@one")
        with pytest.raises(StoreError):
            pump.run(store.open())
        pump.run(store.close())
    copied(here, postgresql_url)


def test_what_postgresql_can_not_hold_is_named(tmp_path: Path, postgresql_url: str) -> None:
    mail_server = one_server()
    mail_server["aliases"] = [("a\0@home.test", 0, "b", "b")]
    write_server(tmp_path / "here", mail_server)
    with pytest.raises(StoreError, match=r"aliases.*NUL"):
        copied(tmp_path / "here", postgresql_url)
