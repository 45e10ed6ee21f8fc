"""PostgreSQL writer threads: waiting changes are committed together, on one connection per thread.

When the connection is lost before COMMIT was sent, nothing was done, and the group is tried once more on another
connection. When it is lost later, the outcome is read from the database: each transaction writes its number into its
connection's row of `commits`. A read of that row on another connection waits, by its lock, until the lost transaction
has ended. So a lost answer neither loses a letter nor accepts it twice. The outcome is unknown only if the database
can't be reached within the time limit. Then the caller gets `OutcomeUnknown`, a client gets 451 and retries, and the
log says that the letter may be stored twice. Claims of that transaction are released later (`in_doubt`).
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import psycopg
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.store import OutcomeUnknown, StoreError, rows
from mailstack.store.batch import Operation, Transaction
from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.postgresql.connection import NOW, PostgresConnection, is_collision, is_late, trouble
from mailstack.store.postgresql.database import Database
from mailstack.store.postgresql.process_leases import InDoubtTransactions
from mailstack.store.writer import CallsFromThreads, Committed, Failed, Job, Writer, joined, outcome, resolve

TRIES = 8
"""Maximum tries of a transaction that conflicts with others."""
_RETRY_INTERVAL = 0.1
"""Seconds between two tries to resolve an in-doubt transaction."""

_START_COUNT = f"INSERT INTO commits (writer, number, at) VALUES (?, 0, {NOW})"  # noqa: S608  # no value
_COUNTED = "SELECT number FROM commits WHERE writer = ? FOR UPDATE"
_END_COUNT = "DELETE FROM commits WHERE writer = ?"
DELETE_OLD_COUNTS = f"DELETE FROM commits WHERE at < {NOW} - ?"  # noqa: S608  # no value

_log = Logger()


class _Lost(Exception):
    """The connection was lost before anything was committed."""


class _SoftJob(Job):
    """Change that may be lost in a crash of the database."""

    __slots__ = ()


class PostgresWriter(Writer):
    """See `mailstack.store.writer.Writer`."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        database: Database,
        *,
        prepare: Callable[[PostgresConnection], object],
        delete_contents: Callable[[list[str]], None],
        in_doubt: InDoubtTransactions,
        changes: MailboxChanges,
        group: int,
        threads: int,
    ) -> None:
        """`prepare` makes the schema on the first connection. `delete_contents` deletes large contents. `in_doubt` gets
        transactions with an unknown outcome.
        """
        super().__init__(reactor, changes=changes, group=group, threads=threads)
        self._database = database
        self._prepare = prepare
        self._delete_contents = delete_contents
        self._in_doubt = in_doubt

    def _put(self, job: Job) -> Deferred[Any]:
        """Refuse the job at once while the database can't be reached."""
        if self._open and (refusal := self._database.refusal()) is not None:
            job.deferred.errback(Failure(StoreError(str(refusal))))
            return job.deferred
        return super()._put(job)

    def do_softly(self, operation: Operation) -> Deferred[Any]:
        """Like `do`, without a flush to disk, for writes that may be lost in a crash of the database."""
        return self._put(_SoftJob(None, operation))

    def _run(self, opened: Deferred[None]) -> None:
        hand = _Hand(self._database, self._in_doubt)
        if opened.called:
            self._work(hand)
        else:
            try:
                hand.connect(self._prepare)
            except Exception as error:  # noqa: BLE001  # passed to the caller of open()
                found = trouble(error)
                self._cannot_open(opened, found)
                return
            self._reactor.callFromThread(self._opened, opened)
            self._work(hand)
        hand.close()
        self._reactor.callFromThread(self._end)

    def _opened(self, opened: Deferred[None]) -> None:
        """Starts the other threads; runs in the reactor's thread."""
        resolve([(opened, None)])
        while self._running < self._threads:
            self._start(opened)

    def _work(self, hand: _Hand) -> None:
        while (job := self._next_job()) is not None:
            group, committed = [job], Committed()
            self._gather(group)
            outcomes = _outcomes(hand, group, committed)
            self._report(group, outcomes, committed.changed)
            self._delete_contents(committed.files)
            del job, group, outcomes


def _outcomes(hand: _Hand, group: list[Job], committed: Committed) -> list[Any]:
    """One outcome for each job: in one transaction if possible, else in one each, so that only the bad job fails."""
    try:
        return hand.transact(group, committed)
    except Exception as error:  # noqa: BLE001  # passed to the caller
        if len(group) == 1 or is_late(error) or hand.connection is None or isinstance(error, OutcomeUnknown):
            return [Failed(trouble(error)) for _ in group]
    return [one for job in group for one in _outcomes(hand, [job], committed)]


