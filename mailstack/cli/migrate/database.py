"""Endpoints for a PostgreSQL database, with large contents in its rows."""

# ruff: noqa: S608  # statements hold only names from the schema

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import psycopg

from mailstack.cli.migrate import CannotMove
from mailstack.cli.migrate.dump import CONTENTS
from mailstack.cli.migrate.verify import Objects
from mailstack.store import Damaged, sql
from mailstack.store.connection import DatabaseAddress
from mailstack.store.content_files import is_name
from mailstack.store.contents import AHEAD, OBJECT
from mailstack.store.postgresql import large_contents
from mailstack.store.postgresql.connection import NOW, translated, trouble
from mailstack.store.postgresql.database import Database, shown
from mailstack.store.postgresql.process_leases import live_owners
from mailstack.store.postgresql.schema import migrate, migrations, newest, version_of
from mailstack.store.schema import Row, Table, tables

STATEMENT_TIMEOUT_S = 3600.0
"""Maximum seconds of one statement: one counts all rows of a large table."""
_FETCH_SIZE = {CONTENTS: 50}
"""Number of rows per fetch of tables with large rows."""
_LOCKED = ", ".join(["process_leases", *(table.name for table in tables())])


class _DatabaseEndpoint:
    """Database in one transaction that locks servers and writing commands out."""

    def __init__(self, url: str, objects: Objects | None = None) -> None:
        """`objects`: object store of contents that rows only name; None: unread. Raises CannotMove, StoreError."""
        self._objects = objects
        self.name = shown(url)
        self._database = Database(DatabaseAddress(url, timeout=STATEMENT_TIMEOUT_S), "mailstack store")
        self._connection = self._database.connect()
        try:
            with _store_errors():
                self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        raise NotImplementedError

    def _lock(self, mode: str) -> None:
        """Start the transaction, and lock all tables in it, if the server supports that. Raises CannotMove."""
        statement = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        self._connection.raw.execute(statement)
        try:
            self._connection.raw.execute(f"LOCK TABLE {_LOCKED} IN {mode} MODE NOWAIT".encode())
        except psycopg.errors.LockNotAvailable:
            self._connection.roll_back()
            self._refuse_if_served()
            raise CannotMove(f"{self.name} is in use: stop all servers and commands that use it") from None
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError):
            # Other servers with PostgreSQL's protocol: verification finds concurrent changes.
            self._connection.roll_back()
            self._connection.raw.execute(statement)
        self._refuse_if_served()

    def _refuse_if_served(self) -> None:
        if owners := live_owners(self._connection):
            raise CannotMove(
                f"{self.name} is served by {', '.join(owners)}: stop it first (SIGTERM stops it after its sessions;"
                " its queue is kept), or wait half a minute if it crashed"
            )

    def close(self) -> None:
        self._connection.close()
        self._database.watch.close()

    def count(self, table: Table) -> int:
        with _store_errors():
            return int(self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()[0][0])

    def rows(self, table: Table) -> Iterator[Row]:
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {', '.join(table.key)}"
        with _store_errors(), self._connection.raw.cursor(f"rows_of_{table.name}") as cursor:
            cursor.itersize = _FETCH_SIZE.get(table.name, 1000)
            yield from cursor.execute(statement.encode(), binary=True)

    def letters(self, statement: str) -> Iterator[str]:
        with _store_errors(), self._connection.raw.cursor("letters") as cursor:
            for (letter,) in cursor.execute(translated(statement).encode()):
                yield letter

    def places(self, letter: str) -> list[str]:
        with _store_errors():
            return [name for (name,) in self._connection.execute(sql.REFERENCES, (letter, letter)).fetchall()]

    def integrity(self) -> Iterator[str]:
        """Checks nothing: PostgreSQL verifies pages on reading, if its data_checksums are on."""
        yield from ()

    def octets(self, name: str) -> Iterator[bytes] | None:
        if name.startswith(OBJECT):
            return None if self._objects is None else self._objects.octets(name)
        return self._pieces(name)

    def _pieces(self, name: str) -> Iterator[bytes]:
        with _store_errors():
            found = self._connection.execute(
                "SELECT (SELECT count(*) FROM pieces AS p WHERE p.name = l.name) FROM large_contents AS l WHERE name = ?",
                (name,),
            ).fetchall()
            if not found:
                raise Damaged(f"table large_contents: there is no {name!r:.80}")
            for number in range(found[0][0]):
                yield large_contents.piece(self._connection, name, number)


class DatabaseSource(_DatabaseEndpoint):
    """Database that is read only."""

    def _begin(self) -> None:
        version = version_of(self._connection)
        if version is None:
            raise CannotMove(f"{self.name} has no store")
        if version != newest():
            raise CannotMove(
                f"{self.name} has schema version {version}, this program has {newest()}: migrate it with a command"
                " of this version, such as `mailstack queue list`"
            )
        self._lock("SHARE")


class DatabaseTarget(_DatabaseEndpoint):
    """Database with the schema and without rows, filled in one transaction."""

    def _begin(self) -> None:
        migrate(self._connection, "", migrations())
        self._lock("EXCLUSIVE")
        for table in tables():
            if self._connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchall():
                raise CannotMove(f"{self.name} is not empty (table {table.name} has rows): name another database")

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        if self._objects is not None:
            return self._objects.keep(name, octets)
        here = self.name_of(name)
        with _store_errors():
            self._connection.execute(f"INSERT INTO large_contents (name, at) VALUES (?, {NOW})", (here,))
            try:
                for number, piece in enumerate(_even(octets)):
                    self._connection.execute(
                        "INSERT INTO pieces (name, number, octets) VALUES (?, ?, ?)", (here, number, piece)
                    )
            except Damaged:
                large_contents.remove(self._connection, [here])
                raise
        return here

    def name_of(self, name: str) -> str:
        if self._objects is not None:
            return self._objects.name_of_damaged(name)
        return f"rows/{name if is_name(name) else blake2b(name.encode(), digest_size=16).hexdigest()}"

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        with _store_errors():
            statement = f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN"
            with self._connection.raw.cursor().copy(statement.encode()) as writer:
                for row in rows:
                    writer.write_row(row)

    def commit(self) -> None:
        with _store_errors():
            # The sequence does not count ids that came with their rows.
            self._connection.execute(
                "SELECT setval(pg_get_serial_sequence('mailboxes', 'id'), max(id)) FROM mailboxes HAVING max(id) > 0"
            )
            self._connection.commit()
            with contextlib.suppress(psycopg.Error):
                self._connection.execute("ANALYZE")


def _even(octets: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same octets in pieces of AHEAD, as the store writes them."""
    waiting = bytearray()
    for part in octets:
        waiting += part
        while len(waiting) >= AHEAD:
            yield bytes(waiting[:AHEAD])
            del waiting[:AHEAD]
    if waiting:
        yield bytes(waiting)


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """Raises errors of the database as StoreError."""
    try:
        yield
    except (psycopg.Error, OSError, UnicodeError) as error:
        raise trouble(error) from error
