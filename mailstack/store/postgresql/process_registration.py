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
from mailstack.store.postgresql.process_leases import InDoubtTransaction, InDoubtTransactions, has_not_ended
from mailstack.store.postgresql.schema import newest
from mailstack.store.writer import CallsFromThreads

T = TypeVar("T")

CHANNEL = "mailstack"
WORK, ADDRESSES = "work", "addresses"
"""Notification payloads: deliveries or rules have changed; accounts or aliases have changed."""
_LONGEST_WAIT = 5.0
"""Seconds between two looks at the database's clock."""
_ROUND_TRIP = 1.0
"""Seconds that a question for the time may take; after more it is not known well enough what the answer means."""

_log = Logger()


class DatabaseTime:
    """The time as the database has it, from its answer and from what has passed since."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead: float | None = None
        """Database time minus `monotonic` time, in seconds."""

    def now(self) -> float:
        """Seconds since 1970; this machine's, until the database was asked."""
        ahead = self._ahead
        return time.time() if ahead is None else self._monotonic() + ahead

    def learn(self, connection: PostgresConnection) -> None:
        """Ask. It was what it says at some moment between question and answer."""
        before = self._monotonic()
        ((said,),) = connection.execute(f"SELECT {NOW}").fetchall()  # no value
        after = self._monotonic()
        if after - before <= _ROUND_TRIP or self._ahead is None:
            self._ahead = said - (before + after) / 2


