"""Keeps how many letters there are, of all and of each holder, right whatever happens to some of them.

Counted are those that change, before and after, by two statements however many they are: triggers would be called for
each of them.
"""

# no text is made of anything but our own names

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

_OF_ALL = """UPDATE counts SET total = total + {sign} * (SELECT count(*) FROM {seen}),
    unread = unread + {sign} * (SELECT coalesce(sum(letters.unread), 0) FROM {seen}) WHERE mailbox = ''"""
_SEEN = "letters WHERE number IN (SELECT value FROM json_each(:given)) AND deleted IS NULL"
_OF_HOLDERS = """INSERT INTO counts (mailbox, is_sender, total, unread)
    SELECT mailbox, is_sender, {sign} * count(*), {sign} * sum(letters.unread)
    FROM holders JOIN letters ON letters.number = holders.number
    WHERE holders.number IN (SELECT value FROM json_each(:given)) AND hidden IS NULL AND deleted IS NULL
    GROUP BY mailbox, is_sender
    ON CONFLICT (mailbox, is_sender) DO UPDATE SET total = total + excluded.total, unread = unread + excluded.unread"""
_NOTHING = "DELETE FROM counts WHERE total <= 0 AND mailbox <> ''"


@contextmanager
def counted(connection: sqlite3.Connection, given: str) -> Iterator[None]:
    """What is changed of letters within the block is counted; `given` are their numbers, in JSON."""
    _count(connection, given, "-1")
    yield
    _count(connection, given, "+1")
    connection.execute(_NOTHING)


def _count(connection: sqlite3.Connection, given: str, sign: str) -> None:
    connection.execute(_OF_ALL.format(sign=sign, seen=_SEEN), {"given": given})
    connection.execute(_OF_HOLDERS.format(sign=sign), {"given": given})
