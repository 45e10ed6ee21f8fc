"""Which letters of the archive people have deleted, for programs that read the archive without a catalogue."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mailstack.catalogue.database import FILE, PATIENCE
from mailstack.store.sqlite_reading import ReadableDatabase


def hidden_numbers(directory: Path) -> frozenset[int]:
    """Their numbers, for as long as they can be brought back; none where there is no catalogue, or one that can't be read."""
    file = directory / FILE
    if not file.exists():
        return frozenset()
    try:
        with closing(ReadableDatabase(file)) as database, closing(database.connect(timeout=PATIENCE)) as connection:
            return frozenset(
                int(number) for (number,) in connection.execute("SELECT number FROM letters WHERE deleted IS NOT NULL")
            )
    except (sqlite3.Error, OSError):
        return frozenset()
