"""Puts a great many letters and accounts into the store of a server that does not run, as copies of one that is there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mailstack.store.sqlite.store import DATABASE
from tests.benchmarks.table.site import DOMAIN

MAILBOXES = 1000
"""The letters lie in the mailboxes of others, v0, v1 and so on: it is the store that grows, not the mailbox that is read."""


def add_letters(data: Path, letters: int) -> None:
    """So many copies of the letters of u1's mailbox, which must hold some: each has its steps, its delivery, its entry."""
    with opened(data) as connection:
        (model,) = connection.execute(
            "SELECT letter FROM entries JOIN mailboxes ON mailboxes.id = mailbox WHERE name = ? LIMIT 1",
            (f"u1@{DOMAIN}",),
        ).fetchone()
        (validity, start) = connection.execute("SELECT max(validity), max(id) + 1 FROM mailboxes").fetchone()
        each = letters // MAILBOXES + 2
        size = "(SELECT size FROM entries WHERE letter = ? LIMIT 1)"
        connection.execute(
            f"{_series(MAILBOXES)} INSERT INTO mailboxes (id, name, validity, next_uid, octets)"
            f" SELECT {start} + n, 'v' || n || '@{DOMAIN}', {validity}, {each}, {each} * {size} FROM n",
            (model,),
        )
        name = numbered(model)
        changed = {"mailbox": f"{start} + n % {MAILBOXES}", "uid": f"n / {MAILBOXES} + 1"}
        for table, key in (("letters", "id"), ("contents", "letter"), ("deliveries", "letter"), ("steps", "letter")):
            copy(connection, table, key, {key: name}, model=model, count=letters)
        copy(connection, "entries", "letter", {"letter": name, **changed}, model=model, count=letters)


def add_accounts(data: Path, first: int, last: int) -> None:
    """Accounts u`first` to u`last`, with u1's password."""
    with opened(data) as connection:
        changed = {"address": f"'u' || (n + {first}) || '@{DOMAIN}'"}
        copy(connection, "accounts", "address", changed, model=f"u1@{DOMAIN}", count=last - first + 1)


def opened(data: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(data / DATABASE)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def numbered(model: str) -> str:
    """SQL for the ids of copies. They sort by time: these are of the time of the model, and older than all that come."""
    return f"substr('{model}', 1, 7) || printf('%08d', n)"


def _series(count: int) -> str:
    return f"WITH RECURSIVE n (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM n WHERE n < {count - 1})"


def copy(
    connection: sqlite3.Connection, table: str, key: str, changed: dict[str, str], *, model: str, count: int
) -> None:
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changed.get(name, name) for name in names)
    connection.execute(
        f"{_series(count)} INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}, n WHERE {key} = ?",
        (model,),
    )
