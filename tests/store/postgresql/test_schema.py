"""The schema in PostgreSQL: made once, the same as SQLite's, and shared by programs of two versions."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mailstack.store import StoreError
from tests.aid import Pump
from tests.contracts.store import BOB
from tests.store.test_imap_migration import OLD, check

pytest.importorskip("psycopg", exc_type=ImportError)

ONLY_HERE = {"process_leases", "held_maildrops", "commits", "large_contents", "pieces", "schema_info"}


def columns_of(other: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    statement = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    for table, column in other.execute(statement):
        found.setdefault(table, set()).add(column)
    return found


def test_tables_and_columns_are_those_of_sqlite(other: Any, tmp_path: Path) -> None:
    from mailstack.store.schema import migrate, migrations

    lite = sqlite3.connect(tmp_path / "a.sqlite3", isolation_level=None)
    migrate(lite, migrations())
    names = [name for (name,) in lite.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    there = {name: {row[1] for row in lite.execute(f"PRAGMA table_info({name})")} for name in names}
    lite.close()
    here = columns_of(other)
    assert {name: columns for name, columns in here.items() if name not in ONLY_HERE} == {
        name: columns for name, columns in there.items() if name not in ONLY_HERE
    }


def test_both_histories_end_with_one_version() -> None:
    from mailstack.store.postgresql import schema
    from mailstack.store.schema import migrations

    assert schema.newest() == migrations()[-1].version
    versions = [migration.version for migration in schema.migrations()]
    assert versions == [migration.version for migration in migrations()]


def test_a_later_migration_is_sqlites_unless_it_has_one_of_its_own() -> None:
    from mailstack.store.postgresql.schema import joined
    from mailstack.store.schema import Migration

    lite = [Migration(1, "CREATE TABLE a (b REAL);\n"), Migration(2, "-- mailstack: grows\nCREATE TABLE c (d BLOB);\n")]
    lite.append(Migration(3, "ALTER TABLE c ADD COLUMN e REAL;\n"))
    here = [
        Migration(1, "CREATE TABLE a (b DOUBLE PRECISION);\n"),
        Migration(3, "ALTER TABLE c ADD COLUMN e BIGINT;\n"),
    ]
    found = joined(here, lite)
    assert [(each.version, each.grows) for each in found] == [(1, False), (2, True), (3, False)]
    assert [each.script for each in found] == [here[0].script, "\nCREATE TABLE c (d BYTEA);\n", here[1].script]


def test_a_database_of_before_0_1_says_what_it_is_and_how_its_mail_is_moved(url: str, pump: Pump, other: Any) -> None:
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore

    other.execute("CREATE SCHEMA before")
    other.execute("CREATE TABLE before.schema_version (version BIGINT NOT NULL, serves BIGINT NOT NULL)")
    other.execute("INSERT INTO before.schema_version VALUES (17, 14)")
    store = PostgresStore(pump, DatabaseAddress(url, schema="before"))
    with pytest.raises(StoreError, match=r"made by a mailstack before 0\.1 \(schema version 17\).*`mailstack export`"):
        pump.run(store.open())
    pump.run(store.close())


def test_a_migration_for_sqlite_is_translated() -> None:
    from mailstack.store.postgresql.connection import definitions

    script = (
        "CREATE TABLE a (b INTEGER, c REAL, d BLOB, e TEXT NOT NULL) WITHOUT ROWID; -- REAL\nCREATE INDEX f ON a (b);\n"
    )
    assert definitions(script) == (
        'CREATE TABLE a (b BIGINT, c DOUBLE PRECISION, d BYTEA, e TEXT COLLATE "C" NOT NULL); \nCREATE INDEX f ON a (b);\n'
    )


def test_many_that_start_at_the_same_time_make_it_once(postgresql_url: str) -> None:
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql import schema
    from mailstack.store.postgresql.database import Database

    database = Database(DatabaseAddress(postgresql_url, schema="mail"))

    def start(_: int) -> int:
        connection = database.connect()
        version = schema.migrate(connection, "mail", schema.migrations())
        connection.close()
        return version

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(start, range(6))) == [schema.newest()] * 6
    connection = database.connect()
    assert connection.execute("SELECT count(*) FROM schema_info").fetchall() == [(1,)]
    connection.close()
    database.watch.close()


def test_two_servers_share_a_database_by_schemas(pump: Pump, postgresql_url: str) -> None:
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore

    one = PostgresStore(pump, DatabaseAddress(postgresql_url, schema="one"))
    two = PostgresStore(pump, DatabaseAddress(postgresql_url, schema="two"))
    pump.run(one.open())
    pump.run(two.open())
    pump.run(one.accounts.set_alias("info@home.test", [BOB.key]))
    assert pump.run(two.accounts.aliases()) == []
    pump.run(one.close())
    pump.run(two.close())


def next_version(*, grows: bool) -> list[Any]:
    from mailstack.store.postgresql.schema import Migration, migrations

    known = migrations()
    return [*known, Migration(known[-1].version + 1, "CREATE TABLE extra (a BIGINT);\n", grows)]


def test_an_older_program_goes_on_where_a_newer_one_only_added(pump: Pump, open_store: Any, other: Any) -> None:
    from mailstack.store.postgresql.schema import migrate

    old = open_store(owner="old")
    assert migrate(other, "", next_version(grows=True)) == next_version(grows=True)[-1].version
    pump.run(old.accounts.set_alias("info@home.test", [BOB.key]))
    late = open_store(owner="late")
    assert pump.run(late.accounts.aliases()) == [("info@home.test", (BOB.key,))]


def test_what_an_older_program_can_not_live_with_waits_until_it_is_stopped(
    pump: Pump, open_store: Any, other: Any, url: str
) -> None:
    from mailstack.store.postgresql.schema import migrate

    old = open_store(owner="mx.home.test@one")
    with pytest.raises(StoreError, match=r"stop them first \(mx\.home\.test@one\)"):
        migrate(other, "", next_version(grows=False))
    pump.run(old.close())
    migrate(other, "", next_version(grows=False))
    with pytest.raises(StoreError, match="start the newer mailstack"):
        open_store(owner="mx.home.test@one")


def test_a_database_in_another_encoding_is_refused(postgresql: Any, pump: Pump) -> None:
    import psycopg

    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore

    name = "mailstack_test_latin"
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try:
            store = PostgresStore(pump, DatabaseAddress(postgresql.url_of(name)))
            with pytest.raises(StoreError, match="has the encoding LATIN1"):
                pump.run(store.open())
            pump.run(store.close())
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_wrong_password_is_reported_without_it(pump: Pump, url: str) -> None:
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql.store import PostgresStore

    login, _, where = url.rpartition("@")
    store = PostgresStore(pump, DatabaseAddress(f"{login.rpartition(':')[0]}:hush-hush@{where}"))
    with pytest.raises(StoreError) as caught:
        pump.run(store.open())
    assert "hush" not in str(caught.value)
    assert "postgresql://mailstack@127.0.0.1" in str(caught.value)
    pump.run(store.close())


def test_unsafe_settings_are_reported_and_commits_are_synchronous(other: Any) -> None:
    from mailstack.store.postgresql.schema import check

    told = check(other)
    assert [name for name in ("fsync", "full_page_writes") if any(f"{name} = off" in line for line in told)] == [
        name for name in ("fsync", "full_page_writes") if other.execute(f"SHOW {name}").fetchall() == [("off",)]
    ]
    assert other.execute("SHOW synchronous_commit").fetchall() == [("on",)]


def test_a_mailbox_of_the_first_schema_gets_counters(pump: Pump, postgresql_url: str) -> None:
    """IMAP-120."""
    from mailstack.store.connection import DatabaseAddress
    from mailstack.store.postgresql import schema
    from mailstack.store.postgresql.database import Database
    from mailstack.store.postgresql.store import PostgresStore

    database = Database(DatabaseAddress(postgresql_url))
    connection = database.connect()
    schema.migrate(connection, "", schema.migrations()[:1])
    for statement in OLD:
        connection.execute(statement)
    connection.close()
    database.watch.close()
    store = PostgresStore(pump, DatabaseAddress(postgresql_url))
    pump.run(store.open())
    check(pump, store)
    pump.run(store.close())
