"""The side of a PostgreSQL database, with large contents in its rows."""

# ruff: noqa: S608  # no text is made of anything but our own names

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec
import psycopg

from mailstack.moving import CannotMove, Progress
from mailstack.moving.reading import CONTENTS
from mailstack.store import Damaged, sql
from mailstack.store.content_files import is_name
from mailstack.store.contents import AHEAD, OBJECT
from mailstack.store.postgresql import large_contents
from mailstack.store.postgresql.connection import PostgresConnection
from mailstack.store.postgresql.database import Database, shown
from mailstack.store.postgresql.dialect import translated
from mailstack.store.postgresql.errors import trouble
from mailstack.store.postgresql.lives import living
from mailstack.store.postgresql.schema import migrate, migrations, newest, version_of
from mailstack.store.reach import Reach
from mailstack.store.schema import UNFINISHED
from mailstack.store.tables import Key, Row, Table, tables

PATIENCE = 3600.0
"""Seconds that one statement may take: to count a large table is one."""
_AT_ONCE = {CONTENTS: 50}
"""Rows that are fetched at a time, where they may be large."""


class DatabaseSource:
    """One that is only read."""

    def __init__(self, url: str) -> None:
        """Raises CannotMove when there is no office, or it runs; StoreError."""
        self.name = shown(url)
        self._database = Database(Reach(url, timeout=PATIENCE), "mailstack store")
        self._connection = self._database.connect()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        with _told():
            if _exists(self._connection, UNFINISHED):
                raise CannotMove(f"{self.name} is an unfinished copy itself")
            version = version_of(self._connection)
            if version is None:
                raise CannotMove(f"{self.name} holds no office")
            if version != newest():
                raise CannotMove(
                    f"{self.name} has schema version {version}, this program has {newest()}: open it once with the"
                    " mailstack of this version (`mailstack queue list` does), which brings it up to date"
                )
            self._keep_others_out()

    def _keep_others_out(self) -> None:
        """Read as of one moment; until `close` no office begins here and no command writes, where the server can do that."""
        names = ", ".join(["lives", *(table.name for table in tables())])
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        self._connection.raw.execute(begin)
        try:
            self._connection.raw.execute(f"LOCK TABLE {names} IN SHARE MODE NOWAIT".encode())
        except psycopg.errors.LockNotAvailable:
            self._refuse_who_lives()
            raise CannotMove(f"{self.name} is being written: stop every office and command there first") from None
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError):
            # What only speaks PostgreSQL's protocol: what is changed meanwhile is found when all is compared.
            self._connection.roll_back()
            self._connection.raw.execute(begin)
        self._refuse_who_lives()

    def _refuse_who_lives(self) -> None:
        if self._connection.has_failed:
            self._connection.roll_back()
        if owners := living(self._connection):
            raise CannotMove(
                f"{self.name} is served by {', '.join(owners)}: stop it first (SIGTERM ends it once its sessions are done;"
                " its queue stays as it is), or wait half a minute if it died"
            )

    def close(self) -> None:
        self._connection.close()
        self._database.watch.close()

    def count(self, table: Table) -> int:
        with _told():
            return int(self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()[0][0])

    def rows(self, table: Table, after: Key = ()) -> Iterator[Row]:
        key = ", ".join(table.key)
        where = f"WHERE ({key}) > {sql.marks(len(after))}" if after else ""
        statement = translated(f"SELECT {', '.join(table.columns)} FROM {table.name} {where} ORDER BY {key}")
        with _told(), self._moment(), self._connection.raw.cursor(f"rows_of_{table.name}") as cursor:
            cursor.itersize = _AT_ONCE.get(table.name, 1000)
            yield from cursor.execute(statement.encode(), after, binary=True)

    @contextlib.contextmanager
    def _moment(self) -> Iterator[None]:
        """A transaction to read in, where there is none."""
        if not self._connection.is_idle:
            yield
            return
        self._connection.begin()
        try:
            yield
        finally:
            self._connection.roll_back()

    def letters(self, statement: str) -> Iterator[str]:
        with _told(), self._moment(), self._connection.raw.cursor("letters") as cursor:
            for (letter,) in cursor.execute(translated(statement).encode()):
                yield letter

    def places(self, letter: str) -> list[str]:
        with _told(), self._moment():
            return [place for (place,) in self._connection.execute(sql.PLACES, (letter, letter)).fetchall()]

    def integrity(self) -> Iterator[str]:
        """Nothing: PostgreSQL checks what it reads by itself, where its data_checksums are on."""
        yield from ()

    def octets(self, name: str) -> Iterator[bytes] | None:
        return None if name.startswith(OBJECT) else self._pieces(name)

    def _pieces(self, name: str) -> Iterator[bytes]:
        with _told():
            found = self._connection.execute(
                "SELECT (SELECT count(*) FROM pieces AS p WHERE p.name = l.name) FROM large_contents AS l WHERE name = ?",
                (name,),
            ).fetchall()
            if not found:
                raise Damaged(f"table large_contents: there is no {name!r:.80}")
            for number in range(found[0][0]):
                yield large_contents.piece(self._connection, name, number)


