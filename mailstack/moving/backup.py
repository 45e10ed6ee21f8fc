"""A copy of a data directory as it was at one moment, while an office goes on in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from msgspec import Struct

from mailstack.catalogue.database import FILE as CATALOGUE
from mailstack.moving import CannotMove
from mailstack.moving.belongings import LINKS, belongings, copy_database
from mailstack.store.content_files import DIRECTORY as CONTENTS
from mailstack.store.content_files import is_name, path_of
from mailstack.store.schema import UNFINISHED
from mailstack.store.sqlite import DATABASE

TRIES = 10
"""Letters go at any moment, and their contents with them: how often all is looked at until nothing is missing."""
GAP = 1_000_000
"""By which uids go on in a backup: those that are given between it and its return must not be given once more."""
_NAMED = "SELECT file FROM contents WHERE file IS NOT NULL ORDER BY letter"


class Saved(Struct, frozen=True):
    """What is in a backup."""

    letters: int
    contents: int
    """Large ones, in files."""
    elsewhere: int
    """Large ones in an object store, of which only the names are in it."""
    octets: int


def back_up(directory: Path, to: IO[bytes]) -> Saved:
    """Write a tar of all that an office in SQLite has. Raises CannotMove, OSError, sqlite3.Error.

    Contents never change: a link to each keeps it for the backup, however soon the office removes it.
    """
    if not (directory / DATABASE).is_file():
        raise CannotMove(f"{directory} holds no office in SQLite: there is no {DATABASE}")
    with _place_beside(directory) as place:
        database = _moment(directory, place)
        with closing(sqlite3.connect(database)) as connection, tarfile.open(fileobj=to, mode="w|") as tar:
            (letters,) = connection.execute("SELECT count(*) FROM letters").fetchone()
            tar.add(database, DATABASE)
            contents = elsewhere = 0
            for (name,) in connection.execute(_NAMED):
                if is_name(name):
                    tar.add(path_of(place, name), str(path_of(Path(CONTENTS), name)))
                    contents += 1
                else:
                    elsewhere += 1
            _add_belongings(directory, place, tar)
            return Saved(letters, contents, elsewhere, tar.offset)


@contextmanager
def _place_beside(directory: Path) -> Iterator[Path]:
    """Where links can be made; gone afterwards. What an earlier backup left that was killed goes too."""
    for left in directory.glob(f"{LINKS}*"):
        with suppress(OSError), _locked(left):
            shutil.rmtree(left)
    place = Path(tempfile.mkdtemp(prefix=LINKS, dir=directory))
    try:
        with _locked(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Raises OSError when another backup is being written there."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _moment(directory: Path, place: Path) -> Path:
    """The database of one moment; every file that it names is linked into `place`."""
    contents, database = directory / CONTENTS, place / DATABASE
    for _ in range(TRIES):
        for file in contents.glob("*/*"):
            if is_name(file.name):
                _link(file, path_of(place, file.name))
        copy_database(directory / DATABASE, database)
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (UNFINISHED,)).fetchall():
                raise CannotMove(f"{directory} is an unfinished copy: finish it with `mailstack store copy` first")
            names = [name for (name,) in connection.execute(_NAMED) if is_name(name)]
            linked = [_link(path_of(contents, name), path_of(place, name)) for name in names]
            if all(linked):
                # In one file, without a log beside it.
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("UPDATE mailboxes SET next_uid = next_uid + ?", (GAP,))
                return database
    raise CannotMove(f"letters come and go in {directory} faster than they can be noted: try again when it is calmer")


def _link(file: Path, there: Path) -> bool:
    """Whether the content is kept for the backup."""
    if there.exists():
        return True
    there.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.link(file, there)
    except FileNotFoundError:
        return False
    return True


def _add_belongings(directory: Path, place: Path, tar: tarfile.TarFile) -> None:
    for inside in belongings(directory):
        if inside.name == CATALOGUE:
            copy_database(directory / inside, place / CATALOGUE)
            tar.add(place / CATALOGUE, str(inside))
        else:
            with suppress(FileNotFoundError):  # policies of other hosts are replaced at any time
                tar.add(directory / inside, str(inside))
