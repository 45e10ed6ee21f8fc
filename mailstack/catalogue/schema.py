"""The tables of the catalogue. They are made anew from the archive when another version has written them."""

from __future__ import annotations

import sqlite3

VERSION = 4

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
CREATE INDEX letters_shown ON letters (number, unread) WHERE deleted IS NULL;
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

CREATE TABLE copies (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX copies_of ON copies (number);

-- How far the archive has been read.
CREATE TABLE progress (number INTEGER NOT NULL);
INSERT INTO progress (number) VALUES (0);
"""

COLUMNS = ("subject", "author", "recipients", "copied", "hidden", "reply", "message", "words")
"""What is searched, the short ones first: a look at those needs no more than the beginning of a row."""

_WORDS = (
    f"CREATE VIRTUAL TABLE searched USING fts5({', '.join(COLUMNS)}, tokenize = 'trigram')",
    f"CREATE TABLE searched (rowid INTEGER PRIMARY KEY, {', '.join(COLUMNS)})",
)
"""The second for a SQLite without FTS5, or one without trigrams (before 3.34): searches are slower there."""


def set_up(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name == "searched" or not name.startswith(("sqlite_", "searched_")):
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    try:
        connection.execute(_WORDS[0])
    except sqlite3.OperationalError:
        connection.execute(_WORDS[1])
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def has_trigrams(connection: sqlite3.Connection) -> bool:
    """Whether `searched` is an index of trigrams."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'searched'").fetchone()
    return found is not None and "fts5" in str(found[0])
