"""SQLite store, with large contents in files or an object store."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred

from mailstack.store import StoreError, StoreFull
from mailstack.store.batch import Transaction
from mailstack.store.connection import ChangeMarker, Connection
from mailstack.store.content_files import ContentFiles
from mailstack.store.contents import LargeContents, Several
from mailstack.store.data_directory import Location, free_octets
from mailstack.store.locks import NameLocks, Turn, lock_server_file
from mailstack.store.schema import migrate, migrations
from mailstack.store.settings import DEFAULTS, StoreSettings
from mailstack.store.sql_store import SqlStore
from mailstack.store.sqlite.change_watch import SharedMark, WatchedChanges
from mailstack.store.sqlite.connection import ReadableDatabase, SqliteConnection
from mailstack.store.sqlite.writer import SqliteWriter
from mailstack.store.writer import CallsFromThreads, Workers

T = TypeVar("T")

DATABASE = "mailstack.sqlite3"
TURN = "turn"
MAILDROPS = "maildrops"
"""Files that processes lock against each other; nothing is in them. The time of the first marks when accounts were changed, that
of the second when mailboxes were."""


FILE_THREADS = 8
"""Number of file threads: they mostly wait for the disk, which is faster with several concurrent writes."""


START_SPACE = 1 << 20
"""Octets that must be free for a database to be opened: SQLite makes the index of its log, 32 KiB, and the log grows."""


class SqliteStore(SqlStore):
    """See `mailstack.store.Store`. Other processes may use the same directory at the same time.

    One thread writes, and commits together all that waits; `StoreSettings.readers` read; FILE_THREADS more write files.
    """

    _readers: Workers[Connection]
    _writer: SqliteWriter
    location: Location
    changes: WatchedChanges

    def __init__(
        self,
        reactor: CallsFromThreads,
        directory: Path,
        settings: StoreSettings = DEFAULTS,
        *,
        large: LargeContents | None = None,
        location: Location | None = None,
        read_only: bool = False,
    ) -> None:
        """`large`: storage of new large contents, closed with the store; None: files, which remain readable in any case.

        `location`: identity of the same directory, from another store of this server; None: the directory is created if
        needed. `read_only`: the store writes nothing, and the disk may be read-only.
        """
        super().__init__(settings)
        self._directory = directory
        self.location = location or Location(directory / DATABASE, directory / "contents")
        self._read_only = read_only
        self._database: ReadableDatabase | None = None
        """Open where nothing is written."""
        readers = Workers(
            reactor,
            "mailstack-reader",
            settings.readers,
            start=lambda: self._connect(_only_read),
            stop=lambda connection: connection.close(),
        )
        self._file_threads = Workers(reactor, "mailstack-file", FILE_THREADS, start=lambda: None, stop=lambda _: None)
        self._local = ContentFiles(directory / "contents", self._in_file_thread)
        self._large = self._local if large is None else Several(large, self._local)
        self._turn = Turn(directory / TURN, settings.busy_timeout)
        mark = SharedMark(directory / MAILDROPS)
        self.changes = WatchedChanges(reactor, mark)
        writer = SqliteWriter(
            reactor,
            connect=lambda: self._connect(self._set_up_writer),
            location=self.location,
            turn=self._turn,
            delete_contents=self._large.delete,
            changes=self.changes,
            mark=mark if settings.notifies_others else None,
            group=settings.group,
        )
        self._locks = FileMaildropLocks(directory / MAILDROPS)
        self._build(readers, writer, self._large, self._locks, ChangeMarker(directory / TURN))
        self._lock: int | None = None

    # --- the directory

    async def open(self) -> None:
        if self._read_only:
            await self._in_file_thread(self._open_for_reading)
            return
        await self._in_file_thread(self._open_directory)
        try:
            await self._writer.open()
        except StoreFull as error:
            free = free_octets(self._directory)
            cure = f"{free} octets are free on the disk; make room for {START_SPACE >> 20} MiB, and start again"
            raise StoreFull(f"{self._directory / DATABASE}: {error}: {cure}") from error
        except StoreError as error:
            raise type(error)(f"{self._directory / DATABASE}: {error}") from error
        await self.contents.sweep_part(self._local)

    async def close(self) -> None:
        """The writer after those that read: the last connection to go empties the write-ahead log."""
        self.changes.close()
        await self._readers.close()
        await self._writer.close()
        await self._large.close()
        await self._file_threads.close()
        self._local.release()
        self._locks.close()
        if self._database is not None:
            self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock_server(self) -> None:
        """Be the one process that serves from here, until `close`. Raises StoreError when another one does."""
        self._make_directory()
        self.location.remember()
        self._lock = lock_server_file(self._directory / "lock")

    def claims_valid_since(self) -> float | None:
        return 0.0

    def on_external_change(self, callback: Callable[[], None]) -> None:
        """Ignored: SQLite has no notifications."""

    def _open_directory(self) -> None:
        """Creates no directory that existed before: an empty one would hide a moved one."""
        if not self.location.is_known:
            self._make_directory()
            self.location.remember()
        self.location.check()
        self._local.open()
        self._locks.open()
        self.location.check()

    def _open_for_reading(self) -> None:
        self._database = ReadableDatabase(self._directory / DATABASE)
        with contextlib.suppress(FileNotFoundError):  # of each letter that had a file there it is told
            self._local.open()

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / "contents").mkdir(mode=0o700, exist_ok=True)
        # Letters and password hashes stay private, also where the directory is open to other users.
        for name in (DATABASE, TURN, MAILDROPS):
            os.close(os.open(self._directory / name, os.O_RDWR | os.O_CREAT, 0o600))

    def _connect(self, set_up: Callable[[SqliteConnection], object]) -> SqliteConnection:
        """A connection that `set_up` makes fit for its thread; closed again if that fails."""
        if self._database is not None:
            return self._database.connect(
                timeout=self._settings.busy_timeout, cached_statements=256, factory=SqliteConnection
            )  # type: ignore[return-value]
        self.location.check()
        connection = sqlite3.connect(
            # Never makes a database, as it would where the directory was moved away.
            f"{(self._directory / DATABASE).absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._settings.busy_timeout,
            isolation_level=None,
            cached_statements=256,
            factory=SqliteConnection,
        )
        try:
            self.location.check()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA temp_store = MEMORY")
            set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up_writer(self, connection: SqliteConnection) -> None:
        # SQLite has no wait for this statement: of two processes that create a database at once, the second would fail.
        with self._turn.acquired():
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        migrate(connection, migrations())
        if (pages := self._settings.max_pages) is not None:
            connection.execute(f"PRAGMA max_page_count = {int(pages)}")

    def _in_file_thread(self, do: Callable[[], T]) -> Deferred[T]:
        return self._file_threads.do(lambda _: do())


class FileMaildropLocks:
    """See `mailstack.store.sql_parts.mailboxes.MaildropLocks`. Each lock is an octet of a locked file."""

    def __init__(self, path: Path) -> None:
        self._names = NameLocks(path)

    def open(self) -> None:
        """Opens the file, and creates it if needed. Raises OSError."""
        self._names.open()

    def close(self) -> None:
        """Releases all locks."""
        self._names.close()

    async def acquire(self, mailbox: str) -> bool:
        return self._names.acquire(mailbox)

    async def release(self, mailbox: str) -> None:
        self._names.release(mailbox)

    def is_held(self, _transaction: Transaction, _mailbox: str) -> bool:
        """True: only this process can release the lock."""
        return True


def _only_read(connection: SqliteConnection) -> None:
    connection.execute("PRAGMA query_only = TRUE")
