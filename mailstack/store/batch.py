"""Batched row writes: few statements for any number of accepted and settled letters.

The caller's thread makes the rows; the writing thread joins the waiting batches and executes them. Each statement
releases the interpreter's lock and has to get it back from a busy reactor, so the number of statements, not their
length, is the cost of a commit.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.store import Acceptance, Conflict, Placement, Settlement, rows, sql
from mailstack.store.connection import Connection, Cursor
from mailstack.store.outbox import OutboxSubscriptions

T = TypeVar("T")


class _Sequence:
    """Numbers that part steps of the same instant, in their order. No two processes ever give the same, nor do two lives."""

    def __init__(self) -> None:
        self.next: Callable[[], int]
        self._begin()
        # A process that was forked must not go on where its twin does.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Start value from the time, for the order, with 20 random bits below."""
        start = time.time_ns() // 1_000_000 << _OWN | secrets.randbits(_OWN)
        self.next = itertools.count(start, 1 << _OWN).__next__


_OWN = 20
GROWTH = 6
"""Values by which a mailbox grows (`sql.enlarge_mailboxes`)."""
FEW = 8
"""Mailboxes to which a group is written with one statement, of which there is another for each number of them."""
_sequence = _Sequence()


def next_in_sequence() -> int:
    """The number of the step that is written now."""
    return _sequence.next()


