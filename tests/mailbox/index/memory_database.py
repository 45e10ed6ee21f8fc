"""Database of the index in memory, for synchronous tests."""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from mailstack.mailbox.index.database import Operation, set_up, transact
from mailstack.store import StoreError
from mailstack.store.writer import trouble

T = TypeVar("T")


class MemoryDatabase:
    """Database in memory, for a store in memory; each operation runs at once."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        set_up(self._connection)

    def read(self, operation: Operation[T]) -> Deferred[T]:
        return self._do(operation)

    def write(self, operation: Operation[T]) -> Deferred[T]:
        return self._do(lambda connection: transact(connection, operation))

    def _do(self, operation: Operation[T]) -> Deferred[T]:
        try:
            return succeed(operation(self._connection))
        except Exception as error:  # noqa: BLE001 - the caller gets it
            return fail(trouble(error))

    async def close(self) -> None:
        self._connection.close()


class FailingDatabase(MemoryDatabase):
    """Database that takes nothing while there is a trouble."""

    trouble: StoreError | None = None

    def write(self, operation: Operation[Any]) -> Deferred[Any]:
        return super().write(operation) if self.trouble is None else fail(self.trouble)
