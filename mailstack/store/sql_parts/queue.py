"""Queue in the database: acceptance, claims and settlement of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailstack.letter import LetterId
from mailstack.letter.delivery import Delivery
from mailstack.store import (
    Acceptance,
    Claim,
    ParkingSlot,
    Settlement,
    no_slot,
    rows,
    sql,
)
from mailstack.store.archive import with_archive_entry
from mailstack.store.batch import Batch, ReaderPool, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.sql_parts import claims
from mailstack.store.sql_parts.contents import SqlContents

_log = Logger()


class SqlQueue:
    """See `mailstack.store.queue.QueueStore`."""

    def __init__(
        self,
        readers: ReaderPool,
        writer: WriterPool,
        contents: SqlContents,
        subscriptions: OutboxSubscriptions,
        *,
        archiving: bool = False,
    ) -> None:
        """`archiving`: each accepted letter also gets an entry in the archive (`mailstack.store.archive`)."""
        self._readers = readers
        self._writer = writer
        self._contents = contents
        self._subscriptions = subscriptions
        self._archiving = archiving

    async def accept(self, acceptance: Acceptance) -> None:
        await self._write(Batch(self._subscriptions), (acceptance,))

    async def settle(self, settlement: Settlement) -> None:
        batch = Batch(self._subscriptions)
        batch.add_settlement(settlement)
        await self._write(batch, settlement.acceptances)

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        try:
            batch = Batch(self._subscriptions)
            for settlement in settlements:
                batch.add_settlement(settlement)
            await self._write(batch, [each for settlement in settlements for each in settlement.acceptances])
        except Exception as error:  # noqa: BLE001  # passed to the caller
            if len(settlements) == 1:
                return [error]
        else:
            return [None] * len(settlements)
        # One settlement failed. Each is tried alone, all at once, so that the writer groups the valid ones.
        settled = [Deferred.fromCoroutine(self.settle(settlement)) for settlement in settlements]
        return [await _error_of(one) for one in settled]

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        if self._archiving:
            acceptances = [with_archive_entry(acceptance) for acceptance in acceptances]
        await self._contents.write_with(batch, acceptances, lambda: self._writer.write(batch))

    async def recover(self, owners: Sequence[str], now: float) -> int:
        dead = tuple(owners)
        count: int = await self._writer.do(lambda transaction: claims.recover(transaction, dead, now))
        return count

    async def claim(
        self,
        server: str,
        owner: str,
        now: float,
        *,
        limit: int,
        lease: float,
        next_due: Callable[[Delivery, float], float],
        parked_for: str | None = None,
        slot: Callable[[str], ParkingSlot | None] = no_slot,
    ) -> list[Claim]:
        request = claims.ClaimRequest(server, owner, now, limit, lease, next_due, parked_for, slot)
        batch = self._contents.read_ahead()
        claimed: claims.Claimed = await self._writer.do(lambda change: claims.claim(change, request, batch.content))
        for damage in claimed.damaged:
            _log.error("a delivery is held, since it can't be read: {damage}", damage=damage)
        return claimed.claims

    async def next_due(self, server: str) -> float | None:
        return await self._readers.do(lambda connection: _next_due(connection, server))

    async def parked_destinations(self, server: str, limit: int) -> list[str]:
        found = await self._readers.do(
            lambda connection: list(connection.execute(sql.PARKED_DESTINATIONS, (server, server, limit)))
        )
        return [rows.text(key) for (key,) in found]

    async def parked_deliveries(self, letter: LetterId) -> dict[int, str]:
        found = await self._readers.do(lambda connection: list(connection.execute(sql.PARKED_DELIVERIES, (letter,))))
        return {rows.number(number): rows.text(key) for number, key in found}

    async def pending_count(self) -> int:
        ((count,),) = await self._readers.do(lambda connection: list(connection.execute(sql.PENDING_COUNT)))
        return int(count)


def _next_due(connection: Connection, server: str) -> float | None:
    found = connection.execute(sql.NEXT_DUE, (server, rows.FAR)).fetchall()
    times = [due for _, due in found if due is not None]
    return rows.checked("deliveries", server, lambda: min(map(float, times))) if times else None


async def _error_of(settled: Deferred[None]) -> Exception | None:
    try:
        await settled
    except Exception as error:  # noqa: BLE001  # passed to the caller
        return error
    return None
