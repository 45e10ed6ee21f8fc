"""The side of a data directory: an SQLite database, and large contents in files."""

# ruff: noqa: S608  # no text is made of anything but our own names

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import msgspec

from mailstack.catalogue.database import FILE as CATALOGUE
from mailstack.letter.content import CHUNK
from mailstack.moving import CannotMove, Progress
from mailstack.store import Damaged, StoreError, sql
from mailstack.store.batch import pieces
from mailstack.store.content_files import DIRECTORY as CONTENTS
from mailstack.store.content_files import is_name, path_of, sync_directory
from mailstack.store.contents import OBJECT
from mailstack.store.locks import Turn, take_office
from mailstack.store.schema import UNFINISHED, migrate, migrations, version_of
from mailstack.store.sqlite import DATABASE, TURN
from mailstack.store.sqlite_reading import ReadableDatabase, integrity_of
from mailstack.store.tables import Key, Row, Table, tables
from mailstack.store.threads import trouble

PATIENCE = 10.0
"""Seconds to wait for a command that writes."""


class DirectorySource:
    """One that is only read."""

    def __init__(self, directory: Path) -> None:
        """Raises CannotMove when there is no office, or it runs; StoreError."""
        self.directory = directory
        self.name = str(directory.resolve())
        self._held = ExitStack()
        try:
            self._connection = self._open()
        except BaseException:
            self._held.close()
            raise

    def _open(self) -> sqlite3.Connection:
        if not (self.directory / DATABASE).is_file():
            raise CannotMove(f"{self.directory} holds no office: there is no {DATABASE}")
        self._keep_others_out()
        with _told():
            connection = self._read()
        self._check_version(connection)
        # One moment for all that is read, from the first row on.
        connection.execute("BEGIN")
        return connection

    def _keep_others_out(self) -> None:
        """No office may begin here, and no command write, before `close`; none can on a disk that can't be written."""
        if not os.access(self.directory, os.W_OK):
            return
        try:
            self._held.callback(os.close, take_office(self.directory / "lock"))
        except StoreError as error:
            raise CannotMove(
                f"{error}: stop it first (SIGTERM ends it once its sessions are done; its queue stays as it is)"
            ) from error
        self._held.enter_context(Turn(self.directory / TURN, PATIENCE).taken())

    def _read(self) -> sqlite3.Connection:
        database = ReadableDatabase(self.directory / DATABASE)
        self._held.callback(database.close)
        connection = database.connect()
        self._held.callback(connection.close)
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> None:
        with _told():
            version, newest = version_of(connection), migrations()[-1].version
            begun = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (UNFINISHED,)).fetchall()
        if begun:
            raise CannotMove(f"{self.directory} is an unfinished copy itself")
        if version != newest:
            raise CannotMove(
                f"{self.directory} has schema version {version}, this program has {newest}: open it once with the"
                " mailstack of this version (`mailstack queue list` does), which brings it up to date"
            )

    def close(self) -> None:
        self._held.close()

    def count(self, table: Table) -> int:
        with _told():
            return int(self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])

    def rows(self, table: Table, after: Key = ()) -> Iterator[Row]:
        key = ", ".join(table.key)
        where = f"WHERE ({key}) > {sql.marks(len(after))}" if after else ""
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name} {where} ORDER BY {key}"
        with _told():
            # Not "yield from": who ends early may have closed the database, and a cursor then complains of its own end.
            for row in self._connection.execute(statement, after):  # noqa: UP028
                yield row

    def letters(self, statement: str) -> Iterator[str]:
        with _told():
            for (letter,) in self._connection.execute(statement):
                yield letter

    def places(self, letter: str) -> list[str]:
        try:
            return [place for (place,) in self._connection.execute(sql.PLACES, (letter, letter))]
        except sqlite3.Error:
            return []  # what is wrong with the database is told elsewhere

    def integrity(self) -> Iterator[str]:
        yield from integrity_of(self._connection, DATABASE)
        if (self.directory / CATALOGUE).is_file():
            yield from _integrity_of_catalogue(self.directory / CATALOGUE)

    def octets(self, name: str) -> Iterator[bytes] | None:
        return None if name.startswith(OBJECT) else _read(path_of(self.directory / CONTENTS, name))


