"""Query plans use an index, whatever the size of the queue, of the history and of its statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("psycopg", exc_type=ImportError)

import psycopg

from mailstack.store import history_sql, imap_sql, sql
from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.database import Database
from mailstack.store.postgresql.store import PostgresStore
from mailstack.store.sql_parts import pruning
from tests.contracts.store import acceptance

if TYPE_CHECKING:
    from mailstack.store.postgresql.connection import PostgresConnection
    from tests.aid import Pump
    from tests.postgresql.server import Server

LETTERS = 3000
PART = 100


@pytest.fixture
def url(postgresql: Server, pump: Pump) -> Iterator[str]:
    """A database whose queue has grown, without statistics of it."""

    def fill(url: str) -> None:
        store = PostgresStore(pump, DatabaseAddress(url))
        pump.run(store.open())
        for waiting in [pump.start(store.queue.accept(acceptance())) for _ in range(LETTERS)]:
            while not waiting:
                pump._calls.get(timeout=20)()
        pump.run(store.close())
        with psycopg.connect(url) as connection:
            for (table,) in connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall():
                connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")  # it would make statistics

    with postgresql.database(postgresql.template("grown queue", fill)) as url:
        yield url


@pytest.fixture
def connection(url: str) -> Iterator[PostgresConnection]:
    """Connection to that database, as a store has it."""
    database = Database(DatabaseAddress(url))
    with contextlib.closing(database.watch), contextlib.closing(database.connect()) as made:
        yield made


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


@pytest.mark.parametrize(
    "statement",
    [
        sql.drop_contents(PART),
        sql.lock_contents(PART),
        sql.unneeded_files(PART),
        pruning.still_prunable(PART, kept_too=False),
        pruning.still_prunable(PART, kept_too=True),
        sql.letters(PART),
        *pruning.delete_letters(PART),
    ],
)
def test_the_end_of_some_letters_reads_those_alone(connection: PostgresConnection, statement: str) -> None:
    letters = [letter for (letter,) in connection.execute("SELECT id FROM letters ORDER BY id LIMIT ?", (PART,))]
    connection.begin()
    ((explained,),) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", letters).fetchall()
    connection.roll_back()
    for node in nodes_of(explained[0]["Plan"]):
        if "Scan" in node["Node Type"]:
            read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            assert read <= 3 * PART, node
        # Of as many as are asked for, and not of all that there are.
        assert node.get("Rows Removed by Join Filter", 0) < PART * PART, node


def test_no_statement_reads_a_whole_table(connection: PostgresConnection) -> None:
    """As long as there is an index: those of mailboxes are read as they are."""
    for statement, parameters in (
        (sql.insert_entries(1), ("bob@home.test", 1, "x", 0, 10, 1.0, b"")),
        (imap_sql.remove_entries(1), (1, 1)),
        (imap_sql.MESSAGES, (1, 0, 10)),
        (imap_sql.CHANGED_MESSAGES, (1, 5, 0, 10)),
        (imap_sql.FEW_CHANGED_MESSAGES, (1, 5, 0, 10)),
        (imap_sql.ARE_MANY_CHANGED, (1, 5)),
        (imap_sql.EXPUNGED, (1, 5)),
        (imap_sql.copy_entries(1, "e.keywords"), (2, 2, 5, 1.0, 1, 1, 1)),
        (imap_sql.move_entries(1, "e.keywords"), (2, 5, 1.0, 1, 1, 1)),
        (sql.OCTETS_IN, ("bob@home.test", "bob@home.test/", "bob@home.test0")),
        (sql.uncollected(1), (1, 1)),
        (sql.collect(1), ("x", 0, "[]")),
        (history_sql.COLLECTED, ("x",)),
        (sql.ENTRY, ("bob@home.test", 1)),
    ):
        explained = connection.execute(f"EXPLAIN {statement}", parameters).fetchall()
        assert not [line for (line,) in explained if "Seq Scan" in line], explained