class Transaction:
    """A connection within a transaction, and what is to be done once that has been committed."""

    __slots__ = ("changed", "connection", "files")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.changed: set[str] = set()
        """Names of mailboxes with changed messages or flags."""
        self.files: list[str] = []
        """Large contents that no row names any longer."""

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Cursor:
        return self.connection.execute(statement, parameters)

    def insert(self, table: str, columns: tuple[str, ...], flat: list[Any]) -> None:
        """`flat`: values of all rows in one sequence. Raises Conflict if a row exists."""
        for part in pieces(flat, len(columns)):
            try:
                self.connection.execute(sql.insert(table, columns, len(part) // len(columns)), part)
            except self.connection.IntegrityError as error:
                raise Conflict(f"{table}: {error}") from error

    def hold_contents(self, letters: Sequence[LetterId]) -> set[LetterId]:
        """Lock the contents of `letters` until the transaction ends; returns those that exist."""
        there: set[LetterId] = set()
        for part in pieces(sorted(letters), 1):
            there.update(letter for (letter,) in self.execute(sql.lock_contents(len(part)), part))
        return there

    def drop_contents(self, letters: Sequence[LetterId]) -> None:
        """Delete those contents of `letters` that no delivery or mailbox needs."""
        for part in pieces(list(letters), 1):
            self.files += self.connection.drop_unneeded(part)


class Batch:
    """Rows to write, as flat lists of parameters; two batches are joined by joining their lists."""

    __slots__ = (
        "additions",
        "contents",
        "deliveries",
        "finished",
        "folders",
        "letters",
        "moves",
        "outbox",
        "placements",
        "revived",
        "steps",
        "subscriptions",
    )

    def __init__(self, subscriptions: OutboxSubscriptions | None = None) -> None:
        """`subscriptions`: subscribers to journey steps."""
        self.subscriptions = subscriptions
        self.outbox: list[Any] = []
        self.additions: list[list[Any]] = []
        self.letters: list[Any] = []
        self.contents: list[Any] = []
        self.deliveries: list[Any] = []
        self.steps: list[Any] = []
        self.moves: list[Any] = []
        self.placements: list[tuple[Any, ...]] = []
        self.folders: dict[str, str] = {}
        """Accounts of the folders that letters enter, by the mailbox of the folder."""
        self.finished: list[LetterId] = []
        """Letters with contents that may have become unneeded."""
        self.revived: list[LetterId] = []
        """Letters with contents that have become needed again."""

    def add_acceptance(
        self, acceptance: Acceptance, file: str | None, octets: bytes | None, digest: str | None = None
    ) -> None:
        """Raises StoreError for what can't be stored."""
        letter = acceptance.letter
        self.letters += rows.letter_row(letter)
        self.contents += (letter.id, file, octets, digest)
        server = letter.arrival.server
        for delivery in acceptance.deliveries:
            self.deliveries += rows.delivery_row(delivery, server)
        self.add_placements(acceptance.placements)
        self.add_steps(acceptance.steps)

    def add_settlement(self, settlement: Settlement) -> None:
        """The changes, placements and steps; each report comes by `add_acceptance`."""
        kept = {placement.delivery[0] for placement in settlement.placements}
        for change in settlement.changes:
            before, after = change.before, change.after
            until = rows.waits_until(after)
            self.moves += (
                before.letter,
                before.number,
                before.attempts,
                before.claimed_by,
                before.state.value,
                after.destination,
                after.state.value,
                after.due,
                after.attempts,
                after.claimed_by,
                after.lease,
                None if after.status is None else str(after.status),
                after.text,
                after.host,
                int(after.warned),
                after.priority,
                until,
                change.parked_for,
            )
            # What an operator removed goes when its last attempt ends, even if that attempt asks for another.
            if after.claimed_by is None and before.letter not in kept and (until is None or before.claimed_by):
                self.finished.append(before.letter)
            if until is not None and rows.waits_until(before) is None:
                self.revived.append(before.letter)
        for addition in settlement.additions:
            self.revived.append(addition.letter)
            self.additions.append(rows.delivery_row(addition, ""))
        self.add_placements(settlement.placements)
        self.add_steps(settlement.steps)

    def add_placements(self, placements: Sequence[Placement]) -> None:
        for placement in placements:
            letter, number = placement.delivery
            self.placements.append((placement.mailbox, letter, number, placement.size, placement.at, placement.headers))
            if placement.account:
                self.folders[placement.mailbox] = placement.account

    def add_steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.steps += (step.letter, next_in_sequence(), step.at, step.server, step.step, rows.as_json(step.facts))
        self.announce(steps)

    def announce(self, steps: Sequence[Step]) -> None:
        """Add outbox entries for the subscribers to these steps."""
        if self.subscriptions:
            for entry in self.subscriptions.of(steps):
                self.outbox += rows.outbox_row(entry)

    def join(self, other: Batch) -> None:
        self.letters += other.letters
        self.contents += other.contents
        self.deliveries += other.deliveries
        self.steps += other.steps
        self.outbox += other.outbox
        self.moves += other.moves
        self.additions += other.additions
        self.placements += other.placements
        self.finished += other.finished
        if other.folders:
            self.folders |= other.folders
        self.revived += other.revived

    def write(self, transaction: Transaction) -> None:
        """Raises Conflict if a new row exists already, or a changed row differs from its expected state."""
        if self.letters:
            transaction.insert("letters", rows.LETTER, self.letters)
            transaction.insert("contents", sql.CONTENT, self.contents)
            transaction.insert("deliveries", rows.DELIVERY_ROW, self.deliveries)
        if self.revived and not transaction.connection.has_one_writer:
            self._revive(transaction)
        if self.moves:
            self._move(transaction)
        if self.additions:
            self._add(transaction)
        if self.steps:
            transaction.insert("steps", rows.STEP, self.steps)
        if self.outbox:
            transaction.insert("outbox", rows.OUTBOX, self.outbox)
        if self.placements:
            # Late, since other writers wait for these mailboxes from here on. No prune removes their entries meanwhile.
            if self.folders:
                self._find_folders(transaction)
            self._place(transaction)
        if self.finished:
            transaction.drop_contents(self.finished)

    def _revive(self, transaction: Transaction) -> None:
        gone = set(self.revived) - transaction.hold_contents(self.revived)
        if gone:
            raise Conflict(f"letter {min(gone)}: content already deleted, no delivery or mailbox needed it")

    def _move(self, transaction: Transaction) -> None:
        width = len(sql.MOVE)
        for part in pieces(self.moves, width):
            count = len(part) // width
            if transaction.execute(sql.move_deliveries(count), part).rowcount != count:
                # In a group the conflicting call is unknown: each is tried again alone, and its caller gets the error.
                raise Conflict(f"letter {part[0]}: delivery changed by another process")

    def _add(self, transaction: Transaction) -> None:
        for row in self.additions:
            try:
                added = transaction.execute(sql.ADD_DELIVERY, row).rowcount
            except transaction.connection.IntegrityError as error:
                raise Conflict(f"deliveries: {error}") from error
            if added != 1:
                raise Conflict(f"letter {row[0]}: there is none to add a delivery to")

    def _find_folders(self, transaction: Transaction) -> None:
        """Change to INBOX for letters into folders that were removed meanwhile; the others are locked.

        Concurrent writers lock all mailboxes here, in the order of `_place`, so that none waits for another in a circle.
        """
        connection = transaction.connection
        names = self.folders if connection.has_one_writer else {name for name, *_ in self.placements}
        gone = {name for name in sorted(names) if not connection.hold_mailbox(name)}
        inbox = {name: account for name, account in self.folders.items() if name in gone}
        if inbox:
            self.placements = [(inbox.get(name, name), *entry) for name, *entry in self.placements]

    def _place(self, transaction: Transaction) -> None:
        # A plain dict: a Counter for each letter costs more than all else here.
        entering: dict[str, list[int]] = {}
        for name, _, _, size, at, _ in self.placements:
            if (found := entering.get(name)) is None:
                entering[name] = [max(1, int(at)), 1, size]
            else:
                found[1] += 1
                found[2] += size
        transaction.changed.update(entering)
        growth: list[Any] = []
        # Sorted by name, so that two concurrent writers can't deadlock.
        for name in sorted(entering):
            validity, count, octets = entering[name]
            growth += (name, validity, count + 1, octets, count, count)
        flat: list[Any] = []
        for name, *entry in self.placements:
            waiting = entering[name]
            flat += (name, waiting[1], *entry)
            waiting[1] -= 1
        try:
            few = len(entering) <= FEW and len(growth) + len(flat) <= sql.MAX_PARAMETERS
            if few and not transaction.connection.has_one_writer:
                # One is busy, perhaps: while its row is locked, others wait for each answer that is waited for here.
                together = sql.enlarge_and_insert_entries(len(growth) // GROWTH, len(flat) // len(sql.PLACEMENT))
                transaction.execute(together, [*growth, *flat])
                return
            for part in pieces(growth, GROWTH):
                transaction.execute(sql.enlarge_mailboxes(len(part) // GROWTH), part)
            for part in pieces(flat, len(sql.PLACEMENT)):
                transaction.execute(sql.insert_entries(len(part) // len(sql.PLACEMENT)), part)
        except transaction.connection.IntegrityError as error:
            raise Conflict(f"entries: {error}: a delivery was fulfilled already") from error


Operation = Callable[[Transaction], Any]
"""Change that is more than row writes. It raises StoreError, KeyError or FolderRefused before its first change, or never."""


class ReaderPool(Protocol):
    """Runs queries, each on a connection that nothing else uses meanwhile."""

    def do(self, job: Callable[[Connection], T], /) -> Awaitable[T]:
        """Returns the result of `job`, or raises its error."""


class WriterPool(Protocol):
    """Makes changes, each of which is durable when it is answered."""

    def write(self, batch: Batch, /) -> Awaitable[None]:
        """Raises StoreError."""

    def do(self, operation: Operation, /) -> Awaitable[Any]:
        """Returns the result of `operation`, or raises its error."""


def pieces(flat: list[Any], width: int) -> Iterator[list[Any]]:
    """The rows in `flat`, as many at a time as one statement may have parameters for."""
    step = sql.MAX_PARAMETERS // width * width
    if len(flat) <= step:
        if flat:
            yield flat
        return
    for start in range(0, len(flat), step):
        yield flat[start : start + step]
