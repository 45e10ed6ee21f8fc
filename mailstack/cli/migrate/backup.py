"""Backup of a data directory as of one moment, under a running server."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from msgspec import Struct

from mailstack.cli.migrate import CannotMove
from mailstack.cli.migrate.directory import LINKS, belongings, copy_database
from mailstack.mailbox.index.database import FILE as INDEX
from mailstack.store import sql
from mailstack.store.content_files import DIRECTORY as CONTENTS
from mailstack.store.content_files import is_name, path_of
from mailstack.store.contents import is_intact
from mailstack.store.sqlite.connection import integrity_of
from mailstack.store.sqlite.store import DATABASE

TRIES = 10
"""Maximum number of attempts to copy the database and all its files of a running server."""
GAP = 1_000_000
"""Number of UIDs, and of changes of flags, that a backup skips: the server may give some between the backup and its return."""
_SKIP_CHANGES = "UPDATE mailboxes SET modseq = modseq + ?, known_from = modseq + ?"
# An index may be broken, and give less than the table has.
_COUNT = "SELECT count(*) FROM letters NOT INDEXED"
_NAMED = "SELECT file FROM contents NOT INDEXED WHERE file IS NOT NULL"
_CONTENTS = """SELECT c.letter, c.file, c.octets, c.digest, l.size FROM contents AS c NOT INDEXED
    LEFT JOIN letters AS l ON l.id = c.letter"""


class Saved(Struct, frozen=True):
    """Summary of a backup."""

    letters: int
    contents: int
    """Number of large contents in files."""
    elsewhere: int
    """Number of large contents in an object store; the backup has only their names."""
    octets: int
    faults: tuple[str, ...] = ()
    """Missing and damaged contents, a line each."""


def back_up(directory: Path, to: IO[bytes]) -> Saved:
    """Write a tar of a data directory with an SQLite store. Raises CannotMove, OSError, sqlite3.Error.

    Contents never change: a link preserves each one, even after the server removes it. A damaged content
    is named and added as it is, since it may be of use. An unreadable one is named and left out.
    """
    if not (directory / DATABASE).is_file():
        raise CannotMove(f"{directory} holds no SQLite store: there is no {DATABASE}")
    with _place_beside(directory) as folder:
        database = _moment(directory, folder)
        with closing(sqlite3.connect(database)) as connection, tarfile.open(fileobj=to, mode="w|") as tar:
            letters = _count(connection)
            faults = list(integrity_of(connection, DATABASE))
            tar.add(database, DATABASE)
            contents = _Contents(connection, directory / CONTENTS if folder.parent != directory else folder, tar)
            faults += contents.add_all()
            faults += _add_belongings(directory, folder, tar)
            return Saved(letters, contents.added, contents.elsewhere, tar.offset, tuple(faults))


def _count(connection: sqlite3.Connection) -> int:
    """Number of letters; 0 if the table can't be counted."""
    with suppress(sqlite3.DatabaseError):
        return int(connection.execute(_COUNT).fetchone()[0])
    return 0


class _Contents:
    """Contents of a database, added to a backup one by one."""

    def __init__(self, connection: sqlite3.Connection, at: Path, tar: tarfile.TarFile) -> None:
        """`at`: the directory of their files."""
        self._connection = connection
        self._at = at
        self._tar = tar
        self._done: set[str] = set()
        self.added = 0
        """Files in the backup."""
        self.elsewhere = 0
        """Contents in an object store."""

    def add_all(self) -> Iterator[str]:
        """Adds all contents; yields a line for each missing or damaged one. Adds all files if the table is unreadable."""
        try:
            for letter, name, octets, digest, size in self._connection.execute(_CONTENTS):
                if fault := _fault_of(octets, digest, size) if name is None else self._add(name, digest, size):
                    yield f"message {letter}{_where(self._connection, letter)}: {fault}"
        except sqlite3.DatabaseError as error:
            yield f"{DATABASE}: the table contents can't be read to its end: {error}; all files are in the backup"
            for file in sorted(self._at.glob("*/*")):
                if is_name(file.name) and file.name not in self._done and (fault := self._add(file.name, None, None)):
                    yield fault

    def _add(self, name: str, digest: str | None, size: int | None) -> str:
        """Damage found; empty without damage."""
        if not is_name(name):
            self.elsewhere += 1
            return ""
        is_in, fault = _add_content(self._at, name, digest, size, self._tar)
        self.added += is_in
        self._done.add(name)
        return fault


