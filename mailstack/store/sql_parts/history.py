"""History in the database: records of letters, journey steps and pruning."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from mailstack.letter import LetterId
from mailstack.letter.delivery import OWED, Delivery, DeliveryState, Step
from mailstack.store import Filter, Record, history_sql, rows, sql
from mailstack.store.batch import Batch, ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import Connection
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.sql_parts import pruning
from mailstack.store.sql_parts.contents import SqlContents

_PAGE, _PRUNED_AT_ONCE = 1000, 200
"""Maximum letters of one query, and of one deleting transaction."""


class SqlHistory:
    """See `mailstack.store.history.HistoryStore`."""

    def __init__(
        self, readers: ReaderPool, writer: WriterPool, contents: SqlContents, subscriptions: OutboxSubscriptions
    ) -> None:
        self._subscriptions = subscriptions
        self._readers = readers
        self._writer = writer
        self._contents = contents

    async def records(self, which: Filter) -> list[Record]:
        return await self._readers.do(lambda connection: self._records(connection, which))

    async def recipients_in(
        self, states: Collection[DeliveryState], limit: int
    ) -> list[tuple[LetterId, str, str | None]]:
        return await self._readers.do(lambda connection: _recipients_in(connection, states, limit)) if states else []

    async def steps(self, letter: LetterId) -> list[Step]:
        return await self._readers.do(lambda connection: _steps(connection, letter))

    async def add_steps(self, steps: Sequence[Step]) -> list[Step]:
        wanted, subscriptions = tuple(steps), self._subscriptions
        added: list[Step] = await self._writer.do(lambda transaction: _add(transaction, wanted, subscriptions))
        return added

    async def prune(self, server: str, *, before: float, keep: int | None = None) -> int:
        """Prunes in parts that a reader has found, so that no query or commit takes long."""
        deleted, start = 0, pruning.START
        while True:
            found = await self._readers.do(
                partial(pruning.prunable, server=server, before=before, after=start, limit=_PAGE)
            )
            deleted += await self._delete(found.prunable, kept_too=False)
            if found.last is None:
                break
            start = found.last
        while keep is not None:
            ids = await self._readers.do(partial(pruning.surplus, server=server, keep=keep, limit=_PAGE))
            count = await self._delete(ids, kept_too=True)
            deleted += count
            if not count:
                break
        return deleted

    async def _delete(self, letters: list[LetterId], *, kept_too: bool) -> int:
        count = 0
        for first in range(0, len(letters), _PRUNED_AT_ONCE):
            part = letters[first : first + _PRUNED_AT_ONCE]
            count += await self._writer.do(partial(pruning.delete, letters=part, kept_too=kept_too))
        return count

    def _records(self, connection: Connection, which: Filter) -> list[Record]:
        """Letters that pass the filter, the newest first."""
        if which.ids == () or which.states == frozenset():
            return []
        ids, states = which.ids or (), sorted(which.states or ())
        statement = history_sql.records(
            ids=len(ids),
            server=which.server is not None,
            sender=which.sender is not None,
            recipient=which.recipient is not None,
            since=which.since is not None,
            until=which.until is not None,
            before=which.before is not None,
            states=len(states),
            pending=OWED.issuperset(states),
        )
        single = (which.server, which.sender, which.recipient, which.recipient, which.since, which.until)
        before = which.before or ()
        parameters = [*ids, *(value for value in single if value is not None), *before, *states, which.limit]
        found = [rows.letter_from(row, self._contents.stored) for row in connection.execute(statement, parameters)]
        deliveries: dict[LetterId, list[Delivery]] = {letter.id: [] for letter in found}
        for part in pieces([letter.id for letter in found], 1):
            for row in connection.execute(sql.deliveries(len(part)), part):
                delivery = rows.delivery_from(row)
                deliveries[delivery.letter].append(delivery)
        return [Record(letter, tuple(deliveries[letter.id])) for letter in found]


def _add(transaction: Transaction, steps: Sequence[Step], subscriptions: OutboxSubscriptions) -> list[Step]:
    """See `HistoryStore.add_steps`."""
    known: set[str] = set()
    readers: set[tuple[str, object]] = set()
    for part in pieces(sorted({step.letter for step in steps}), 1):
        known.update(letter for (letter,) in transaction.execute(history_sql.letters(len(part)), part).fetchall())
    for part in pieces(sorted({step.letter for step in steps if step.step == "read"}), 1):
        found = transaction.execute(history_sql.read_steps(len(part)), part).fetchall()
        readers.update((letter, rows.facts_from(letter, facts).get("by")) for letter, facts in found)
    added = []
    for step in steps:
        if step.letter in known and (
            step.step != "read" or (reader := (step.letter, step.facts.get("by"))) not in readers
        ):
            added.append(step)
            if step.step == "read":
                readers.add(reader)
    batch = Batch(subscriptions)
    batch.add_steps(added)
    batch.write(transaction)
    return added


def _steps(connection: Connection, letter: LetterId) -> list[Step]:
    """Steps in the order in which they happened."""
    found = [rows.numbered_from(row) for row in connection.execute(history_sql.STEPS, (letter,))]
    for row in connection.execute(history_sql.COLLECTED, (letter,)):
        found += rows.collected_from(row)
    return [step for _, step in sorted(found, key=lambda each: (each[1].at, each[0]))]


def _recipients_in(
    connection: Connection, states: Collection[DeliveryState], limit: int
) -> list[tuple[LetterId, str, str | None]]:
    statement = history_sql.recipients_in(len(states), pending=OWED.issuperset(states))
    return [
        (LetterId(rows.text(letter)), rows.text(address), None if original is None else rows.text(original))
        for letter, address, original in connection.execute(statement, (*states, limit)).fetchall()
    ]
