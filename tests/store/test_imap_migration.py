"""The migration to IMAP counts what is there, and keeps uids and validities (IMAP-120)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from mailstack.store.mailboxes import SEEN, Flags
from mailstack.store.schema import migrate, migrations
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place

OLD = (
    f"INSERT INTO mailboxes (id, name, validity, next_uid, octets) VALUES (7, '{BOB.key}', 1234, 9, 30)",
    *(
        "INSERT INTO entries (mailbox, uid, letter, number, size, at, headers)"
        f" VALUES (7, {uid}, 'l{uid}', 0, 10, 5.5, '')"
        for uid in (3, 5, 8)
    ),
    *(
        "INSERT INTO deliveries (letter, number, server, address, recipient, destination, state, due, attempts, lease,"
        f" text, host, warned) VALUES ('l{uid}', 0, 'mx', 'a', '', 'local', '{state}', 0, 1, 0, '', '', 0)"
        for uid, state in ((3, "collected"), (5, "delivered"), (8, "collected"))
    ),
)
"""Rows of the first schema: a mailbox with three letters, two of them retrieved over POP3."""


def check(pump: Pump, store: Any) -> None:
    """What the newest program makes of `OLD`; a letter that arrives is counted."""
    found = pump.run(store.mailboxes.messages(BOB.key, limit=10))
    assert [(each.uid, each.flags, each.saved) for each in found] == [
        (3, Flags(SEEN, 0), 5.5),
        (5, Flags(0, 0), 5.5),
        (8, Flags(SEEN, 0), 5.5),
    ]
    status = pump.run(store.mailboxes.status(BOB.key))
    assert (status.validity, status.next_uid, status.messages, status.unseen, status.octets) == (1234, 9, 3, 1, 30)
    assert status.modseq >= max(each.modseq for each in found)
    drop = pump.run(store.mailboxes.open(BOB.key, "me"))
    assert (drop.validity, [entry.uid for entry in drop.entries]) == (1234, [3, 5, 8])
    place(Subject(store, pump.run, lambda: store))
    after = pump.run(store.mailboxes.status(BOB.key))
    assert (after.next_uid, after.messages, after.unseen, after.modseq) == (10, 4, 2, status.modseq + 1)
    (new,) = pump.run(store.mailboxes.messages(BOB.key, changed_since=status.modseq, limit=10))
    assert new.uid == 9


def test_a_mailbox_of_the_first_schema(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as connection:
        migrate(connection, migrations()[:1])
        for statement in OLD:
            connection.execute(statement)
    pump = Pump()
    store = SqliteStore(pump, tmp_path)
    (tmp_path / "contents").mkdir()
    pump.run(store.open())
    check(pump, store)
    pump.run(store.close())
