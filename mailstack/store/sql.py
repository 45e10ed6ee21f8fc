"""SQL statements of the store, valid for both SQLite (3.35 and later) and PostgreSQL.

Parameters are `?`; no statement contains a value. Statements for a number of rows are made once and cached.
Statements in a database's own SQL are in its connection (`mailstack.store.connection`).
"""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

from functools import lru_cache

from mailstack.letter.time_parameters import HIGHEST, LOWEST
from mailstack.store import rows

MAX_PARAMETERS = 30_000
"""Maximum parameters of one statement, below the limits of SQLite (32,766) and PostgreSQL (65,535)."""

CONTENT = ("letter", "file", "octets", "digest")
MOVE = (
    "letter",
    "number",
    "was_attempts",
    "was_claimed_by",
    "was_state",
    *rows.DELIVERY[3:],
    "waits_until",
    "parked_for",
)
"""A delivery's new values behind what it must have been."""
PLACEMENT = ("name", "back", "letter", "number", "size", "at", "headers")


@lru_cache(maxsize=2048)
def values(count: int, width: int) -> str:
    """`VALUES (?, …), …` for `count` rows."""
    row = f"({', '.join('?' * width)})"
    return f"VALUES {', '.join([row] * count)}"


@lru_cache(maxsize=2048)
def insert(table: str, columns: tuple[str, ...], count: int) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) {values(count, len(columns))}"


_TYPES = {
    **dict.fromkeys(
        ("number", "was_attempts", "attempts", "warned", "priority", "size", "back", "uid", "new_uid"), "BIGINT"
    ),
    **dict.fromkeys(("due", "lease", "waits_until", "at"), "DOUBLE PRECISION"),
    "headers": "BLOB",
}
"""Column types other than TEXT."""


@lru_cache(maxsize=2048)
def parameter_table(columns: tuple[str, ...], count: int) -> str:
    """`count` rows of parameters as a table; both databases call the columns of VALUES column1 and so on."""
    names = ", ".join(f"column{position} AS {name}" for position, name in enumerate(columns, 1))
    # The first row has the types of the columns: PostgreSQL can't infer the type of a NULL.
    first = ", ".join(f"CAST(? AS {_TYPES.get(name, 'TEXT')})" for name in columns)
    others = values(count, len(columns)).partition("), ")[2]
    return f"(SELECT {names} FROM (VALUES ({first}){', ' + others if others else ''}) AS given)"


@lru_cache(maxsize=2048)
def placeholders(count: int) -> str:
    """`(?, ?, …)`."""
    return f"({', '.join('?' * count)})"


_STOPPED = "v.state IN ('queued', 'held') AND v.was_state <> d.state AND d.state IN ('held', 'removed')"
_MOVED = ", ".join(f"{name} = v.{name}" for name in MOVE[5:] if name not in {"state", "waits_until"})


@lru_cache(maxsize=512)
def move_deliveries(count: int) -> str:
    """Compare and set: touches `count` rows unless one isn't any longer as it was read.

    What an operator stopped meanwhile stays stopped when the attempt asks for another, or is held (`Settlement.changes`).
    """
    return f"""UPDATE deliveries AS d SET {_MOVED},
        state = CASE WHEN {_STOPPED} THEN d.state ELSE v.state END,
        waits_until = CASE WHEN {_STOPPED} THEN
            CASE WHEN d.state = 'held' OR v.claimed_by IS NOT NULL THEN {rows.FAR} ELSE NULL END
            ELSE v.waits_until END
        FROM {parameter_table(MOVE, count)} AS v
        WHERE d.letter = v.letter AND d.number = v.number AND d.attempts = v.was_attempts
        AND (d.claimed_by = v.was_claimed_by OR (d.claimed_by IS NULL AND v.was_claimed_by IS NULL))"""


@lru_cache(maxsize=512)
def enlarge_mailboxes(count: int) -> str:
    """Each row: name, validity if it is new, 1 + the number of letters that enter, their octets, their number twice."""
    rows_of_new = ", ".join(["(?, ?, ?, ?, ?, ?, 2)"] * count)
    return f"""INSERT INTO mailboxes (name, validity, next_uid, octets, messages, unseen, modseq) VALUES {rows_of_new}
        ON CONFLICT (name) DO UPDATE SET next_uid = mailboxes.next_uid + excluded.messages,
        octets = mailboxes.octets + excluded.octets, messages = mailboxes.messages + excluded.messages,
        unseen = mailboxes.unseen + excluded.unseen, modseq = mailboxes.modseq + 1"""


@lru_cache(maxsize=512)
def insert_entries(count: int) -> str:
    """Entries of mailboxes that `enlarge_mailboxes` has grown: `back` counts from the mailbox's next uid, so nothing needs to be read."""
    return f"""INSERT INTO entries (mailbox, uid, letter, number, size, at, headers, modseq)
        SELECT m.id, m.next_uid - v.back, v.letter, v.number, v.size, v.at, v.headers, m.modseq
        FROM {parameter_table(PLACEMENT, count)} AS v CROSS JOIN mailboxes AS m WHERE m.name = v.name"""


