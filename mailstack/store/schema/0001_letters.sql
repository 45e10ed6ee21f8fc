-- The first schema. A value that only the program reads as a whole is JSON; what is searched by is a column.
-- An address column holds `Address.key`; every time is UTC, as seconds since 1970.

CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    office TEXT NOT NULL,
    sender TEXT NOT NULL, -- '' is the null reverse-path
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    arrival TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX letters_by_arrival ON letters (arrived, id);

CREATE INDEX letters_by_sender ON letters (sender, arrived);

-- One row a letter while anybody needs the octets: here, or in the file that is named.
CREATE TABLE contents (
    letter TEXT NOT NULL PRIMARY KEY,
    file TEXT,
    octets BLOB
) WITHOUT ROWID;

CREATE INDEX contents_in_files ON contents (file) WHERE file IS NOT NULL;

CREATE TABLE deliveries (
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    office TEXT NOT NULL,
    address TEXT NOT NULL,
    original TEXT, -- what the sender wrote, when an alias led to the address
    recipient TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    -- When it may be claimed; far away while it is held; NULL once nobody owes it and no attempt is under way.
    waits_until REAL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    lease REAL NOT NULL,
    status TEXT,
    text TEXT NOT NULL,
    host TEXT NOT NULL,
    warned INTEGER NOT NULL,
    PRIMARY KEY (letter, number)
) WITHOUT ROWID;

-- Holds only what is owed, so that picking what is due costs the same whatever history there is.
CREATE INDEX deliveries_owed ON deliveries (office, waits_until) WHERE waits_until IS NOT NULL;

CREATE INDEX deliveries_by_address ON deliveries (address);

CREATE INDEX deliveries_by_original ON deliveries (original) WHERE original IS NOT NULL;

CREATE TABLE steps (
    letter TEXT NOT NULL,
    seq INTEGER NOT NULL, -- grows within the process that wrote it; parts steps of the same instant
    at REAL NOT NULL,
    office TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (letter, seq)
) WITHOUT ROWID;

-- A mailbox that was removed keeps its row, so that neither its validity nor a uid of it is ever given again.
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL
);

CREATE TABLE entries (
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    at REAL NOT NULL,
    headers BLOB NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;

-- One delivery is fulfilled by one entry.
CREATE UNIQUE INDEX entries_by_delivery ON entries (letter, number);

CREATE TABLE accounts (
    address TEXT NOT NULL PRIMARY KEY,
    password_hash BLOB NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE aliases (
    address TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL, -- as written
    leads_to TEXT NOT NULL,
    PRIMARY KEY (address, position)
) WITHOUT ROWID;

CREATE INDEX aliases_by_target ON aliases (leads_to);
