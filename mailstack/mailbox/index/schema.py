"""Schema of the index; tables of another version are made anew from the archive."""

from __future__ import annotations

import sqlite3

VERSION = 8

TABLES = """
CREATE TABLE letters (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    inline INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    deleted TEXT -- the token that brings it back
);
-- All of a letter that never changes, as JSON: apart, so that to mark very many letters writes little.
CREATE TABLE items (
    number INTEGER NOT NULL PRIMARY KEY,
    item TEXT NOT NULL
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

-- Addresses by field, for searches by a whole address or domain.
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

-- Accounts that have each letter.
CREATE TABLE holders (
    mailbox TEXT NOT NULL,
    number INTEGER NOT NULL,
    is_sender INTEGER NOT NULL,
    hidden TEXT, -- deleted by this account while others have it: the token that brings it back
    PRIMARY KEY (mailbox, number)
) WITHOUT ROWID;
CREATE INDEX holders_of ON holders (number);
CREATE INDEX holders_hidden ON holders (hidden, number) WHERE hidden IS NOT NULL;

-- Number of letters that each holder sees, and "" for all; kept by `writes.counted`, so that no list counts them.
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
    claimed INTEGER NOT NULL DEFAULT 0 -- an undo is under way
) WITHOUT ROWID;

-- Events between the processes of one server; only the newest, and only while a stream is open.
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


COLUMNS = ("subject", "author", "recipients", "copied", "hidden", "reply", "message", "words")
"""Columns that are searched, the short ones first: reading those needs only the beginning of a row."""

HEAD = COLUMNS[:-1]
"""Columns of `headed`, without the text: a search for a subject need not read the posting lists of all texts."""

INDEX = "fts5"
"""The kind of table that has trigrams."""

SEARCHED = {"searched": COLUMNS, "headed": HEAD}
"""The indices of trigrams, by number of letter. On a SQLite without FTS5, or without trigrams (before 3.34), they are
plain tables, and searches are slower."""


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
        if name in SEARCHED or not name.startswith(("sqlite_", *[f"{each}_" for each in SEARCHED])):
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for name, columns in SEARCHED.items():
        try:
            connection.execute(f"CREATE VIRTUAL TABLE {name} USING {INDEX}({', '.join(columns)}, tokenize = 'trigram')")
        except sqlite3.OperationalError:
            connection.execute(f"CREATE TABLE {name} (rowid INTEGER PRIMARY KEY, {', '.join(columns)})")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def has_trigrams(connection: sqlite3.Connection) -> bool:
    """Whether `searched` is an index of trigrams."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'searched'").fetchone()
    return found is not None and "fts5" in str(found[0])
