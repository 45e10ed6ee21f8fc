"""Process registration in the database: lease renewal, database time and notifications.

One thread with its own connection. It renews the process's lease (`process_leases`) four times as often as necessary, releases
the claims of expired ones, and receives notifications (NOTIFY) if the database supports them.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

import psycopg
from twisted.logger import Logger

from mailstack.protocols.log import RateLimitedLog
from mailstack.store import StoreError
from mailstack.store.batch import Transaction
from mailstack.store.postgresql import process_leases
from mailstack.store.postgresql.connection import NOW, PostgresConnection, is_collision, trouble
from mailstack.store.postgresql.database import Database
from mailstack.store.postgresql.process_leases import InDoubtTransaction, InDoubtTransactions, is_unfinished
from mailstack.store.postgresql.schema import newest
from mailstack.store.writer import CallsFromThreads

T = TypeVar("T")

CHANNEL = "mailstack"
WORK, ADDRESSES = "work", "addresses"
"""Notification payloads: deliveries or rules have changed; accounts or aliases have changed. See `change_notices` for mailboxes."""
_MAX_WAIT = 5.0
"""Maximum seconds between two readings of the database's clock."""
_ROUND_TRIP = 1.0
"""Maximum seconds of a query for the time; a slower answer is too imprecise."""

_log = Logger()


class DatabaseTime:
    """Clock of the database, from its last answer and the time since then."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead: float | None = None
        """Database time minus `monotonic` time, in seconds."""

    def now(self) -> float:
        """Seconds since 1970; this machine's clock until the first answer."""
        ahead = self._ahead
        return time.time() if ahead is None else self._monotonic() + ahead

    def update(self, connection: PostgresConnection) -> None:
        """Queries the clock; the answer counts for the middle of the query."""
        before = self._monotonic()
        ((answer,),) = connection.execute(f"SELECT {NOW}").fetchall()  # no value
        after = self._monotonic()
        if after - before <= _ROUND_TRIP or self._ahead is None:
            self._ahead = answer - (before + after) / 2


