"""An office moves into PostgreSQL and back, and is the same to the row and the octet."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from mailstack.letter.content import read_all
from mailstack.moving import CannotMove, copying
from mailstack.moving.comparing import differences
from mailstack.moving.copying import copy
from mailstack.moving.database import DatabaseSource, DatabaseTarget
from mailstack.moving.directory import DirectorySource, DirectoryTarget
from mailstack.store import StoreError
from mailstack.store.postgresql.store import PostgresStore
from mailstack.store.reach import Reach
from mailstack.store.sqlite import SqliteStore
from mailstack.store.tables import tables
from tests.aid import Pump
from tests.contracts.store import BOB, acceptance, placing
from tests.moving.stores import Killed, Mortal, Office, offices, silent, write_office
from tests.moving.test_copying import assert_faults_are_told, one_office, rows_of
from tests.postgresql.server import Server

ENOUGH = 100
STRIDE = 3
"""Every step is tried with a directory (test_copying)."""


@pytest.fixture(autouse=True)
def _small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "ROWS", 2)


def source_of(name: Path | str) -> DirectorySource | DatabaseSource:
    return DirectorySource(name) if isinstance(name, Path) else DatabaseSource(name)


def target_of(name: Path | str) -> DirectoryTarget | DatabaseTarget:
    return DirectoryTarget(name) if isinstance(name, Path) else DatabaseTarget(name)


def copied(here: Path | str, there: Path | str, lives: int = 10**9) -> tuple[int, bool]:
    """One run of the command, which may be killed: how many rows were written, and whether it came to its end."""
    with closing(source_of(here)) as source, closing(target_of(there)) as target:
        mortal = Mortal(target, lives)
        try:
            copy(source, mortal, silent)
            assert differences(source, target, silent) == []
            target.finish()
        except Killed:
            return mortal.written, False
        return mortal.written, True


def copied_by_many(here: Path | str, there: Path | str, lives: int) -> int:
    """Killed again and again; how many rows were written in all."""
    written = 0
    for _ in range(ENOUGH):
        rows, finished = copied(here, there, lives)
        written += rows
        if finished:
            return written
    pytest.fail("it never came to an end")


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offices)
def test_whatever_an_office_holds_goes_there_and_back(postgresql: Server, tmp_path: Path, office: Office) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    for directory in (here, back):
        shutil.rmtree(directory, ignore_errors=True)
    write_office(here, office)
    with postgresql.database(migrated(postgresql)) as url:
        assert copied_by_many(here, url, 41) == rows_of(office)
        assert copied_by_many(url, back, 37) == rows_of(office)
    with closing(DirectorySource(here)) as first, closing(DirectorySource(back)) as last:
        assert differences(first, last, silent) == []


def test_killed_at_each_step_the_next_run_ends_it(postgresql: Server, tmp_path: Path) -> None:
    write_office(tmp_path / "here", one_office())
    for steps in range(1, ENOUGH, STRIDE):
        with postgresql.database(migrated(postgresql)) as url:
            first, finished = copied(tmp_path / "here", url, steps)
            if finished:
                break
            with pytest.raises(StoreError, match="unfinished copy"):
                begun(url)
            assert copied(tmp_path / "here", url) == (rows_of(one_office()) - first, True)
    assert 25 < steps < ENOUGH - STRIDE


def migrated(postgresql: Server) -> str:
    """The name of a database in which an office has begun, and nothing else."""
    return postgresql.template("moving", begun)


def begun(url: str) -> None:
    """An office begins there, and ends."""
    pump = Pump()
    store = PostgresStore(pump, Reach(url), owner="mx.home.test@one")
    try:
        pump.run(store.open())
    finally:
        pump.run(store.close())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    write_office(tmp_path / "here", one_office())
    return tmp_path / "here"


def test_an_office_goes_on_where_it_was(tmp_path: Path, postgresql_url: str) -> None:
    """Mailboxes, UIDs and large contents are as they were; what comes next is new."""
    pump = Pump()
    letters = [acceptance(octets=b"x" * 200_000), acceptance()]
    old = SqliteStore(pump, tmp_path / "data")
    pump.run(old.open())
    for each in letters:
        pump.run(old.accept(each))
    pump.run(old.settle(placing(letters[0].deliveries[0], size=200_000)))
    before = pump.run(old.open_maildrop(BOB.key, "reader"))
    pump.run(old.close())
    copied(tmp_path / "data", postgresql_url)
    new = PostgresStore(pump, Reach(postgresql_url), owner="mx.home.test@one")
    pump.run(new.open())
    drop = pump.run(new.open_maildrop(BOB.key, "reader"))
    assert (drop.validity, drop.entries) == (before.validity, before.entries)
    assert pump.run(read_all(pump.run(new.read(BOB.key, 1)))).endswith(b"x" * 200_000)
    pump.run(new.settle(placing(letters[1].deliveries[0])))
    assert [entry.uid for entry in pump.run(new.entries(BOB.key, 0, 10))] == [1, 2]
    pump.run(new.set_alias("new@home.test", ["bob@home.test"]))
    other = acceptance()
    pump.run(new.accept(other))
    pump.run(new.settle(placing(other.deliveries[0], mailbox="carol@home.test")))
    assert len(pump.run(new.mailboxes())) == 2
    pump.run(new.release_maildrop(BOB.key, "reader"))
    pump.run(new.close())


def test_an_office_that_runs_is_not_copied(here: Path, tmp_path: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url)
    pump = Pump()
    store = PostgresStore(pump, Reach(postgresql_url), owner="mx.home.test@one")
    pump.run(store.open())
    with pytest.raises(CannotMove, match=r"served by mx\.home\.test@one"):
        copied(postgresql_url, tmp_path / "back")
    pump.run(store.close())
    assert copied(postgresql_url, tmp_path / "back")[1]


def test_nobody_begins_or_writes_while_it_is_copied(here: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url)
    pump = Pump()
    store = PostgresStore(pump, Reach(postgresql_url, timeout=0.3))
    pump.run(store.open())
    with closing(DatabaseSource(postgresql_url)), pytest.raises(StoreError):
        pump.run(store.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.set_alias("a@home.test", ["alice@home.test"]))
    pump.run(store.close())


def test_nothing_else_is_filled(here: Path, tmp_path: Path, postgresql_url: str) -> None:
    with pytest.raises(CannotMove, match="holds no office"):
        copied(postgresql_url, tmp_path / "back")
    copied(here, postgresql_url)
    with pytest.raises(CannotMove, match="holds an office already"):
        copied(here, postgresql_url)


def test_an_unfinished_copy_of_another_is_not_gone_on_with(here: Path, tmp_path: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url, 9)
    write_office(tmp_path / "other", one_office())
    with pytest.raises(CannotMove, match="unfinished copy of"):
        copied(tmp_path / "other", postgresql_url)
    with pytest.raises(CannotMove, match="unfinished copy itself"):
        copied(postgresql_url, tmp_path / "back")


def test_what_does_not_fit_together_is_named(tmp_path: Path, postgresql_url: str) -> None:
    def there(directory: Path) -> DatabaseSource:
        copied(directory, postgresql_url)
        return DatabaseSource(postgresql_url)

    assert_faults_are_told(tmp_path, there)


def test_two_do_not_copy_at_the_same_time(here: Path, postgresql_url: str) -> None:
    copied(here, postgresql_url, 9)
    with closing(DirectorySource(here)) as source, closing(DatabaseTarget(postgresql_url)) as slow:
        progress = slow.begin(source.name)
        with closing(DatabaseTarget(postgresql_url)) as quick:
            copy(source, quick, silent)
        with pytest.raises(CannotMove, match="at the same time"):
            slow.write(tables()[0], [("l9", "mx.home.test", "", 1.5, 3, "{}", "{}")], progress)
        assert slow.count(tables()[0]) == 3


def test_what_postgresql_can_not_hold_is_named(tmp_path: Path, postgresql_url: str) -> None:
    office = one_office()
    office["aliases"] = [("a\0@home.test", 0, "b", "b")]
    write_office(tmp_path / "here", office)
    with pytest.raises(StoreError, match=r"aliases.*NUL"):
        copied(tmp_path / "here", postgresql_url)
