"""Large contents in database rows, written and read in pieces."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial

from twisted.logger import Logger

from mailstack.letter.letter import CHUNK
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.store import Damaged, sql
from mailstack.store.batch import pieces as slices
from mailstack.store.contents import AHEAD, AT_ONCE, Kept, Named, Verification, new_digest
from mailstack.store.postgresql.connection import NOW, PostgresConnection
from mailstack.store.postgresql.database import Connections
from mailstack.store.writer import CallsFromThreads

PIECE = 2 * AHEAD
"""Octets of a row at most: more than is gathered, so that a row is what was gathered."""

_NAME = re.compile(r"rows/[0-9a-f]{32}\Z")

_TOUCH = f"""INSERT INTO large_contents (name, at) VALUES (?, {NOW})
    ON CONFLICT (name) DO UPDATE SET at = excluded.at"""  # noqa: S608  # no value
_ADD = "INSERT INTO pieces (name, number, octets) VALUES (?, ?, ?)"
_PIECE = "SELECT octets FROM pieces WHERE name = ? AND number = ?"
_OLD = f"SELECT name FROM large_contents WHERE at <= {NOW} - ? AND name > ? ORDER BY name LIMIT ?"  # noqa: S608  # no value

_log = Logger()


class ContentRows:
    """See `mailstack.store.contents.LargeContents`."""

    writable = True

    def __init__(self, reactor: CallsFromThreads, threads: Connections) -> None:
        self._reactor = reactor
        self.threads = threads
        self.room = MemoryBudget()

    def owns(self, name: str) -> bool:
        return _NAME.match(name) is not None

    def draft(self) -> RowsDraft:
        return RowsDraft(self)

    async def chunks(self, name: str, size: int, digest: str | None = None) -> AsyncIterator[bytes]:
        verification, number = Verification(f"table pieces, {name!r}", size, digest), 0
        while verification.left:
            octets = await self.threads.do(
                partial(_verified, name=name, number=number, verification=verification), once_more=True
            )
            number += 1
            for start in range(0, len(octets), CHUNK):
                yield octets[start : start + CHUNK]

    async def verify(self, name: str, size: int, digest: str | None = None) -> None:
        """Does nothing: a content in the database is not read twice."""

    def delete(self, names: Iterable[str]) -> None:
        if known := [name for name in names if self.owns(name)]:
            self._reactor.callFromThread(self._delete, known)

    def _delete(self, names: list[str]) -> None:
        self.threads.do(partial(remove, names=names)).addErrback(
            lambda failure: _log.warn("{names} stay for the sweep: {why}", names=names, why=failure.getErrorMessage())
        )

    async def sweep(self, age: float, named: Named) -> int:
        count, last = 0, ""
        while old := await self.threads.do(partial(_old, age=age, after=last)):
            orphans = set(old) - await named(old)
            await self.threads.do(partial(remove, names=sorted(orphans)))
            count, last = count + len(orphans), old[-1]
        return count

    async def close(self) -> None:
        await self.threads.close()


class RowsDraft:
    """A content that is being written."""

    def __init__(self, rows: ContentRows) -> None:
        self._rows = rows
        self._name = ""
        self._number = 0
        self._digest = new_digest()

    async def append(self, pieces: list[bytes]) -> None:
        octets = b"".join(pieces)
        if octets:
            self._name = self._name or f"rows/{secrets.token_hex(16)}"
            first, self._number = self._number, self._number + -(-len(octets) // PIECE)
            await self._rows.threads.do(partial(self._add, first=first, octets=octets))

    async def finish(self, pieces: list[bytes]) -> Kept:
        await self.append(pieces)
        return Kept(self._name, self._digest.hexdigest())

    async def discard(self) -> None:
        if self._name:
            await self._rows.threads.do(partial(remove, names=[self._name]))

    def _add(self, connection: PostgresConnection, first: int, octets: bytes) -> None:
        add(connection, self._name, first, octets)
        self._digest.update(octets)


def add(connection: PostgresConnection, name: str, first: int, octets: bytes) -> None:
    """Written once more after a lost connection, a piece would be there already: then all of it is refused."""
    connection.begin()
    try:
        connection.execute(_TOUCH, (name,))
        for number, start in enumerate(range(0, len(octets), PIECE), first):
            connection.execute(_ADD, (name, number, octets[start : start + PIECE]))
        connection.commit()
    except BaseException:
        connection.roll_back()
        raise


def piece(connection: PostgresConnection, name: str, number: int) -> bytes:
    found = connection.execute(_PIECE, (name, number)).fetchall()
    if not found:
        raise Damaged(f"table pieces, {name!r}: piece {number} is missing")
    octets: bytes = found[0][0]
    return octets


def _verified(connection: PostgresConnection, name: str, number: int, verification: Verification) -> bytes:
    return verification.feed(piece(connection, name, number))


def remove(connection: PostgresConnection, names: Sequence[str]) -> None:
    for part in slices(list(names), 1):
        for table in ("pieces", "large_contents"):
            connection.execute(f"DELETE FROM {table} WHERE name IN {sql.placeholders(len(part))}", part)  # noqa: S608  # our own names


def _old(connection: PostgresConnection, age: float, after: str) -> list[str]:
    return [name for (name,) in connection.execute(_OLD, (age, after, AT_ONCE))]
