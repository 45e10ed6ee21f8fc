"""Data files beside the store: keys, certificates, cached policies of other hosts, the index."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mailstack.mailbox.index.database import FILE as INDEX
from mailstack.store.content_files import DIRECTORY as CONTENTS
from mailstack.store.sqlite import DATABASE, MAILDROPS, TURN
from mailstack.store.sqlite_reading import ReadableDatabase

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
        there = target / inside
        if there.exists():
            continue
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = there.with_name(f"{there.name}.part")
        if inside.name == INDEX:
            copy_database(source / inside, part)
        else:
            shutil.copy2(source / inside, part)
        part.replace(there)
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
