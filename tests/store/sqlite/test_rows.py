"""Damaged rows, cached contents and indexes of the SQLite store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailstack.letter import LetterId
from mailstack.letter.letter import read_all
from mailstack.store import Damaged, Filter, StoreError, history_sql, imap_sql, sql
from mailstack.store.locks import Turn
from mailstack.store.schema import migrations
from mailstack.store.settings import StoreSettings
from mailstack.store.sql_parts import pruning
from mailstack.store.sql_parts.accounts import ALIASES_TO
from mailstack.store.sqlite.store import TURN, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, HEADERS, SERVER, TEXT, acceptance, later, placing
from tests.store.sqlite.databases import Open, change, database

pytestmark = pytest.mark.filterwarnings("error")


def damaged(pump: Pump, open_store: Open, directory: Path, statement: str) -> tuple[SqliteStore, LetterId]:
    """A store with a damaged letter, and a sound one behind it."""
    store = open_store()
    letter = acceptance(at=1000.0)
    pump.run(store.queue.accept(letter))
    change(directory, statement)
    pump.run(store.queue.accept(acceptance(at=2000.0)))
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
    claims = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later))
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
        pump.run(store.history.records(Filter()))


def test_damaged_steps_contents_and_mailboxes_are_named(pump: Pump, open_store: Open, directory: Path) -> None:
    store, letter = damaged(pump, open_store, directory, "UPDATE steps SET step = 'eaten'")
    with pytest.raises(StoreError, match="table steps"):
        pump.run(store.history.steps(letter))
    store, letter = damaged(pump, open_store, directory, "UPDATE deliveries SET collected = '[[1]]'")
    with pytest.raises(StoreError, match="table deliveries"):
        pump.run(store.history.steps(letter))
    change(directory, "UPDATE contents SET octets = x'00'")
    with pytest.raises(StoreError, match="table contents"):
        pump.run(store.contents.get(letter))
    change(directory, "UPDATE contents SET file = '../../etc/passwd'")
    with pytest.raises(StoreError, match="no file of ours"):
        pump.run(read_all(pump.run(store.contents.get(letter))))
    change(directory, "INSERT INTO mailboxes (id, name, validity, next_uid) VALUES (1, 'bob@home.test', 'x', 2)")
    with pytest.raises(StoreError, match="table mailboxes"):
        pump.run(store.mailboxes.open(BOB.key, "me"))
    with pytest.raises(StoreError, match="table mailboxes"):
        pump.run(store.mailboxes.status(BOB.key))
    change(directory, "UPDATE mailboxes SET validity = 1")
    change(directory, "INSERT INTO entries VALUES (1, 1, 'x', 0, 1, 1.0, x'', 'seen', 0, 1, NULL, NULL)")
    with pytest.raises(StoreError, match="table entries"):
        pump.run(store.mailboxes.messages(BOB.key, limit=10))
    change(directory, "DELETE FROM entries")
    assert pump.run(store.mailboxes.open(BOB.key, "other")).entries == [], "a failed opening holds no lock"
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
        pump.run(store.queue.accept(acceptance()))
        (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
        pump.run(store.queue.settle(placing(claim.deliveries[0])))
    assert sorted(pump.run(store.mailboxes.read_together(BOB.key, [1, 2]))) == [1, 2]
    change(directory, f"{statement} WHERE letter = '{claim.letter.id}'")
    assert sorted(pump.run(store.mailboxes.read_together(BOB.key, [1, 2]))) == [1]
    with pytest.raises(Damaged, match=message):
        pump.run(store.mailboxes.read(BOB.key, 2))
    assert pump.run(read_all(pump.run(store.mailboxes.read(BOB.key, 1)))).endswith(TEXT)


def test_what_was_just_accepted_is_not_read_back(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    pump.run(store.queue.accept(acceptance()))
    change(directory, "UPDATE contents SET octets = x'00'")
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    assert pump.run(read_all(claim.letter.content)) == TEXT


def test_a_large_maildrop_is_listed_in_order(pump: Pump, open_store: Open, directory: Path) -> None:
    store = open_store()
    pump.run(store.queue.accept(acceptance()))
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=1, lease=1.0, next_due=later))
    pump.run(store.queue.settle(placing(claim.deliveries[0])))
    for more in (4999, 7000):
        change(
            directory,
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO entries (mailbox, uid, letter, number, size, at, headers) SELECT mailbox, (SELECT max(uid) FROM entries) + i, letter,"
            " (SELECT max(number) FROM entries) + i, size, at, headers FROM entries JOIN n WHERE uid = 1",
            more,
        )
        drop = pump.run(store.mailboxes.open(BOB.key, "me"))
        assert [entry.uid for entry in drop.entries] == list(range(1, len(drop.entries) + 1))
    assert len(drop.entries) == 12000
    assert pump.run(read_all(pump.run(store.mailboxes.read(BOB.key, 1)))) == HEADERS + TEXT


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
        (history_sql.COLLECTED, "SEARCH deliveries USING PRIMARY KEY"),
        (sql.insert_entries(3), "SEARCH m USING INDEX"),
        (sql.OCTETS_IN, "SEARCH mailboxes USING INDEX"),
        (imap_sql.MESSAGES, "SEARCH entries USING PRIMARY KEY"),
        (imap_sql.CHANGED_MESSAGES, "SEARCH entries USING PRIMARY KEY"),
        (imap_sql.FEW_CHANGED_MESSAGES, "entries_by_modseq"),
        (imap_sql.ARE_MANY_CHANGED, "entries_by_modseq"),
        (imap_sql.copy_entries(3, "e.keywords"), "SEARCH e USING PRIMARY KEY"),
        (imap_sql.move_entries(3, "e.keywords"), "SEARCH e USING PRIMARY KEY"),
        (imap_sql.keywords_of(2), "SEARCH k USING PRIMARY KEY"),
        (
            history_sql.records(
                ids=0, server=True, sender=False, recipient=True, since=False, until=False, states=0, pending=False
            ),
            "deliveries_by_address",
        ),
        (
            history_sql.records(
                ids=0, server=False, sender=True, recipient=False, since=False, until=False, states=0, pending=False
            ),
            "letters_by_sender",
        ),
        (
            history_sql.records(
                ids=0, server=False, sender=False, recipient=False, since=False, until=False, states=1, pending=True
            ),
            "deliveries_owed",
        ),
        (
            history_sql.records(
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
    with closing(database(directory)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
