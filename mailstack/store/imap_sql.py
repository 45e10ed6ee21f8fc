"""SQL statements of IMAP mailboxes, valid for both SQLite and PostgreSQL."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from mailstack.store.sql import parameter_table, placeholders

HELD_COLUMNS = ("id", "name", "validity", "next_uid", "modseq", "deleted", "recent_from", "selected_until")
HELD = f"SELECT {', '.join(HELD_COLUMNS)} FROM mailboxes WHERE name = ?"
"""State of a mailbox with a locked row."""

# --- reading

STATUS = ("name", "validity", "next_uid", "messages", "unseen", "deleted", "octets", "modseq", "recent_from")
KEYWORDS = ("mailbox", "number", "name")
MESSAGE = ("uid", "size", "letter", "flags", "keywords", "modseq", "at", "saved")
MESSAGES = f"""SELECT {", ".join(MESSAGE[:-1])}, COALESCE(saved, at) AS saved FROM entries
    WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?"""
CHANGED_MESSAGES = f"""SELECT {", ".join(MESSAGE[:-1])}, COALESCE(saved, at) AS saved FROM entries
    WHERE mailbox = ? AND modseq > ? AND uid > ? ORDER BY uid LIMIT ?"""
"""Search in the order of uids, for many changed messages."""
FEW_CHANGED = 1000
ARE_MANY_CHANGED = f"""SELECT COUNT(*) FROM (SELECT 1 FROM entries WHERE mailbox = ? AND modseq > ?
    LIMIT {FEW_CHANGED}) AS counted"""
FEW_CHANGED_MESSAGES = f"""SELECT {", ".join(MESSAGE[:-1])}, COALESCE(saved, at) AS saved FROM entries
    WHERE mailbox = ? AND modseq > ? AND uid + 0 > ? ORDER BY uid + 0 LIMIT ?"""
"""Search by mod-sequence, for fewer than FEW_CHANGED messages among any number. The sum excludes the other index."""
POSITIONS = "SELECT name, validity, modseq FROM mailboxes"
HISTORY = "SELECT id, modseq, known_from FROM mailboxes WHERE name = ?"
EXPUNGED = "SELECT uids FROM expunged WHERE mailbox = ? AND modseq > ? ORDER BY modseq"


def statuses(count: int) -> str:
    return f"SELECT {', '.join(STATUS)} FROM mailboxes WHERE name IN {placeholders(count)}"


def entries_of(count: int) -> str:
    """Entries of letters: rows of letter, mailbox, uid and flags. Removed messages have a negative mailbox."""
    return f"""SELECT e.letter AS letter, m.name AS mailbox, e.uid AS uid, e.flags AS flags FROM entries AS e
        JOIN mailboxes AS m ON m.id = e.mailbox WHERE e.letter IN {placeholders(count)} ORDER BY m.name, e.uid"""


def keywords_of(count: int) -> str:
    """Keywords of several mailboxes: rows of KEYWORDS with the name of the mailbox."""
    return f"""SELECT m.name AS mailbox, k.number, k.name FROM mailboxes AS m JOIN keywords AS k ON k.mailbox = m.id
        WHERE m.name IN {placeholders(count)} ORDER BY k.number"""


def recent_counts(count: int) -> str:
    """Numbers of recent messages of several mailboxes: rows of name and number."""
    return f"""SELECT m.name AS mailbox, COUNT(*) AS recent FROM mailboxes AS m
        JOIN entries AS e ON e.mailbox = m.id AND e.uid >= m.recent_from
        WHERE m.name IN {placeholders(count)} GROUP BY m.name"""


CLAIM_RECENT = "UPDATE mailboxes SET recent_from = ? WHERE id = ?"
KEYWORDS_IN = "SELECT number, name FROM keywords WHERE mailbox = ? ORDER BY number"

# --- flags

FLAGGED = ("uid", "flags", "keywords", "modseq")
TAKEN = ("uid", "letter", "size", "flags")
_CHANGE_FLAGS = """UPDATE entries SET flags = (flags & ?) | ?, keywords = (keywords & ?) | ?, modseq = ?
    WHERE mailbox = ? AND uid"""
COUNT_FLAGS = "UPDATE mailboxes SET modseq = ?, unseen = unseen + ?, deleted = deleted + ? WHERE id = ?"
DELETED_IN = "SELECT uid FROM entries WHERE mailbox = ? AND flags & 8 <> 0 ORDER BY uid"


def entries_at(columns: tuple[str, ...], count: int) -> str:
    return f"SELECT {', '.join(columns)} FROM entries WHERE mailbox = ? AND uid IN {placeholders(count)} ORDER BY uid"


def entries_between(columns: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(columns)} FROM entries WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"


CHANGE_FLAGS_BETWEEN = f"{_CHANGE_FLAGS} BETWEEN ? AND ?"


@lru_cache(maxsize=512)
def change_flags(count: int) -> str:
    """Parameters: kept and set flags, kept and set keywords, mod-sequence, mailbox, `count` uids."""
    return f"{_CHANGE_FLAGS} IN {placeholders(count)}"


# --- removals

COUNT_REMOVED = """UPDATE mailboxes SET octets = octets - ?, messages = messages - ?, unseen = unseen - ?,
    deleted = deleted - ?, modseq = ? WHERE id = ?"""
LOG_REMOVAL = "INSERT INTO expunged (mailbox, modseq, uids) VALUES (?, ?, ?)"
CUT_LOG = "DELETE FROM expunged WHERE mailbox = ? AND modseq <= ?"
SET_KNOWN_FROM = "UPDATE mailboxes SET known_from = ? WHERE id = ?"
UIDS_IN = "SELECT uid FROM entries WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?"
REMOVE_KEYWORDS = "DELETE FROM keywords WHERE mailbox = ?"
LETTERS_IN = "SELECT DISTINCT letter FROM entries WHERE mailbox IN (?, ?)"
EMPTY_MAILBOX = "DELETE FROM entries WHERE mailbox IN (?, ?)"
"""Both have the id of a mailbox, and its negative for messages that are kept."""
RENEW_MAILBOX = """UPDATE mailboxes SET validity = validity + 1, octets = 0, messages = 0, unseen = 0, deleted = 0,
    modseq = modseq + 1, known_from = modseq + 1 WHERE id = ?"""


def remove_entries(count: int) -> str:
    return f"DELETE FROM entries WHERE mailbox = ? AND uid IN {placeholders(count)}"


# --- removed messages that are kept: rows of the negative id, with a number that no delivery has

KEEP_REMOVED = "UPDATE mailboxes SET selected_until = ? WHERE name = ? AND selected_until < ?"
KEPT_MAILBOXES = """SELECT DISTINCT m.name AS name FROM entries AS e JOIN mailboxes AS m ON m.id = -e.mailbox
    WHERE e.mailbox < 0 AND e.removed < ? ORDER BY m.name LIMIT ?"""
KEPT_UIDS = "SELECT uid FROM entries WHERE mailbox = ? AND removed < ? ORDER BY uid LIMIT ?"
KEPT_ENTRY = """SELECT e.headers, e.size, c.letter, c.file, c.octets, c.digest FROM mailboxes AS m
    JOIN entries AS e ON e.mailbox = -m.id JOIN contents AS c ON c.letter = e.letter
    WHERE m.name = ? AND e.uid = ?"""
_KEPT = "mailbox, uid, letter, number, size, at, headers, flags, keywords, modseq, saved, removed"


def kept_messages(count: int) -> str:
    """Rows of MESSAGE."""
    columns = ", ".join(f"e.{name}" for name in MESSAGE[:-1])
    return f"""SELECT {columns}, COALESCE(e.saved, e.at) AS saved FROM mailboxes AS m
        JOIN entries AS e ON e.mailbox = -m.id WHERE m.name = ? AND e.uid IN {placeholders(count)} ORDER BY e.uid"""


@lru_cache(maxsize=512)
def keep_entries(count: int) -> str:
    """Parameters: time, mailbox, `count` uids."""
    return f"""UPDATE entries SET mailbox = -mailbox, number = mailbox * 4294967296 + uid, removed = ?
        WHERE mailbox = ? AND uid IN {placeholders(count)}"""


@lru_cache(maxsize=512)
def keep_moved(count: int) -> str:
    """The same for messages that are about to move: they are kept as copies. Parameters as of `keep_entries`."""
    return f"""INSERT INTO entries ({_KEPT}) SELECT -mailbox, uid, letter, mailbox * 4294967296 + uid, size, at, headers,
        flags, keywords, modseq, saved, CAST(? AS DOUBLE PRECISION) FROM entries
        WHERE mailbox = ? AND uid IN {placeholders(count)}"""


def drop_kept(count: int) -> str:
    """Deletes the kept messages of letters."""
    return f"DELETE FROM entries WHERE mailbox < 0 AND letter IN {placeholders(count)}"


# --- copies

MAP = ("uid", "new_uid")
"""Uid of a message in its mailbox, and in the target."""
COPIED = ("uid", "size", "flags", "keywords")
COUNT_ADDED = """UPDATE mailboxes SET next_uid = ?, octets = octets + ?, messages = messages + ?, unseen = unseen + ?,
    deleted = deleted + ?, modseq = ? WHERE id = ?"""
_ENTRY = "mailbox, uid, letter, number, size, at, headers, flags, keywords, modseq, saved"
APPENDED = ("mailbox", "uid", "letter", "number", "size", "at", "headers", "flags", "keywords", "modseq", "saved")


def own_number(mailbox: int, uid: int) -> int:
    """Delivery number of an entry that fulfils no delivery: below zero, and never given twice.

    Neither the id of a mailbox nor a uid of it is given again.
    """
    return -(mailbox << 32 | uid)


def copy_entries(count: int, keywords: str) -> str:
    """Parameters: target, target, mod-sequence, time, rows of MAP, source. `keywords`: see `mapped_keywords`."""
    return f"""INSERT INTO entries ({_ENTRY})
        SELECT CAST(? AS BIGINT), v.new_uid, e.letter, -(CAST(? AS BIGINT) * 4294967296 + v.new_uid), e.size, e.at,
        e.headers, e.flags, {keywords}, CAST(? AS BIGINT), CAST(? AS DOUBLE PRECISION)
        FROM {parameter_table(MAP, count)} AS v CROSS JOIN entries AS e WHERE e.mailbox = ? AND e.uid = v.uid"""


def move_entries(count: int, keywords: str) -> str:
    """Parameters: target, mod-sequence, time, rows of MAP, source. Letter and number stay, so that steps find it."""
    return f"""UPDATE entries AS e SET mailbox = ?, uid = v.new_uid, keywords = {keywords}, modseq = ?, saved = ?
        FROM {parameter_table(MAP, count)} AS v WHERE e.mailbox = ? AND e.uid = v.uid"""


def mapped_keywords(numbers: Mapping[int, int]) -> str:
    """Expression for the keywords of `e` with other numbers; keywords without a new one are left out."""
    if all(old == new for old, new in numbers.items()):
        mask = sum(1 << number for number in numbers)
        return f"(e.keywords & CAST({mask - (1 << 64) if mask >> 63 else mask} AS BIGINT))"
    bits = [f"((e.keywords >> {old}) & 1) << {new}" for old, new in sorted(numbers.items())]
    return f"({' | '.join(f'({bit})' for bit in bits)})"
