"""SQLite writer thread: all waiting changes go into one transaction (group commit)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from mailstack.store import StoreError
from mailstack.store.batch import Transaction
from mailstack.store.data_directory import Location
from mailstack.store.locks import Turn
from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.sqlite.change_watch import SharedMark
from mailstack.store.sqlite.connection import SqliteConnection
from mailstack.store.writer import (
    CallsFromThreads,
    Committed,
    Failed,
    Job,
    Writer,
    at_end_of_turn,
    joined,
    outcome,
    resolve,
    trouble,
)


class SqliteWriter(Writer):
    """Processes take turns, so that none of them has to poll. Nothing is committed to a database that was moved away."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        *,
        connect: Callable[[], SqliteConnection],
        location: Location,
        turn: Turn,
        delete_contents: Callable[[list[str]], None],
        changes: MailboxChanges,
        mark: SharedMark | None,
        group: int,
    ) -> None:
        """`group`: maximum jobs in one transaction. `mark` notifies other processes of changed mailboxes; None: there are
        none. `delete_contents` removes large contents that no row names any longer.
        """
        super().__init__(reactor, changes=changes, group=group)
        self._connect = connect
        self._mark = mark
        self._location = location
        self._turn = turn
        self._delete_contents = delete_contents
        self._at_end_of_turn = at_end_of_turn(reactor)
        self._gathered: list[Job] = []
        """The jobs of this turn of the reactor."""

    def close(self) -> Deferred[None]:
        self._hand_over_gathered()
        return super().close()

    def _hand_over(self, job: Job) -> None:
        """Hands the jobs over at the end of the reactor's turn.

        Earlier, the thread would start with the first of several letters, and compete for the interpreter's lock.
        """
        self._gathered.append(job)
        if len(self._gathered) == 1:
            self._at_end_of_turn(self._hand_over_gathered)

    def _hand_over_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        for job in gathered:
            self._jobs.put(job)

    def _refuse(self) -> None:
        self._hand_over_gathered()
        super()._refuse()

    def _run(self, opened: Deferred[None]) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001  # passed to the caller of open()
            self._cannot_open(opened, error)
            return
        self._reactor.callFromThread(resolve, [(opened, None)])
        while (job := self._next_job()) is not None:
            group, committed = [job], Committed()
            outcomes = self._in_turn(connection, group, committed)
            self._report(group, outcomes, committed.changed)
            self._delete_contents(committed.files)
            del job, group, outcomes
        connection.close()
        self._reactor.callFromThread(self._end)

    def _in_turn(self, connection: SqliteConnection, group: list[Job], committed: Committed) -> list[Any]:
        """One outcome for each job of the group, which gets all that waits by the time it is our turn."""
        try:
            self._location.check()
            with self._turn.acquired():
                self._location.check()
                self._gather(group)
                outcomes = self._commit(connection, group, committed)
                if committed.changed and self._mark is not None:
                    self._mark.set()
                return outcomes
        except (StoreError, OSError) as error:
            return [Failed(trouble(error)) for _ in group]

    def _commit(self, connection: SqliteConnection, group: list[Job], committed: Committed) -> list[Any]:
        """One outcome for each job: together if that can be, else each alone, so that only the bad one fails."""
        try:
            return self._transact(connection, group, committed)
        except Exception as error:  # noqa: BLE001  # passed to the caller
            if len(group) == 1 or _is_busy(error):
                return [Failed(trouble(error)) for _ in group]
        outcomes = []
        for job in group:
            try:
                outcomes += self._transact(connection, [job], committed)
            except Exception as error:  # noqa: BLE001  # passed to the caller
                outcomes.append(Failed(trouble(error)))
        return outcomes

    def _transact(self, connection: SqliteConnection, group: list[Job], committed: Committed) -> list[Any]:
        transaction = Transaction(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            joined(group).write(transaction)
            outcomes = [None if job.operation is None else outcome(job.operation, transaction) for job in group]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        committed.add(transaction)
        return outcomes


def _is_busy(error: BaseException) -> bool:
    """Whether another process kept us waiting: then each alone would only wait as long again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.Error) and code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
