"""The tables of the catalogue. They are made anew from the archive when another version has written them."""

# ruff: noqa: S608  # no text is made of anything but our own names

from __future__ import annotations

import sqlite3

VERSION = 6

TABLES = """
CREATE TABLE letters (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    inline INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    deleted TEXT, -- the token that brings it back
    item TEXT NOT NULL -- all of it, as JSON
);
-- All that is asked of a letter beside its text: a look through all letters reads this, not the letters.
CREATE INDEX letters_shown ON letters (number, unread, arrived, size, attachments, inline) WHERE deleted IS NULL;
CREATE INDEX letters_unread ON letters (number) WHERE unread = 1 AND deleted IS NULL;
CREATE INDEX letters_by_arrival ON letters (arrived, number);
CREATE INDEX letters_deleted ON letters (deleted, number) WHERE deleted IS NOT NULL;

-- Subject and people, folded: narrow, so that all can be looked through.
CREATE TABLE heads (
    number INTEGER NOT NULL PRIMARY KEY,
    head TEXT NOT NULL
);

-- Who is named where, for searches by a whole address or domain.
CREATE TABLE addresses (
    field TEXT NOT NULL,
    address TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (field, address, number)
) WITHOUT ROWID;
CREATE INDEX addresses_of ON addresses (number);

CREATE TABLE tags (
    tag TEXT NOT NULL, -- folded
    number INTEGER NOT NULL,
    name TEXT NOT NULL, -- as written
    PRIMARY KEY (tag, number)
) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (number);

-- Whose letters they are.
CREATE TABLE holders (
    mailbox TEXT NOT NULL,
    number INTEGER NOT NULL,
    is_sender INTEGER NOT NULL,
    hidden TEXT, -- he has deleted it, but it is others' too: the token that brings it back to him
    PRIMARY KEY (mailbox, number)
) WITHOUT ROWID;
CREATE INDEX holders_of ON holders (number);
CREATE INDEX holders_hidden ON holders (hidden, number) WHERE hidden IS NOT NULL;

-- How many letters each holder sees, and "" of all; kept by the triggers below, so that nobody has to count.
CREATE TABLE counts (
    mailbox TEXT NOT NULL,
    is_sender INTEGER NOT NULL,
    total INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    PRIMARY KEY (mailbox, is_sender)
) WITHOUT ROWID;
INSERT INTO counts VALUES ('', 0, 0, 0);

CREATE TABLE copies (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX copies_of ON copies (number);

-- Until when what was deleted under a token can be brought back.
CREATE TABLE undoing (
    token TEXT NOT NULL PRIMARY KEY,
    until REAL NOT NULL, -- seconds since 1970
    claimed INTEGER NOT NULL DEFAULT 0 -- somebody brings it back just now
) WITHOUT ROWID;

-- What several processes that serve one office tell each other of letters; only the newest, and only while somebody listens.
CREATE TABLE news (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    text TEXT NOT NULL -- JSON
);

-- Names all that `news` tells: with the file it is another one.
CREATE TABLE run (name TEXT NOT NULL);
INSERT INTO run VALUES (lower(hex(randomblob(4))));

-- How far the archive has been read.
CREATE TABLE progress (number INTEGER NOT NULL);
INSERT INTO progress (number) VALUES (0);
"""


# Not OR IGNORE: within a trigger the rule for conflicts is that of the statement without.
_BEGUN = """INSERT INTO counts SELECT new.mailbox, new.is_sender, 0, 0 WHERE NOT EXISTS
            (SELECT 1 FROM counts WHERE mailbox = new.mailbox AND is_sender = new.is_sender);"""


def _held(row: str, sign: str) -> str:
    """The statement of a trigger that counts a row of holders in, or out, unless the letter is out of sight."""
    return f"""UPDATE counts SET (total, unread) = (SELECT counts.total {sign} (deleted IS NULL),
            counts.unread {sign} (deleted IS NULL AND letters.unread) FROM letters WHERE number = {row}.number)
        WHERE {row}.hidden IS NULL AND mailbox = {row}.mailbox AND is_sender = {row}.is_sender;"""


TRIGGERS = (
    """
    CREATE TRIGGER letters_come AFTER INSERT ON letters BEGIN
        UPDATE counts SET total = total + (new.deleted IS NULL),
            unread = unread + (new.deleted IS NULL AND new.unread) WHERE mailbox = '';
    END""",
    """
    CREATE TRIGGER letters_go AFTER DELETE ON letters WHEN old.deleted IS NULL BEGIN
        UPDATE counts SET total = total - 1, unread = unread - old.unread WHERE mailbox = '';
    END""",
    """
    CREATE TRIGGER letters_change AFTER UPDATE OF unread, deleted ON letters BEGIN
        UPDATE counts SET total = total + (new.deleted IS NULL) - (old.deleted IS NULL),
            unread = unread + (new.deleted IS NULL AND new.unread) - (old.deleted IS NULL AND old.unread)
        WHERE mailbox = '';
        UPDATE counts SET total = total + (new.deleted IS NULL) - (old.deleted IS NULL),
            unread = unread + (new.deleted IS NULL AND new.unread) - (old.deleted IS NULL AND old.unread)
        WHERE (mailbox, is_sender) IN (SELECT mailbox, is_sender FROM holders WHERE number = new.number AND hidden IS NULL);
    END""",
    f"""
    CREATE TRIGGER holders_come AFTER INSERT ON holders BEGIN
        {_BEGUN}
        {_held("new", "+")}
    END""",
    f"""
    CREATE TRIGGER holders_change AFTER UPDATE OF is_sender, hidden ON holders BEGIN
        {_BEGUN}
        {_held("old", "-")}
        {_held("new", "+")}
    END""",
    f"""
    CREATE TRIGGER holders_go AFTER DELETE ON holders BEGIN
        {_held("old", "-")}
        DELETE FROM counts WHERE mailbox = old.mailbox AND is_sender = old.is_sender AND total <= 0
            AND NOT EXISTS (SELECT 1 FROM holders WHERE mailbox = old.mailbox AND is_sender = old.is_sender);
    END""",
)
"""A letter comes before its holders, and goes after them."""

COLUMNS = ("subject", "author", "recipients", "copied", "hidden", "reply", "message", "words")
"""What is searched, the short ones first: a look at those needs no more than the beginning of a row."""

_WORDS = (
    f"CREATE VIRTUAL TABLE searched USING fts5({', '.join(COLUMNS)}, tokenize = 'trigram')",
    f"CREATE TABLE searched (rowid INTEGER PRIMARY KEY, {', '.join(COLUMNS)})",
)
"""The second for a SQLite without FTS5, or one without trigrams (before 3.34): searches are slower there."""


def set_up(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == VERSION:
        # Another process has made them meanwhile.
        connection.execute("COMMIT")
        return
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name == "searched" or not name.startswith(("sqlite_", "searched_")):
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for trigger in TRIGGERS:
        connection.execute(trigger)
    try:
        connection.execute(_WORDS[0])
    except sqlite3.OperationalError:
        connection.execute(_WORDS[1])
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def has_trigrams(connection: sqlite3.Connection) -> bool:
    """Whether `searched` is an index of trigrams."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'searched'").fetchone()
    return found is not None and "fts5" in str(found[0])