@lru_cache(maxsize=512)
def enlarge_and_insert_entries(mailboxes: int, entries: int) -> str:
    """`enlarge_mailboxes` and `insert_entries` in one statement, for PostgreSQL: SQLite has no writes within WITH."""
    return f"""WITH m AS ({enlarge_mailboxes(mailboxes)} RETURNING id, name, next_uid, modseq)
        INSERT INTO entries (mailbox, uid, letter, number, size, at, headers, modseq)
        SELECT m.id, m.next_uid - v.back, v.letter, v.number, v.size, v.at, v.headers, m.modseq
        FROM {parameter_table(PLACEMENT, entries)} AS v JOIN m ON m.name = v.name"""


def not_pending(letter: str) -> str:
    """Condition "no pending delivery of the letter in this column", by an index lookup for each letter, in any plan.

    With outdated statistics a planner may prefer to read all pending deliveries again and again, by their own index or
    for a join. Neither can serve this form of the condition.
    """
    return f"""(SELECT 1 FROM deliveries AS d WHERE d.letter = {letter}
        AND CASE WHEN d.waits_until IS NULL THEN 0 ELSE 1 END = 1 LIMIT 1) IS NULL"""


def in_no_mailbox(letter: str) -> str:
    """Condition "no mailbox entry of the letter in this column"."""
    return f"(SELECT 1 FROM entries AS e WHERE e.letter = {letter} LIMIT 1) IS NULL"


_UNNEEDED = f"{not_pending('contents.letter')} AND {in_no_mailbox('contents.letter')}"


def lock_contents(count: int) -> str:
    """Row locks for concurrent writers; their holder sees the other writers' changes of its letters."""
    return f"SELECT letter FROM contents WHERE letter IN {placeholders(count)} ORDER BY letter FOR UPDATE"


def unneeded_files(count: int) -> str:
    return f"SELECT file FROM contents WHERE letter IN {placeholders(count)} AND file IS NOT NULL AND {_UNNEEDED}"


def drop_contents(count: int) -> str:
    return f"DELETE FROM contents WHERE letter IN {placeholders(count)} AND {_UNNEEDED}"


# --- queue

_DELIVERY = ", ".join(rows.DELIVERY)
_LETTER = ", ".join(rows.LETTER)

DUE = f"""SELECT {_DELIVERY} FROM deliveries
    WHERE server = ? AND priority = ? AND waits_until <= ? AND state = 'queued' ORDER BY waits_until LIMIT ?"""
_PRIORITIES = ", ".join(f"({priority})" for priority in range(HIGHEST, LOWEST - 1, -1))
# One index lookup for each priority costs the same however many deliveries wait; a sort over all would not.
NEXT_DUE = f"""WITH priorities (priority) AS (VALUES {_PRIORITIES})
    SELECT priority, (SELECT waits_until FROM deliveries AS d WHERE d.server = ? AND d.priority = priorities.priority
        AND d.waits_until < ? ORDER BY d.waits_until LIMIT 1) AS due FROM priorities"""
"""The earliest time for each priority, the highest first."""
PARKED = f"""SELECT {_DELIVERY} FROM deliveries
    WHERE server = ? AND parked_for = ? AND state = 'queued' AND claimed_by IS NULL ORDER BY priority DESC, letter LIMIT ?"""
PARKED_DESTINATIONS = """WITH RECURSIVE found (parked_for) AS (
        SELECT MIN(parked_for) FROM deliveries WHERE server = ? AND parked_for IS NOT NULL
        UNION ALL SELECT
            (SELECT MIN(d.parked_for) FROM deliveries AS d WHERE d.server = ? AND d.parked_for > found.parked_for)
        FROM found WHERE found.parked_for IS NOT NULL)
    SELECT parked_for FROM found WHERE parked_for IS NOT NULL LIMIT ?"""
"""Skip scan from one destination to the next, without reading the parked deliveries."""
PARKED_DELIVERIES = "SELECT number, parked_for FROM deliveries WHERE letter = ? AND parked_for IS NOT NULL"
PENDING_COUNT = "SELECT count(DISTINCT letter) FROM deliveries WHERE waits_until IS NOT NULL"
CLAIM = ("letter", "number", "due", "waits_until")


def claim(count: int) -> str:
    """Parameters: owner, lease, then `count` rows of CLAIM."""
    return f"""UPDATE deliveries AS d
        SET attempts = d.attempts + 1, claimed_by = ?, lease = ?, due = v.due, waits_until = v.waits_until, parked_for = NULL
        FROM {parameter_table(CLAIM, count)} AS v WHERE d.letter = v.letter AND d.number = v.number"""


PARK = ("letter", "number", "due", "waits_until", "parked_for")


@lru_cache(maxsize=512)
def park(count: int) -> str:
    """Statement for `count` rows of PARK."""
    return f"""UPDATE deliveries AS d SET due = v.due, waits_until = v.waits_until, parked_for = v.parked_for
        FROM {parameter_table(PARK, count)} AS v WHERE d.letter = v.letter AND d.number = v.number"""