class ProcessRegistration:
    """States: created, registered (`begin`), deregistered (`end`). The lease is read in the reactor's thread."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        database: Database,
        life: str,
        *,
        owner: str,
        seconds: float,
        heard: Callable[[str], None],
        forget: Callable[[list[str]], None],
        held: Callable[[], Collection[str]],
        doubts: InDoubtTransactions,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`owner`: name of the claims; empty: no claims. `seconds`: duration of a lease. `heard` gets the notifications
        of other processes, in the reactor's thread; `forget` gets large contents that are no longer needed. `held`
        returns the maildrops locked by this process. `doubts`: transactions with an unknown outcome, to be resolved.
        """
        self.time = DatabaseTime(monotonic)
        self._reactor = reactor
        self._database = database
        self._life = life
        self._owner = owner
        self._seconds = seconds
        self._heard = heard
        self._forget = forget
        self._held = held
        self._doubts = doubts
        self._monotonic = monotonic
        self._complaint = RateLimitedLog(logging.getLogger(__name__), monotonic)
        self._sure_until = 0.0
        self._since = 0.0
        self._there_since = 0.0
        """Start of this connection, by `monotonic`: no other process counts as late before one lease after it."""
        self._is_over = False
        """Whether another process has its name, and this one is none any more."""
        self._wake = -1, -1
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # --- in the reactor's thread

    def tenure(self) -> float | None:
        """Since when it lives in the eyes of others, without a break; None when they may believe it dead by now."""
        return self._since if self._monotonic() < self._sure_until else None

    @property
    def has_begun(self) -> bool:
        return self._thread is not None

    def begin(self) -> None:
        """Registers the process; runs in any thread. Raises psycopg.Error, StoreError."""
        connection = self._connected()
        try:
            self._join(connection)
        except BaseException:
            connection.close()
            raise
        self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(connection,), name="mailstack-presence", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Deregisters the process; runs in a thread that may block."""
        if self._thread is not None:
            self._ended.set()
            os.write(self._wake[1], b".")
            self._thread.join(2 * self._database.reach.timeout)
            if not self._thread.is_alive():
                for each in self._wake:
                    os.close(each)
            self._thread = None

    # --- in its thread

    def _run(self, connection: PostgresConnection | None) -> None:
        pause = min(_LONGEST_WAIT, self._seconds / 4)
        while not self._ended.is_set() and not self._is_over:
            try:
                if connection is None:
                    connection = self._connected()
                with self._database.watch.over(connection):
                    self._attend(connection)
                self._complaint.is_over()
                if not self._is_over:
                    self._listen(connection, pause)
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
        connection = self._database.connect(self.time.learn)
        self._there_since = self._monotonic()
        try:
            connection.raw.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            # What only speaks PostgreSQL's protocol may have none: then there are looks, each second.
            if connection.is_lost:
                raise
        return connection

    def _attend(self, connection: PostgresConnection) -> None:
        self.time.learn(connection)
        asked = self._monotonic()
        if self._in_transaction(connection, lambda change: process_leases.renew(change, self._life, self._seconds)):
            # The database's clock was set back, or a failover went to a server that is behind: no claim was lost.
            self._since = min(self._since, self.time.now())
            self._sure_until = asked + self._seconds
        elif self._in_transaction(connection, lambda change: process_leases.has_twin(change, self._life, self._owner)):
            # Each would take the other's claims for its own.
            why = f"another process calls itself {self._owner}: give each node a data directory or a `node` of its own"
            _log.critical("{why}; this one serves no longer until it is started anew", why=why)
            self._sure_until = 0.0
            self._database.give_up(StoreError(why))
            self._is_over = True
            return
        else:
            _log.warn(
                "others have taken over what {owner} had claimed: it was not heard of for too long", owner=self._owner
            )
            self._join(connection)
        self._tidy(connection)
        if asked - self._there_since > self._seconds:
            self._take_over(connection)

    def _tidy(self, connection: PostgresConnection) -> None:
        """Release the claims of transactions with an unknown outcome."""
        for doubt in self._doubts.waiting():
            try:
                self._in_transaction(connection, partial(self._settle, doubt))
            except psycopg.Error as error:
                if not has_not_ended(error):
                    raise
            else:
                self._doubts.is_settled(doubt)
        if process_leases.may_have_strays(connection, self._life, self._held):
            self._in_transaction(connection, lambda change: process_leases.free_strays(change, self._life, self._held))

    def _settle(self, doubt: InDoubtTransaction, transaction: Transaction) -> None:
        self._doubts.settle(transaction, doubt, self._owner, self.time.now())

    def _take_over(self, connection: PostgresConnection) -> None:
        late = self._in_transaction(connection, lambda change: process_leases.take_over(change, self.time.now()))
        if late:
            _log.warn(
                "{owners} are not heard of any more; what they had claimed is attempted by others",
                owners=", ".join(late),
            )
            connection.execute("SELECT pg_notify(?, ?)", (CHANNEL, WORK))

    def _join(self, connection: PostgresConnection) -> None:
        asked, since = self._monotonic(), self.time.now()
        self._in_transaction(
            connection,
            lambda change: process_leases.join(
                change, self._life, self._owner, program=newest(), seconds=self._seconds, now=self.time.now()
            ),
        )
        # In this order, so that nothing is begun of which `since` does not say that it is ours.
        self._sure_until, self._since = 0.0, since
        self._sure_until = asked + self._seconds

    def _listen(self, connection: PostgresConnection, seconds: float) -> None:
        """Waits for notifications until the lease must be renewed."""
        end = time.monotonic() + seconds
        # Not select(): a server with a thousand clients has descriptors that are too high for it.
        either = select.poll()
        either.register(connection.raw.fileno(), select.POLLIN)
        either.register(self._wake[0], select.POLLIN)
        # Notifications that came with answers to statements do not make the socket readable.
        self._report_notifications(connection)
        while (left := end - time.monotonic()) > 0 and not self._ended.is_set():
            if any(descriptor != self._wake[0] for descriptor, _ in either.poll(left * 1000)):
                self._report_notifications(connection)

    def _report_notifications(self, connection: PostgresConnection) -> None:
        for notice in connection.raw.notifies(timeout=0):
            if notice.pid != connection.raw.info.backend_pid:
                self._reactor.callFromThread(self._heard, notice.payload)

    def _leave(self, connection: PostgresConnection | None) -> None:
        if connection is not None:
            try:
                with self._database.watch.over(connection):
                    now = self.time.now()
                    self._in_transaction(
                        connection, lambda change: process_leases.leave(change, self._life, self._owner, now)
                    )
                    if self._owner:
                        connection.execute("SELECT pg_notify(?, ?)", (CHANNEL, WORK))
            except psycopg.Error as error:
                _log.warn("others will miss this process for a while: {why}", why=trouble(error))
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
        self._forget(transaction.files)
        return result