class DirectoryTarget(DirectorySource):
    """One that is filled."""

    def _open(self) -> sqlite3.Connection:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / CONTENTS).mkdir(mode=0o700, exist_ok=True)
        self._keep_others_out()
        # Letters and password hashes are nobody else's business, also where the directory is open to others.
        os.close(os.open(self.directory / DATABASE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.directory / DATABASE, isolation_level=None)
        self._held.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def begin(self, source: str) -> Progress:
        with _told():
            if self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (UNFINISHED,)).fetchall():
                return self._go_on(source)
            migrate(self._connection, migrations())
            for table in tables():
                if self._connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchall():
                    raise CannotMove(
                        f"{self.directory} holds an office already (table {table.name} is not empty): name another"
                        f" directory, or move its {DATABASE} and its {CONTENTS} away"
                    )
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                f"CREATE TABLE {UNFINISHED} (source TEXT NOT NULL, progress TEXT NOT NULL, version INTEGER NOT NULL)"
            )
            progress = Progress(source)
            self._connection.execute(
                f"INSERT INTO {UNFINISHED} VALUES (?, ?, ?)",
                (source, msgspec.json.encode(progress).decode(), migrations()[-1].version),
            )
            self._connection.execute("COMMIT")
        return progress

    def _go_on(self, source: str) -> Progress:
        of, text, version = self._connection.execute(f"SELECT source, progress, version FROM {UNFINISHED}").fetchone()
        if of != source:
            raise CannotMove(f"{self.directory} is an unfinished copy of {of}: go on with that one, or empty it")
        if version != migrations()[-1].version:
            raise CannotMove(f"{self.directory} is an unfinished copy by another version of mailstack: empty it first")
        return msgspec.json.decode(text, type=Progress)

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        name = self.name_of(name)
        path = path_of(self.directory / CONTENTS, name)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700)
            sync_directory(path.parent.parent)
        part = path.with_suffix(".part")
        try:
            with _told():
                with part.open("wb") as file:
                    file.writelines(octets)
                    file.flush()
                    os.fdatasync(file.fileno())
                part.replace(path)
                sync_directory(path.parent)
        except StoreError:
            part.unlink(missing_ok=True)
            raise
        return name

    def name_of(self, name: str) -> str:
        # Where another kind of store gave it: the same each time, so that nothing is kept twice.
        return name if is_name(name) else blake2b(name.encode(), digest_size=16).hexdigest()

    def write(self, table: Table, rows: Sequence[Row], progress: Progress) -> None:
        flat = [value for row in rows for value in row]
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for part in pieces(flat, len(table.columns)):
                    statement = sql.insert(table.name, table.columns, len(part) // len(table.columns))
                    self._connection.execute(statement, part)
                self._connection.execute(
                    f"UPDATE {UNFINISHED} SET progress = ?", (msgspec.json.encode(progress).decode(),)
                )
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def finish(self) -> None:
        with _told():
            self._connection.execute(f"DROP TABLE {UNFINISHED}")
            self._connection.execute("PRAGMA optimize")


def _integrity_of_catalogue(path: Path) -> Iterator[str]:
    name = f"{CATALOGUE} (it may be removed, and is made anew)"
    try:
        database = ReadableDatabase(path)
    except (sqlite3.Error, OSError) as error:
        yield f"{name} can't be read: {error}"
        return
    with contextlib.closing(database), contextlib.closing(database.connect()) as connection:
        yield from integrity_of(connection, name)


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while octets := file.read(CHUNK):
                yield octets
    except FileNotFoundError as error:
        raise Damaged(f"the file {path} is not there") from error
    except OSError as error:
        raise trouble(error) from error


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the database and the disk say, as StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise trouble(error) from error
