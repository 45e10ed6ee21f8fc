"""The schema only goes forward, in one transaction, and a newer one is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstack.store import StoreError
from mailstack.store.schema import Migration, migrate, migrations
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump

SECOND = Migration(2, "ALTER TABLE letters ADD COLUMN seen INTEGER;\nCREATE TABLE more (a TEXT);\n")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_database_gets_the_newest_schema(connection: sqlite3.Connection) -> None:
    known = migrations()
    versions = [migration.version for migration in known]
    assert versions[0] == 1
    assert versions == sorted(set(versions))
    assert migrate(connection, known) == known[-1].version
    assert {"letters", "contents", "deliveries", "steps", "mailboxes", "entries", "accounts", "aliases"} < tables(
        connection
    )
    assert migrate(connection, known) == known[-1].version


def test_an_older_database_is_brought_forward_with_all_it_holds(connection: sqlite3.Connection) -> None:
    first = migrations()[:1]
    migrate(connection, first)
    connection.execute("INSERT INTO letters VALUES ('id', 'mx', '', 1.0, 5, '{}', '{}')")
    assert migrate(connection, [*first, SECOND]) == 2
    assert connection.execute("SELECT id, seen FROM letters").fetchall() == [("id", None)]
    assert migrate(connection, [*first, SECOND]) == 2


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    first = migrations()[:1]
    migrate(connection, first)
    broken = Migration(2, SECOND.script + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*first, broken])
    assert "more" not in tables(connection)
    assert migrate(connection, first) == 1


def test_a_newer_database_is_refused_with_what_to_do(connection: sqlite3.Connection) -> None:
    first = migrations()[:1]
    migrate(connection, [*first, SECOND])
    with pytest.raises(StoreError, match="schema version 2, this program knows 1: start the newer mailstack"):
        migrate(connection, first)


def test_a_store_of_a_newer_program_does_not_open_and_stays_as_it_is(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("CREATE TABLE schema_info (version INTEGER NOT NULL)")
    connection.execute("INSERT INTO schema_info VALUES (9999)")
    connection.commit()
    pump = Pump()
    store = SqliteStore(pump, tmp_path)
    with pytest.raises(StoreError, match=r"mailstack\.sqlite3: the database has schema version 9999"):
        pump.run(store.open())
    pump.run(store.close())
    assert tables(connection) == {"schema_info"}
    connection.close()


def test_a_store_of_before_0_1_says_what_it_is_and_how_its_mail_is_moved(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
    connection.execute("INSERT INTO schema_version VALUES (17)")
    connection.commit()
    pump = Pump()
    store = SqliteStore(pump, tmp_path)
    with pytest.raises(StoreError) as caught:
        pump.run(store.open())
    pump.run(store.close())
    assert str(caught.value).startswith(
        f"{tmp_path / DATABASE}: this store was made by a mailstack before 0.1 (schema version 17)"
    )
    assert "`mailstack export`" in str(caught.value)
    assert "`mailstack import`" in str(caught.value)
    assert tables(connection) == {"schema_version"}
    connection.close()


@pytest.mark.parametrize("value", [(), ("x",), (1, 2)])
def test_a_damaged_version_is_refused(connection: sqlite3.Connection, value: tuple[object, ...]) -> None:
    connection.execute("CREATE TABLE schema_info (version)")
    for version in value:
        connection.execute("INSERT INTO schema_info VALUES (?)", (version,))
    with pytest.raises(StoreError, match="damaged"):
        migrate(connection, migrations())
