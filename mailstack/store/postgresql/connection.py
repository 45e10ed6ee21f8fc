"""PostgreSQL connection: statements in its own SQL, and errors of psycopg."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from mailstack.letter import LetterId
from mailstack.store import StoreError, StoreFull, imap_sql, sql
from mailstack.store.contents import is_intact
from mailstack.store.writer import trouble as trouble_of_system

_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_TYPE = re.compile(r"\b(INTEGER|REAL|BLOB|TEXT)\b(?! COLLATE)")
_COMMENT = re.compile(r"--[^\n]*")


@lru_cache(maxsize=8192)
def translated(statement: str) -> str:
    """Statement with `?` parameters in the syntax of psycopg."""
    return statement.replace("%", "%%").replace("?", "%s").replace(" AS BLOB)", " AS BYTEA)")


def definitions(script: str) -> str:
    """A migration that is written for SQLite. A REAL here has half the digits, and a sort order of texts a language."""
    return _TYPE.sub(lambda found: _TYPES[found[1]], _COMMENT.sub("", script)).replace(" WITHOUT ROWID", "")


NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"
"""The database's clock, in seconds since 1970."""

_LISTING = """SELECT string_agg(uid || ' ' || size || ' ' || letter, chr(10) ORDER BY uid), max(uid)
    FROM (SELECT uid, size, letter FROM entries WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?) AS listed"""

_TAKE_OUT = f"DELETE FROM entries WHERE mailbox = ? AND uid = ANY(?) RETURNING {', '.join(imap_sql.TAKEN)}"  # noqa: S608  # our own names

_SMALL_LETTERS = """SELECT e.uid, e.headers, c.octets, c.digest FROM mailboxes AS m
    JOIN entries AS e ON e.mailbox = m.id JOIN contents AS c ON c.letter = e.letter
    WHERE m.name = ? AND e.uid = ANY(?) AND length(e.headers) + length(c.octets) = e.size"""


class PostgresConnection:
    """See `mailstack.store.connection.Connection`. Each statement by itself is a transaction, but after `begin`."""

    IntegrityError: ClassVar[type[Exception]] = psycopg.IntegrityError
    has_one_writer = False

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """`connection` is in autocommit mode."""
        # One type for every number, so that a statement is prepared once and not for each size of them.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        self.raw = connection

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        try:
            return self.raw.cursor(binary=True).execute(translated(statement), parameters)
        except psycopg.errors.ReadOnlySqlTransaction:
            # This server serves no longer: it has handed over to another one, which the next connection finds.
            self.close()
            raise

    def fetch(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:  # noqa: ARG002  # others need them
        return self.execute(statement, parameters).fetchall()

    def fetch_free(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:  # noqa: ARG002
        return self.execute(f"{statement} FOR UPDATE SKIP LOCKED", parameters).fetchall()

    def hold_mailbox(self, name: str) -> list[Any]:
        return self.execute(f"{imap_sql.HELD} FOR UPDATE", (name,)).fetchall()

    def uncollected(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        statement = f"{sql.uncollected(len(uids))} ORDER BY d.letter, d.number FOR UPDATE OF d"
        return self.execute(statement, (mailbox, *uids)).fetchall()

    def take_out(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        return self.execute(_TAKE_OUT, (mailbox, list(uids))).fetchall()

    def drop_unneeded(self, letters: Sequence[LetterId]) -> list[str]:
        # Two transactions may end the last two deliveries at once: the second to get the rows' lock is the last.
        self.execute(sql.lock_contents(len(letters)), sorted(letters)).fetchall()
        found = self.execute(f"{sql.drop_contents(len(letters))} RETURNING file", letters).fetchall()
        return [file for (file,) in found if file is not None]

    def listing(self, mailbox: int, after: int, limit: int) -> tuple[str | None, int | None]:
        found: tuple[str | None, int | None] = self.execute(_LISTING, (mailbox, after, limit)).fetchall()[0]
        return found

    def small_contents(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        found = self.execute(_small_contents(len(letters)), letters).fetchall()
        return {letter: octets for letter, octets, digest in found if is_intact(octets, digest)}

    def small_letters(self, mailbox: str, uids: Sequence[int]) -> dict[int, bytes]:
        found = self.execute(_SMALL_LETTERS, (mailbox, list(uids))).fetchall()
        return {uid: headers + octets for uid, headers, octets, digest in found if is_intact(octets, digest)}

    # --- transactions

    def begin(self) -> None:
        self.raw.execute("BEGIN")

    def commit(self, last: str = "") -> None:
        """`last` is one more statement, or several, on the same way. Raises psycopg.Error; if the connection is lost with
        it, whether it was done is not known.
        """
        self.raw.execute(f"{last}; COMMIT".encode() if last else b"COMMIT")

    def roll_back(self) -> None:
        """Rolls back if the connection still permits it."""
        with contextlib.suppress(psycopg.Error):
            if not self.is_idle:
                self.raw.execute("ROLLBACK")

    @property
    def is_idle(self) -> bool:
        """Whether it is in no transaction."""
        return self.raw.info.transaction_status is TransactionStatus.IDLE

    @property
    def has_failed(self) -> bool:
        """Whether the transaction can only be rolled back."""
        return self.raw.info.transaction_status is TransactionStatus.INERROR

    @property
    def is_lost(self) -> bool:
        return self.raw.broken or self.raw.closed

    def cut(self) -> None:
        """Shut the connection down from another thread: a pending query fails at once."""
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.raw.fileno())) as other:
            other.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self.raw.close()


@lru_cache(maxsize=128)
def _small_contents(count: int) -> str:
    return (
        f"SELECT letter, octets, digest FROM contents WHERE letter IN {sql.placeholders(count)} AND octets IS NOT NULL"  # noqa: S608  # question marks
    )


_FULL = {"53100"}
_COLLISIONS = {"40001", "40P01"}
"""Serialization failure and deadlock: the same once more is likely to work."""
_LATE = {"57014", "55P03", "25P03", "25P04"}
"""A statement, a lock or a transaction took longer than it may."""


def code_of(error: BaseException) -> str:
    """The SQLSTATE, or an empty text."""
    return (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""


def is_collision(error: BaseException) -> bool:
    """Whether a concurrent transaction caused the error, so that a retry may succeed."""
    return code_of(error) in _COLLISIONS


def is_late(error: BaseException) -> bool:
    """Whether the database is too busy: then each of a group alone would only wait as long again."""
    return code_of(error) in _LATE


def trouble(error: BaseException) -> BaseException:
    """Like `mailstack.store.writer.trouble`, without passwords from messages of the database or driver."""
    if isinstance(error, psycopg.Error):
        code = code_of(error)
        kind = StoreFull if code in _FULL else StoreError
        said = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
        return kind(f"the database says: {said[:500]}" + (f" ({code})" if code else ""))
    if isinstance(error, UnicodeError):
        return StoreError(f"a value can't be stored: {error}")
    return trouble_of_system(error)
