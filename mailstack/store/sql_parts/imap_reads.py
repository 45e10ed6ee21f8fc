"""IMAP queries of mailboxes: counters, messages and removals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailstack.letter import LetterId
from mailstack.store import imap_sql, rows
from mailstack.store.batch import pieces
from mailstack.store.connection import Connection
from mailstack.store.mailboxes import MAX_KEYWORDS, Flags, LetterEntry, MailboxMessage, MailboxStatus, Removals
from mailstack.store.sql_parts.removals import LOGGED
from mailstack.store.uid_ranges import merged, parse_ranges

_ALL = (1 << MAX_KEYWORDS) - 1
_MESSAGE_TYPES: tuple[set[type], ...] = ({int}, {int}, {str}, {int}, {int}, {int}, {float, int}, {float, int})


def unsigned(keywords: int) -> int:
    """Keywords as bits from their signed column."""
    return keywords & _ALL


def signed(keywords: int) -> int:
    """Column value of keywords: databases have signed integers of 64 bits."""
    keywords &= _ALL
    return keywords - (1 << MAX_KEYWORDS) if keywords >> (MAX_KEYWORDS - 1) else keywords


def statuses(connection: Connection, names: Sequence[str]) -> dict[str, MailboxStatus]:
    """Counters and keywords of those mailboxes that exist."""
    found: dict[str, MailboxStatus] = {}
    for part in pieces(list(dict.fromkeys(names)), 1):
        keywords: dict[str, list[str]] = {}
        for mailbox, _, keyword in connection.fetch(imap_sql.keywords_of(len(part)), imap_sql.KEYWORDS, part):
            keywords.setdefault(mailbox, []).append(keyword)
        for row in connection.fetch(imap_sql.statuses(len(part)), imap_sql.STATUS, part):
            name, *numbers = row
            found[name] = rows.checked("mailboxes", name, lambda: _status(numbers, keywords.get(name, [])))  # noqa: B023  # called at once
    return found


def _status(numbers: Sequence[object], keywords: Sequence[str]) -> MailboxStatus:
    validity, next_uid, messages, unseen, deleted, octets, modseq, recent_from = map(rows.number, numbers)
    return MailboxStatus(validity, next_uid, messages, unseen, deleted, octets, modseq, tuple(keywords), recent_from)


def entries_of(connection: Connection, letters: Sequence[LetterId]) -> list[LetterEntry]:
    """See `MailboxStore.entries_of`."""
    found: list[LetterEntry] = []
    for part in pieces(list(dict.fromkeys(letters)), 1):
        columns = ("letter", "mailbox", "uid", "flags")
        found += [LetterEntry(*row) for row in connection.fetch(imap_sql.entries_of(len(part)), columns, part)]
    return sorted(found, key=lambda each: (each.mailbox, each.uid))


def positions(connection: Connection) -> dict[str, tuple[int, int]]:
    """See `MailboxStore.positions`."""
    found = connection.execute(imap_sql.POSITIONS, ()).fetchall()
    return rows.checked(
        "mailboxes", "modseq", lambda: {rows.text(name): (rows.number(a), rows.number(b)) for name, a, b in found}
    )


def recent_counts(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """See `MailboxStore.recent_counts`."""
    found: dict[str, int] = {}
    for part in pieces(list(dict.fromkeys(names)), 1):
        found.update(connection.fetch(imap_sql.recent_counts(len(part)), ("mailbox", "recent"), part))
    return found


def messages(connection: Connection, name: str, after: int, changed_since: int, limit: int) -> list[MailboxMessage]:
    """The first messages after a uid that have changed since a mod-sequence; 0: all."""
    history = _history(connection, name)
    if history is None:
        return []
    mailbox, _, known_from = history
    if changed_since < known_from:
        changed_since = 0
    if changed_since:
        ((changed,),) = connection.execute(imap_sql.ARE_MANY_CHANGED, (mailbox, changed_since)).fetchall()
        statement = imap_sql.FEW_CHANGED_MESSAGES if changed < imap_sql.FEW_CHANGED else imap_sql.CHANGED_MESSAGES
        found = connection.fetch(statement, imap_sql.MESSAGE, (mailbox, changed_since, after, limit))
    else:
        found = connection.fetch(imap_sql.MESSAGES, imap_sql.MESSAGE, (mailbox, after, limit))
    return rows.checked("entries", name, lambda: messages_from(found))


def letters_of(connection: Connection, name: str, uids: Sequence[int]) -> list[LetterId]:
    """See `MailboxStore.letters_of`."""
    history = _history(connection, name)
    if history is None:
        return []
    columns, found = ("uid", "letter"), []
    for part in pieces(sorted(set(uids)), 1):
        found += connection.fetch(imap_sql.entries_at(columns, len(part)), columns, (history[0], *part))
    return rows.checked("entries", name, lambda: [LetterId(rows.text(letter)) for _, letter in found])


def messages_from(found: Sequence[Sequence[Any]]) -> list[MailboxMessage]:
    """Messages from rows of `imap_sql.MESSAGE`. Types are checked by column, which costs a third of checks by value."""
    for types, column in zip(_MESSAGE_TYPES, zip(*found, strict=True), strict=False):
        if wrong := set(map(type, column)) - types:
            raise TypeError(f"a value of the wrong type: {wrong}")
    return [
        MailboxMessage(uid, size, letter, Flags(flags, keywords & _ALL), modseq, at, saved)
        for uid, size, letter, flags, keywords, modseq, at, saved in found
    ]


def removals(connection: Connection, name: str, since: int) -> Removals:
    """Logged removals after a mod-sequence."""
    history = _history(connection, name)
    if history is None:
        return Removals([], is_complete=True)
    mailbox, modseq, known_from = history
    found = connection.execute(imap_sql.EXPUNGED, (mailbox, since)).fetchall()
    ranges = rows.checked("expunged", name, lambda: [each for (text,) in found for each in parse_ranges(text)])
    return Removals(merged(ranges), is_complete=since >= max(known_from, modseq - LOGGED))


def _history(connection: Connection, name: str) -> tuple[int, int, int] | None:
    found = connection.execute(imap_sql.HISTORY, (name,)).fetchall()
    if not found:
        return None
    mailbox, modseq, known_from = rows.checked("mailboxes", name, lambda: [rows.number(each) for each in found[0]])
    return mailbox, modseq, known_from
