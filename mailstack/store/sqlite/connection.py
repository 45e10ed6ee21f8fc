"""SQLite connection: statements in its own SQL, and read-only access.

Each fetched row releases the interpreter's lock, and a busy reactor then holds it for milliseconds. So many rows are
fetched as one.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from mailstack.letter import LetterId
from mailstack.store import imap_sql, sql
from mailstack.store.contents import is_intact
from mailstack.store.schema import has_newest

_decode = msgspec.json.Decoder(list[list[Any]]).decode

_LISTING = """SELECT group_concat(uid || ' ' || size || ' ' || letter, char(10)), max(uid)
    FROM (SELECT uid, size, letter FROM entries WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?)"""


class SqliteConnection(sqlite3.Connection):
    """See `mailstack.store.connection.Connection`."""

    has_one_writer = True

    def fetch(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:
        """Row as JSON, where JSON can represent it."""
        try:
            found = self.execute(_as_one_row(statement, columns), parameters).fetchall()
            whole: list[Any] = _decode(found[0][0])
        except (sqlite3.Error, ValueError):
            # Something is damaged. Row by row one finds out what, and has the others.
            return self.execute(statement, parameters).fetchall()
        return whole

    fetch_free = fetch

    def hold_mailbox(self, name: str) -> list[Any]:
        return self.execute(imap_sql.HELD, (name,)).fetchall()

    def uncollected(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        return self.fetch(sql.uncollected(len(uids)), sql.UNCOLLECTED, (mailbox, *uids))

    def take_out(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        taken = self.fetch(imap_sql.entries_at(imap_sql.TAKEN, len(uids)), imap_sql.TAKEN, (mailbox, *uids))
        self.execute(imap_sql.remove_entries(len(uids)), (mailbox, *uids))
        return taken

    def drop_unneeded(self, letters: Sequence[LetterId]) -> list[str]:
        files = [file for (file,) in self.execute(sql.unneeded_files(len(letters)), letters)]
        self.execute(sql.drop_contents(len(letters)), letters)
        return files

    def listing(self, mailbox: int, after: int, limit: int) -> tuple[str | None, int | None]:
        found: tuple[str | None, int | None] = self.execute(_LISTING, (mailbox, after, limit)).fetchall()[0]
        return found

    def small_contents(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        parts = self._parted(_small_contents(len(letters)), letters)
        return {LetterId(letter): octets for letter, _, octets, digest in parts if is_intact(octets, digest)}

    def small_letters(self, mailbox: str, uids: Sequence[int]) -> dict[int, bytes]:
        parts = self._parted(_small_letters(len(uids)), (mailbox, *uids))
        return {int(uid): whole for uid, headers, whole, digest in parts if is_intact(whole[headers:], digest)}

    def _parted(self, statement: str, parameters: Sequence[Any]) -> Iterator[tuple[str, int, bytes, str | None]]:
        """Parts of a combined value: name, octets before the content, all octets, digest."""
        octets, listing = self.execute(statement, parameters).fetchall()[0]
        if not isinstance(octets, bytes) or not isinstance(listing, str):
            return
        start = 0
        for line in listing.split("\n"):
            try:
                name, before, size, digest = line.split(" ", 3)
                end = start + int(size)
                yield name, int(before), octets[start:end], digest or None
            except ValueError:
                return  # what is damaged is read one by one, and then told
            start = end


@lru_cache(maxsize=128)
def _small_contents(count: int) -> str:
    """The octets of several contents as one value, and which they are, with how many octets each."""
    return f"""SELECT CAST(group_concat(octets, '') AS BLOB),
        group_concat(letter || ' 0 ' || length(octets) || ' ' || coalesce(digest, ''), char(10))
    FROM (SELECT letter, octets, digest FROM contents WHERE letter IN {sql.placeholders(count)} AND octets IS NOT NULL)"""  # noqa: S608  # question marks


@lru_cache(maxsize=128)
def _small_letters(count: int) -> str:
    """The same of letters with their trace fields, by uid."""
    return f"""SELECT CAST(group_concat(whole, '') AS BLOB),
        group_concat(uid || ' ' || above || ' ' || size || ' ' || coalesce(digest, ''), char(10))
    FROM (SELECT e.uid, e.size, length(e.headers) AS above, c.digest, e.headers || c.octets AS whole FROM mailboxes AS m
        JOIN entries AS e ON e.mailbox = m.id JOIN contents AS c ON c.letter = e.letter
        WHERE m.name = ? AND e.uid IN {sql.placeholders(count)} AND typeof(e.headers) = 'blob' AND typeof(c.octets) = 'blob'
        AND length(e.headers) + length(c.octets) = e.size)"""  # noqa: S608  # question marks


@lru_cache(maxsize=512)
def _as_one_row(statement: str, columns: tuple[str, ...]) -> str:
    """All rows of a SELECT as one JSON array of arrays. Times lose what is beyond their fifteenth digit."""
    return f"SELECT json_group_array(json_array({', '.join(columns)})) FROM ({statement})"  # noqa: S608  # our own statements


MAX_FAULTS = 100
"""Faults of one database that are named."""
_LOG = "-wal"


class ReadableDatabase:
    """Database opened for reading, in a writable directory or not.

    SQLite needs a shared-memory file beside a write-ahead log, which it can't create on a read-only disk. There, a
    database without a log is read directly. One with a log is copied to a temporary directory, because the log may
    contain letters that the database lacks.
    """

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error where there is no database that can be read, and OSError."""
        self._copied: tempfile.TemporaryDirectory[str] | None = None
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            self._try()
        except sqlite3.OperationalError as error:
            if not path.is_file() or error.sqlite_errorcode & 0xFF not in {
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            }:
                raise
            log = path.with_name(f"{path.name}{_LOG}")
            if log.exists() and log.stat().st_size:
                self._uri = f"{self._copy(path, log).as_uri()}?mode=ro"
            else:
                self._uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
            self._try()

    def connect(self, *, timeout: float = 10.0, **options: Any) -> sqlite3.Connection:
        """A connection in autocommit mode; `options` as sqlite3.connect takes them. Raises sqlite3.Error."""
        connection: sqlite3.Connection = sqlite3.connect(
            self._uri, uri=True, timeout=timeout, isolation_level=None, **options
        )
        return connection

    def close(self) -> None:
        """Remove the copy, if one was made; all connections must be closed."""
        if self._copied is not None:
            self._copied.cleanup()

    def _try(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()

    def _copy(self, path: Path, log: Path) -> Path:
        self._copied = tempfile.TemporaryDirectory(prefix="mailstack-")
        place = Path(self._copied.name)
        for file in (path, log):
            shutil.copyfile(file, place / file.name)
        return place / path.name


def is_current(path: Path) -> bool:
    """Whether there is a database of the newest schema, which can be read as it is. Raises OSError."""
    if not path.is_file():
        return False
    try:
        database = ReadableDatabase(path)
        try:
            with closing(database.connect()) as connection:
                return has_newest(connection)
        finally:
            database.close()
    except sqlite3.Error:
        return False


def integrity_of(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """Faults that `integrity_check` and `foreign_key_check` name, a line each; `name` is how people call the database."""
    try:
        for (fault,) in connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})"):
            if fault != "ok":
                yield f"{name}: {' '.join(str(fault).split())}"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            yield f"{name}: table {table}, row {row}: there is no {parent} for it"
    except sqlite3.Error as error:
        yield f"{name}: it can't be checked: {error}"
