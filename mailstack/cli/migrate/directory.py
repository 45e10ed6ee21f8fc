"""Data directory as source or target of a migration."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from hashlib import blake2b
from pathlib import Path

from mailstack.cli.migrate import CannotMove
from mailstack.cli.migrate.verify import Objects
from mailstack.letter.letter import CHUNK
from mailstack.mailbox.index.database import FILE as INDEX
from mailstack.store import Damaged, StoreError, sql
from mailstack.store.batch import pieces
from mailstack.store.content_files import DIRECTORY as CONTENTS
from mailstack.store.content_files import is_name, path_of, sync_directory
from mailstack.store.contents import OBJECT
from mailstack.store.locks import Turn, lock_server_file
from mailstack.store.schema import Row, Table, migrate, migrations, version_of
from mailstack.store.sqlite.connection import ReadableDatabase, integrity_of
from mailstack.store.sqlite.store import DATABASE, MAILDROPS, TURN
from mailstack.store.writer import trouble

# ruff: noqa: S608  # statements hold only names from the schema


TURN_TIMEOUT_S = 10.0
"""Maximum seconds to wait for a command that writes."""
PART = f"{DATABASE}.part"
"""Name of the database while a dump is restored into it."""


class _Directory:
    """Data directory under the locks of servers and writing commands."""

    def __init__(self, directory: Path, objects: Objects | None = None) -> None:
        """`objects`: object store of contents that rows only name; None: unread. Raises CannotMove, StoreError."""
        self.directory = directory
        self._objects = objects
        self.name = str(directory.resolve())
        self._locks = ExitStack()
        try:
            self._connection = self._open()
        except BaseException:
            self._locks.close()
            raise

    def _open(self) -> sqlite3.Connection:
        raise NotImplementedError

    def _lock(self) -> None:
        """Lock servers and writing commands out until `close`; a directory on a read-only disk has neither."""
        if not os.access(self.directory, os.W_OK):
            return
        try:
            self._locks.callback(os.close, lock_server_file(self.directory / "lock"))
        except StoreError as error:
            raise CannotMove(
                f"{error}: stop it first (SIGTERM stops it after its sessions; its queue is kept)"
            ) from error
        self._locks.enter_context(Turn(self.directory / TURN, TURN_TIMEOUT_S).acquired())

    def close(self) -> None:
        self._locks.close()

    def count(self, table: Table) -> int:
        with _store_errors():
            return int(self._connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])

    def rows(self, table: Table) -> Iterator[Row]:
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {', '.join(table.key)}"
        with _store_errors():
            # Not "yield from": a reader that ends early may have closed the database, and the cursor then complains.
            for row in self._connection.execute(statement):  # noqa: UP028
                yield row

    def letters(self, statement: str) -> Iterator[str]:
        with _store_errors():
            for (letter,) in self._connection.execute(statement):
                yield letter

    def places(self, letter: str) -> list[str]:
        try:
            return [name for (name,) in self._connection.execute(sql.REFERENCES, (letter, letter))]
        except sqlite3.Error:
            return []  # `integrity` reports a damaged database

    def integrity(self) -> Iterator[str]:
        yield from integrity_of(self._connection, DATABASE)
        if (self.directory / INDEX).is_file():
            yield from _integrity_of_index(self.directory / INDEX)

    def octets(self, name: str) -> Iterator[bytes] | None:
        if name.startswith(OBJECT):
            return None if self._objects is None else self._objects.octets(name)
        return _read(path_of(self.directory / CONTENTS, name))


class DirectorySource(_Directory):
    """Data directory that is read only."""

    def _open(self) -> sqlite3.Connection:
        if not (self.directory / DATABASE).is_file():
            raise CannotMove(f"{self.directory} has no store: {DATABASE} is missing")
        self._lock()
        with _store_errors():
            database = ReadableDatabase(self.directory / DATABASE)
            self._locks.callback(database.close)
            connection = database.connect()
            self._locks.callback(connection.close)
            version, newest = version_of(connection), migrations()[-1].version
        if version != newest:
            raise CannotMove(
                f"{self.directory} has schema version {version}, this program has {newest}: migrate it with a"
                " command of this version, such as `mailstack queue list`"
            )
        # All reads see one moment, from the first row on.
        connection.execute("BEGIN")
        return connection


class DirectoryTarget(_Directory):
    """Data directory without a database, which gets its name only in `commit`."""

    def _open(self) -> sqlite3.Connection:
        if (self.directory / DATABASE).exists():
            raise CannotMove(
                f"{self.directory} is not empty: name another directory, or move its {DATABASE} and {CONTENTS} elsewhere"
            )
        part = self.directory / PART
        with _store_errors():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.directory / CONTENTS).mkdir(mode=0o700, exist_ok=True)
            self._lock()
            self._locks.callback(part.unlink, missing_ok=True)
            part.unlink(missing_ok=True)
            # Letters and password hashes are private, even if the directory is readable by other users.
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(part, isolation_level=None)
            self._locks.callback(connection.close)
            # A file that is unfinished is removed, so that it needs no journal and one fsync.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            migrate(connection, migrations())
            connection.execute("BEGIN")
        return connection

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        if self._objects is not None:
            return self._objects.keep(name, octets)
        name = self.name_of(name)
        path = path_of(self.directory / CONTENTS, name)
        part = path.with_suffix(".part")
        try:
            with _store_errors():
                if not path.parent.is_dir():
                    path.parent.mkdir(mode=0o700)
                    sync_directory(path.parent.parent)
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
        if self._objects is not None:
            return self._objects.name_of_damaged(name)
        # The same name in each copy: a repeated copy replaces the files of an interrupted one.
        return name if is_name(name) else blake2b(name.encode(), digest_size=16).hexdigest()

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        flat = [value for row in rows for value in row]
        with _store_errors():
            for part in pieces(flat, len(table.columns)):
                statement = sql.insert(table.name, table.columns, len(part) // len(table.columns))
                self._connection.execute(statement, part)

    def commit(self) -> None:
        part = self.directory / PART
        with _store_errors():
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA optimize")
            self._connection.close()
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.rename(self.directory / DATABASE)
            try:
                sync_directory(self.directory)
            except OSError:
                (self.directory / DATABASE).unlink()
                raise


def _integrity_of_index(path: Path) -> Iterator[str]:
    name = f"{INDEX} (remove it, and the server rebuilds it)"
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
        raise Damaged(f"the file {path} is missing") from error
    except OSError as error:
        raise trouble(error) from error


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """Raises errors of the database and the disk as StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise trouble(error) from error


LINKS = ".backup-"
"""Prefix of the temporary directory of a backup."""
_STORE = {CONTENTS, TURN, MAILDROPS, "lock"}


def belongings(directory: Path) -> Iterator[Path]:
    """Yield the relative paths of data files, without those of the store and auxiliary files of databases."""
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if inside.parts[0] in _STORE or inside.parts[0].startswith(LINKS):
            continue
        if inside.name.startswith((DATABASE, f"{INDEX}-")) or not path.is_file():
            continue
        yield inside


def copy_belongings(source: Path, target: Path) -> list[Path]:
    """Copy missing data files, each atomically, and return their names. Raises OSError, sqlite3.Error."""
    copied = []
    for inside in belongings(source):
        copy = target / inside
        if copy.exists():
            continue
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = copy.with_name(f"{copy.name}.part")
        if inside.name == INDEX:
            copy_database(source / inside, part)
        else:
            shutil.copy2(source / inside, part)
        part.replace(copy)
        copied.append(inside)
    return copied


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as of one moment, also while it is written. Raises sqlite3.Error."""
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(ReadableDatabase(source)) as database,
        closing(database.connect()) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        read.backup(written)