class DatabaseTarget(DatabaseSource):
    """One that is filled."""

    def _begin(self) -> None:
        """Nothing is done before `begin`."""
        self._progress = ""

    def begin(self, source: str) -> Progress:
        with _told():
            if _exists(self._connection, UNFINISHED):
                return self._go_on(source)
            migrate(self._connection, "", migrations())
            self._refuse_who_lives()
            for table in tables():
                if self._connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchall():
                    raise CannotMove(
                        f"{self.name} holds an office already (table {table.name} is not empty): name another database"
                    )
            self._progress = msgspec.json.encode(Progress(source)).decode()
            self._connection.begin()
            try:
                self._connection.execute(
                    f"CREATE TABLE {UNFINISHED} (source TEXT NOT NULL, progress TEXT NOT NULL, version BIGINT NOT NULL)"
                )
                self._connection.execute(
                    f"INSERT INTO {UNFINISHED} VALUES (?, ?, ?)", (source, self._progress, newest())
                )
                self._connection.commit()
            finally:
                self._connection.roll_back()
        return Progress(source)

    def _go_on(self, source: str) -> Progress:
        found = self._connection.execute(f"SELECT source, progress, version FROM {UNFINISHED}").fetchall()
        ((of, self._progress, version),) = found
        if of != source:
            raise CannotMove(
                f"{self.name} is an unfinished copy of {of}: go on with that one, or name another database"
            )
        if version != newest():
            raise CannotMove(
                f"{self.name} is an unfinished copy by another version of mailstack: name another database"
            )
        return msgspec.json.decode(self._progress, type=Progress)

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        here = self.name_of(name)
        with _told():
            large_contents.remove(self._connection, [here])
            large_contents.add(self._connection, here, 0, b"")
            try:
                for number, piece in enumerate(_even(octets)):
                    large_contents.add(self._connection, here, number, piece)
            except Damaged:
                large_contents.remove(self._connection, [here])
                raise
        return here

    def name_of(self, name: str) -> str:
        # The same each time, so that nothing is kept twice.
        return f"rows/{name if is_name(name) else blake2b(name.encode(), digest_size=16).hexdigest()}"

    def write(self, table: Table, rows: Sequence[Row], progress: Progress) -> None:
        after = msgspec.json.encode(progress).decode()
        with _told():
            self._connection.begin()
            try:
                with self._connection.raw.cursor().copy(
                    f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN".encode()
                ) as copying:
                    for row in rows:
                        copying.write_row(row)
                moved = self._connection.execute(
                    f"UPDATE {UNFINISHED} SET progress = ? WHERE progress = ?", (after, self._progress)
                )
                if moved.rowcount != 1:
                    raise CannotMove(f"somebody else copies into {self.name} at the same time")
                self._connection.commit()
            finally:
                self._connection.roll_back()
        self._progress = after

    def finish(self) -> None:
        with _told():
            self._connection.begin()
            try:
                # Numbers that were given with their rows are not counted by the database itself.
                self._connection.execute(
                    "SELECT setval(pg_get_serial_sequence('mailboxes', 'id'), max(id)) FROM mailboxes HAVING max(id) > 0"
                )
                self._connection.execute(f"DROP TABLE {UNFINISHED}")
                self._connection.commit()
            finally:
                self._connection.roll_back()
            with contextlib.suppress(psycopg.Error):
                self._connection.execute("ANALYZE")


def _even(octets: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of AHEAD, as a store writes them."""
    waiting = bytearray()
    for part in octets:
        waiting += part
        while len(waiting) >= AHEAD:
            yield bytes(waiting[:AHEAD])
            del waiting[:AHEAD]
    if waiting:
        yield bytes(waiting)


def _exists(connection: PostgresConnection, table: str) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = current_schema()", (table,)
        ).fetchall()
    )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the database says, as StoreError."""
    try:
        yield
    except (psycopg.Error, OSError, UnicodeError) as error:
        raise trouble(error) from error