class _Hand:
    """One thread's connection, and the number of its last transaction."""

    def __init__(self, database: Database, in_doubt: InDoubtTransactions) -> None:
        self._database = database
        self._in_doubt = in_doubt
        self._prepare: Callable[[PostgresConnection], object] = lambda _: None
        self.connection: PostgresConnection | None = None
        self._name = ""
        self._number = 0

    def connect(self, prepare: Callable[[PostgresConnection], object] = lambda _: None) -> PostgresConnection:
        """Existing or new connection. Raises StoreError."""
        if self.connection is None:
            connection = self._database.connect()
            try:
                prepare(connection)
                self._name, self._number = secrets.token_hex(12), 0
                with self._database.watch.over(connection):
                    connection.execute(_START_COUNT, (self._name,))
            except BaseException:
                connection.close()
                raise
            self.connection = connection
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(psycopg.Error), self._database.watch.over(self.connection):
                self.connection.execute(_END_COUNT, (self._name,))  # else it is deleted by its age
            self._drop()

    def _drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def transact(self, group: list[Job], committed: Committed) -> list[Any]:
        """Commits the jobs, and returns their outcomes."""
        lost = 0
        for attempt in range(TRIES):
            try:
                return self._once(group, committed)
            except _Lost as error:
                lost += 1
                if lost > 1:
                    cause = error.__cause__
                    assert cause is not None
                    raise cause from None
            except psycopg.Error as error:
                if not is_collision(error) or attempt == TRIES - 1:
                    raise
                time.sleep(0.001 * secrets.randbelow(1 << attempt))
        raise StoreError("the connection to the database was lost repeatedly")

    def _once(self, group: list[Job], committed: Committed) -> list[Any]:
        connection = self.connect()
        transaction = Transaction(connection)
        with self._database.watch.over(connection):
            try:
                connection.begin()
                outcomes = self._changes(connection, transaction, group)
            except BaseException as error:
                self._give_up(connection)
                if self.connection is None and isinstance(error, psycopg.Error):
                    raise _Lost from error
                raise
            lost = self._commit(connection, softly=all(isinstance(job, _SoftJob) for job in group))
        if lost is not None:
            self._resolve(group, outcomes, lost)
        committed.add(transaction)
        return outcomes

    def _commit(self, connection: PostgresConnection, *, softly: bool) -> psycopg.Error | None:
        """Error of a connection lost in COMMIT, which leaves the outcome unknown; None: committed. Raises other errors."""
        self._number += 1
        first = f"UPDATE commits SET number = {self._number}, at = {NOW} WHERE writer = '{self._name}'"  # noqa: S608  # both are ours
        try:
            connection.commit(f"SET LOCAL synchronous_commit = off; {first}" if softly else first)
        except psycopg.Error as error:
            self._give_up(connection)
            if self.connection is not None:
                raise
            return error
        return None

    def _changes(self, connection: PostgresConnection, transaction: Transaction, group: list[Job]) -> list[Any]:
        joined(group).write(transaction)
        outcomes = []
        for job in group:
            one = None if job.operation is None else outcome(job.operation, transaction)
            if isinstance(one, Failed) and connection.has_failed:
                # After a failed statement the whole transaction must be rolled back.
                raise one.error
            outcomes.append(one)
        return outcomes

    def _give_up(self, connection: PostgresConnection) -> None:
        connection.roll_back()
        if connection.is_lost:
            self._drop()

    def _resolve(self, group: list[Job], outcomes: list[Any], error: psycopg.Error) -> None:
        """Resolves a COMMIT with a lost connection. Returns if it was done; raises if not, or if unknown."""
        name, number = self._name, self._number
        end = time.monotonic() + self._database.reach.timeout
        while time.monotonic() < end:
            try:
                connection = self.connect()
                with self._database.watch.over(connection):
                    found = connection.execute(_COUNTED, (name,)).fetchall()
                    # The outcome is known; a row that stays is deleted by its age.
                    with contextlib.suppress(psycopg.Error):
                        connection.execute(_END_COUNT, (name,))
            except (psycopg.Error, StoreError):
                if self.connection is not None and self.connection.is_lost:
                    self._drop()
                time.sleep(_RETRY_INTERVAL)
                continue
            if found == [(number,)]:
                _log.warn("the database was lost in a commit, which turned out to be done: {error}", error=error)
                return
            if found:
                raise _Lost from error
            # The row of a connection idle for too long is deleted: the outcome stays unknown.
            break
        self._in_doubt.add(name, group, outcomes)
        letters = sorted({str(letter) for letter in joined(group).letters[:: len(rows.LETTER)]})
        _log.error(
            "unknown whether letters {letters} were stored; if their senders retry, they may be stored twice",
            letters=", ".join(letters) or "(none)",
        )
        raise OutcomeUnknown(f"the database was lost in a commit: {trouble(error)}") from error