_ADDED = ", ".join("l.server" if name == "server" else f"v.{name}" for name in rows.DELIVERY_ROW)
ADD_DELIVERY = f"""INSERT INTO deliveries ({", ".join(rows.DELIVERY_ROW)}) SELECT {_ADDED}
    FROM {parameter_table(rows.DELIVERY_ROW, 1)} AS v JOIN letters AS l ON l.id = v.letter"""
"""Adds a reference to an existing letter; its server is the letter's."""
HOLD_DAMAGED = """UPDATE deliveries SET state = 'held', text = ?, waits_until = ?, claimed_by = NULL
    WHERE letter = ? AND number = ?"""


def stopped_attempts(owners: int) -> str:
    return f"""SELECT letter FROM deliveries
        WHERE waits_until IS NOT NULL AND claimed_by IN {placeholders(owners)} AND state NOT IN ('queued', 'held')"""


_RELEASE = f"""UPDATE deliveries SET claimed_by = NULL, lease = 0,
        due = CASE WHEN attempts <= 1 AND due > ? THEN ? ELSE due END,
        waits_until = CASE WHEN state = 'held' THEN {rows.FAR} WHEN state <> 'queued' THEN NULL
            WHEN attempts <= 1 AND due > ? THEN ? ELSE due END
        WHERE waits_until IS NOT NULL AND claimed_by"""


def release_claims(owners: int) -> str:
    return f"{_RELEASE} IN {placeholders(owners)}"


def release_deliveries(deliveries: int) -> str:
    """Statement that releases these deliveries of one owner, each with its attempts at the time of the claim."""
    return f"{_RELEASE} = ? AND (letter, number, attempts) IN (VALUES {', '.join(['(?, ?, ?)'] * deliveries)})"


def letters(count: int) -> str:
    return f"SELECT {_LETTER} FROM letters WHERE id IN {placeholders(count)}"


def deliveries(count: int) -> str:
    return f"SELECT {_DELIVERY} FROM deliveries WHERE letter IN {placeholders(count)} ORDER BY letter, number"


# --- mailboxes

MAILBOX = "SELECT id, validity FROM mailboxes WHERE name = ?"
OCTETS_IN = """SELECT COALESCE(SUM(octets), 0) FROM (SELECT octets FROM mailboxes WHERE name = ?
    UNION ALL SELECT octets FROM mailboxes WHERE name > ? AND name < ?) AS counted"""
"""Size of a mailbox and of those named after it (`mailstack.store.folders.names_below`)."""
MAILBOXES = "SELECT name, octets FROM mailboxes"
ENTRY = """SELECT e.headers, e.size, c.letter, c.file, c.octets, c.digest FROM mailboxes AS m
    JOIN entries AS e ON e.mailbox = m.id JOIN contents AS c ON c.letter = e.letter
    WHERE m.name = ? AND e.uid = ?"""
CONTENT_OF = """SELECT l.size, c.file, c.octets, c.digest FROM contents AS c JOIN letters AS l ON l.id = c.letter
    WHERE c.letter = ?"""
REFERENCES = """SELECT m.name AS place FROM entries AS e JOIN mailboxes AS m ON m.id = e.mailbox WHERE e.letter = ?
    UNION SELECT 'waiting for ' || d.address FROM deliveries AS d WHERE d.letter = ? AND d.waits_until IS NOT NULL
    ORDER BY place LIMIT 10"""
"""Mailboxes and recipients that refer to a letter, for messages."""


def known_files(count: int) -> str:
    return f"SELECT file FROM contents WHERE file IN {placeholders(count)}"


def entries(count: int) -> str:
    """Like ENTRY, for several entries of one mailbox, with their uids first."""
    return f"""SELECT e.uid, e.headers, e.size, c.letter, c.file, c.octets, c.digest FROM mailboxes AS m
        JOIN entries AS e ON e.mailbox = m.id JOIN contents AS c ON c.letter = e.letter
        WHERE m.name = ? AND e.uid IN {placeholders(count)}"""


UNCOLLECTED = ("letter", "number", "collected")


def uncollected(count: int) -> str:
    """Uncollected deliveries for `count` uids: rows of UNCOLLECTED."""
    return f"""SELECT d.letter, d.number, d.collected FROM entries AS e JOIN deliveries AS d ON d.letter = e.letter AND d.number = e.number
        WHERE e.mailbox = ? AND e.uid IN {placeholders(count)} AND d.state = 'delivered'"""


COLLECT = ("letter", "number", "collected")


@lru_cache(maxsize=512)
def collect(count: int) -> str:
    """Update for `count` locked rows of COLLECT.

    It does not repeat the condition on the state: SQLite would then scan all delivered rows.
    """
    return f"""UPDATE deliveries AS d SET state = 'collected', collected = v.collected
        FROM {parameter_table(COLLECT, count)} AS v WHERE d.letter = v.letter AND d.number = v.number"""