def _fault_of(octets: object, digest: str | None, size: int | None) -> str:
    """Damage of a content; empty without damage."""
    if not isinstance(octets, bytes):
        return "its row has neither octets nor the name of a file"
    if size not in {None, len(octets)}:
        return f"its content has {len(octets)} octets, and {size} were accepted"
    return "" if is_intact(octets, digest) else "its content is damaged: it has another digest than at acceptance"


def _add_content(at: Path, name: str, digest: str | None, size: int | None, tar: tarfile.TarFile) -> tuple[bool, str]:
    """Adds a file, by way of memory; returns whether it is in the backup, and its damage."""
    path, inside = path_of(at, name), path_of(Path(CONTENTS), name)
    try:
        with path.open("rb") as file:
            # One octet more than expected shows that the file is too long, at any size.
            octets = file.read() if size is None else file.read(size + 1)
            entry = tar.gettarinfo(arcname=str(inside), fileobj=file)
    except FileNotFoundError:
        return False, f"its content is lost: the file {inside} is missing"
    except OSError as error:
        return False, f"its content can't be read: {inside}: {error.strerror or error}"
    entry.size = len(octets)
    tar.addfile(entry, BytesIO(octets))
    fault = _fault_of(octets, digest, size)
    return True, fault and f"{fault}, in {inside}"


def _where(connection: sqlite3.Connection, letter: str) -> str:
    """Mailboxes and waiting recipients of a letter in brackets, to follow its id."""
    places = [str(folder) for (folder,) in connection.execute(sql.REFERENCES, (letter, letter))]
    return f" ({', '.join(places)})" if places else ""


@contextmanager
def _place_beside(directory: Path) -> Iterator[Path]:
    """Temporary directory for links, on the disk of the data directory; leftovers of killed backups are removed. For a
    read-only disk it is elsewhere, because no server can remove contents there.
    """
    if not os.access(directory, os.W_OK):
        with tempfile.TemporaryDirectory(prefix=LINKS) as other:
            yield Path(other)
        return
    for leftover in directory.glob(f"{LINKS}*"):
        with suppress(OSError), _locked(leftover):
            shutil.rmtree(leftover)
    folder = Path(tempfile.mkdtemp(prefix=LINKS, dir=directory))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError when another backup is being written there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _moment(directory: Path, folder: Path) -> Path:
    """Copies the database as of one moment, and links every file that it names into `folder`.

    A file is created before its row, and removed after it. A file that is missing in two successive tries, while rows of
    both name it, is lost.
    """
    contents, database = directory / CONTENTS, folder / DATABASE
    is_beside, missing = folder.parent == directory, set[str]()
    for _ in range(TRIES):
        for file in contents.glob("*/*") if is_beside else ():
            if is_name(file.name):
                _link(file, path_of(folder, file.name))
        copy_database(directory / DATABASE, database)
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            names = _names(connection)
            before, missing = missing, set()
            if is_beside:
                missing = {name for name in names if not _link(path_of(contents, name), path_of(folder, name))}
            if missing <= before:
                # One file, without a write-ahead log.
                connection.execute("PRAGMA journal_mode = DELETE")
                with suppress(sqlite3.DatabaseError):  # a damaged database is reported, and saved unchanged
                    connection.execute("UPDATE mailboxes SET next_uid = next_uid + ?", (GAP,))
                    connection.execute(_SKIP_CHANGES, (GAP, GAP))
                return database
    raise CannotMove(f"the contents of {directory} change too fast; repeat the backup when the server is less busy")


def _names(connection: sqlite3.Connection) -> list[str]:
    """Names of content files; none if the table can't be read: all existing files are then added."""
    with suppress(sqlite3.DatabaseError):
        return [name for (name,) in connection.execute(_NAMED) if is_name(name)]
    return []


def _link(file: Path, target: Path) -> bool:
    """Links a content for the backup; returns whether it exists."""
    if target.exists():
        return True
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.link(file, target)
    except FileNotFoundError:
        return False
    return True


def _add_belongings(directory: Path, folder: Path, tar: tarfile.TarFile) -> Iterator[str]:
    """Adds keys, caches and the index; yields a line for each unreadable file."""
    for inside in belongings(directory):
        path = directory / inside
        try:
            if inside.name == INDEX:
                path = folder / INDEX
                copy_database(directory / inside, path)
            octets = path.read_bytes()
            entry = tar.gettarinfo(path, str(inside))
        except FileNotFoundError:
            continue  # policies of other hosts are replaced at any time
        except (OSError, sqlite3.Error) as error:
            yield f"{inside} can't be read: {error}"
            continue
        entry.size = len(octets)
        tar.addfile(entry, BytesIO(octets))