class ProcessRegistration:
    """States: created, registered (`start`), deregistered (`stop`). The lease is read in the reactor's thread."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        database: Database,
        lease: str,
        *,
        owner: str,
        seconds: float,
        on_notification: Callable[[str], None],
        delete_contents: Callable[[list[str]], None],
        held: Callable[[], Collection[str]],
        in_doubt: InDoubtTransactions,
    ) -> None:
        """`owner`: name of the claims; empty: no claims. `seconds`: duration of a lease. `on_notification` gets the notifications
        of other processes, in the reactor's thread; `delete_contents` gets large contents that are no longer needed. `held`
        returns the maildrops locked by this process. `in_doubt`: transactions with an unknown outcome, to be resolved.
        """
        self.time = DatabaseTime()
        self._reactor = reactor
        self._database = database
        self._lease_id = lease
        self._owner = owner
        self._seconds = seconds
        self._on_notification = on_notification
        self._delete_contents = delete_contents
        self._held = held
        self._in_doubt = in_doubt
        self._complaint = RateLimitedLog(logging.getLogger(__name__), time.monotonic)
        self._lease_until = 0.0
        self._since = 0.0
        self._connected_at = 0.0
        """Start of this connection, by `time.monotonic`: no other process counts as late before one lease after it."""
        self._is_duplicate = False
        """Whether another live process has the same owner name: then this one stops."""
        self._wake = -1, -1
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # --- in the reactor's thread

    def claims_valid_since(self) -> float | None:
        """Start of the unbroken lease, seconds since 1970; None if the lease may have expired."""
        return self._since if time.monotonic() < self._lease_until else None

    @property
    def is_started(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Registers the process; runs in any thread. Raises psycopg.Error, StoreError."""
        connection = self._connected()
        try:
            self._join(connection)
        except BaseException:
            connection.close()
            raise
        self._wake = os.pipe()
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name="mailstack-registration", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Deregisters the process; runs in a thread that may block."""
        if self._thread is not None:
            self._ended.set()
            os.write(self._wake[1], b".")
            self._thread.join(2 * self._database.reach.timeout)
            if not self._thread.is_alive():
                for descriptor in self._wake:
                    os.close(descriptor)
            self._thread = None

    # --- in its thread

    def _run(self, connection: PostgresConnection | None) -> None:
        pause = min(_MAX_WAIT, self._seconds / 4)
        while not self._ended.is_set() and not self._is_duplicate:
            try:
                if connection is None:
                    connection = self._connected()
                with self._database.watch.over(connection):
                    self._renew(connection)
                self._complaint.is_over()
                if not self._is_duplicate:
                    self._wait(connection, pause)
            except Exception as error:  # noqa: BLE001  # any failure: a process without a lease must not serve
                if connection is None or connection.is_lost:
                    self._complaint.error("the database can't be reached: %s", trouble(error))
                    if connection is not None:
                        connection.close()
                    connection = None
                elif not is_collision(error):
                    _log.error("the database does not take that this process lives: {why}", why=trouble(error))
                self._ended.wait(min(0.5, pause))
        self._leave(connection)

    def _connected(self) -> PostgresConnection:
        connection = self._database.connect(self.time.update)
        self._connected_at = time.monotonic()
        try:
            connection.raw.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            # A database that only speaks PostgreSQL's protocol may have no LISTEN: the server polls each second.
            if connection.is_lost:
                raise
        return connection

    def _renew(self, connection: PostgresConnection) -> None:
        self.time.update(connection)
        asked = time.monotonic()
        if self._in_transaction(connection, lambda change: process_leases.renew(change, self._lease_id, self._seconds)):
            # The database's clock was set back, or a failover went to a server that is behind: no claim was lost.
            self._since = min(self._since, self.time.now())
            self._lease_until = asked + self._seconds
        elif self._in_transaction(
            connection, lambda change: process_leases.has_duplicate(change, self._lease_id, self._owner)
        ):
            # Each would use the other's claims.
            reason = (
                f"another process has the name {self._owner}: give each node a data directory or a `node` of its own"
            )
            _log.critical("{reason}; restart this process to serve again", reason=reason)
            self._lease_until = 0.0
            self._database.give_up(StoreError(reason))
            self._is_duplicate = True
            return
        else:
            _log.warn("the lease of {owner} had expired, and other processes released its claims", owner=self._owner)
            self._join(connection)
        self._release_in_doubt(connection)
        if asked - self._connected_at > self._seconds:
            self._take_over(connection)

    def _release_in_doubt(self, connection: PostgresConnection) -> None:
        """Release the claims of transactions with an unknown outcome."""
        for entry in self._in_doubt.waiting():
            try:
                self._in_transaction(connection, partial(self._settle, entry))
            except psycopg.Error as error:
                if not is_unfinished(error):
                    raise
            else:
                self._in_doubt.is_settled(entry)
        if process_leases.may_have_strays(connection, self._lease_id, self._held):
            self._in_transaction(
                connection, lambda change: process_leases.free_strays(change, self._lease_id, self._held)
            )

    def _settle(self, entry: InDoubtTransaction, transaction: Transaction) -> None:
        self._in_doubt.settle(transaction, entry, self._owner, self.time.now())

    def _take_over(self, connection: PostgresConnection) -> None:
        late = self._in_transaction(connection, lambda change: process_leases.take_over(change, self.time.now()))
        if late:
            _log.warn("the leases of {owners} have expired; their claims were released", owners=", ".join(late))
            connection.execute("SELECT pg_notify(?, ?)", (CHANNEL, WORK))

    def _join(self, connection: PostgresConnection) -> None:
        asked, since = time.monotonic(), self.time.now()
        self._in_transaction(
            connection,
            lambda change: process_leases.join(
                change, self._lease_id, self._owner, program=newest(), seconds=self._seconds, now=self.time.now()
            ),
        )
        # In this order, so that no attempt starts with a claim from before `since`.
        self._lease_until, self._since = 0.0, since
        self._lease_until = asked + self._seconds

    def _wait(self, connection: PostgresConnection, seconds: float) -> None:
        """Waits for notifications until the lease must be renewed."""
        end = time.monotonic() + seconds
        # Not select(): a server with a thousand clients has descriptors that are too high for it.
        poller = select.poll()
        poller.register(connection.raw.fileno(), select.POLLIN)
        poller.register(self._wake[0], select.POLLIN)
        # Notifications that came with answers to statements do not make the socket readable.
        self._report_notifications(connection)
        while (left := end - time.monotonic()) > 0 and not self._ended.is_set():
            if any(descriptor != self._wake[0] for descriptor, _ in poller.poll(left * 1000)):
                self._report_notifications(connection)

    def _report_notifications(self, connection: PostgresConnection) -> None:
        for notice in connection.raw.notifies(timeout=0):
            if notice.pid != connection.raw.info.backend_pid:
                self._reactor.callFromThread(self._on_notification, notice.payload)

    def _leave(self, connection: PostgresConnection | None) -> None:
        if connection is not None:
            try:
                with self._database.watch.over(connection):
                    now = self.time.now()
                    self._in_transaction(
                        connection, lambda change: process_leases.leave(change, self._lease_id, self._owner, now)
                    )
                    if self._owner:
                        connection.execute("SELECT pg_notify(?, ?)", (CHANNEL, WORK))
            except psycopg.Error as error:
                _log.warn(
                    "could not end the lease of this process, which expires by itself: {error}", error=trouble(error)
                )
            connection.close()

    def _in_transaction(self, connection: PostgresConnection, do: Callable[[Transaction], T]) -> T:
        connection.begin()
        try:
            transaction = Transaction(connection)
            result = do(transaction)
            connection.commit()
        except BaseException:
            connection.roll_back()
            raise
        self._delete_contents(transaction.files)
        return result
