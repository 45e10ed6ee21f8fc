-- First schema. A value that only the program reads as a whole is JSON; what is searched by is a column.
-- An address column holds `Address.key`; every time is UTC, as seconds since 1970.

CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    server TEXT NOT NULL, -- host name of the server that accepted it
    sender TEXT NOT NULL, -- '' is the null reverse-path
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    arrival TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX letters_by_arrival ON letters (arrived, id);

CREATE INDEX letters_by_sender ON letters (sender, arrived);

-- Octets of each letter that is queued or in a mailbox: in the row, or in the file that is named.
-- A rowid table, since a search by letter would read whole contents from their overflow pages otherwise.
CREATE TABLE contents (
    letter TEXT NOT NULL UNIQUE,
    file TEXT,
    octets BLOB,
    digest TEXT -- BLAKE2b of the octets, 128 bits, hexadecimal; NULL for an object, whose name has it
);

CREATE INDEX contents_in_files ON contents (file) WHERE file IS NOT NULL;

CREATE TABLE deliveries (
    letter TEXT NOT NULL,
    number INTEGER NOT NULL,
    server TEXT NOT NULL, -- the same as of its letter
    address TEXT NOT NULL,
    original TEXT, -- address as the sender wrote it, if an alias led to `address`
    recipient TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Time from which it may be claimed; 1e15 while it is held; NULL once it is finished and no attempt is under way.
    waits_until REAL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    lease REAL NOT NULL,
    status TEXT,
    text TEXT NOT NULL,
    host TEXT NOT NULL,
    warned INTEGER NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -9 AND 9), -- RFC 6710 section 5
    parked_for TEXT, -- destination key while it is parked, since its destination has no free slot
    -- Step "collected", in a page that is written anyway. JSON: of each time [seq, at, server, facts].
    collected TEXT,
    PRIMARY KEY (letter, number)
) WITHOUT ROWID;

-- Only unfinished deliveries, so that a claim costs the same whatever the history.
CREATE INDEX deliveries_owed ON deliveries (server, priority, waits_until) WHERE waits_until IS NOT NULL;

CREATE INDEX deliveries_by_address ON deliveries (address);

CREATE INDEX deliveries_by_original ON deliveries (original) WHERE original IS NOT NULL;

CREATE INDEX deliveries_parked ON deliveries (server, parked_for, priority DESC, letter) WHERE parked_for IS NOT NULL;

CREATE TABLE steps (
    letter TEXT NOT NULL,
    seq INTEGER NOT NULL, -- grows within the process that wrote it; orders steps of the same instant
    at REAL NOT NULL,
    server TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (letter, seq)
) WITHOUT ROWID;

-- A mailbox that was removed keeps its row, so that neither its validity nor a uid of it is given again.
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL,
    octets INTEGER NOT NULL DEFAULT 0 -- sum of the sizes of its entries, kept so that a quota needs no sum
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
    created REAL NOT NULL,
    scram TEXT NOT NULL DEFAULT '', -- SCRAM keys of the password (RFC 5803); '' until it is used once
    quota INTEGER, -- octets that the mailbox may hold; NULL: as configured; 0: any number
    epoch INTEGER NOT NULL DEFAULT 0 -- number of times that all sessions were ended
) WITHOUT ROWID;

-- Further passwords of an account, one for each device or program.
CREATE TABLE app_passwords (
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (address, name)
) WITHOUT ROWID;

-- Browser sessions that were logged out before their end.
CREATE TABLE logouts (
    session TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the cookie, hexadecimal
    until REAL NOT NULL -- end of the session without a logout
) WITHOUT ROWID;

CREATE INDEX logouts_by_until ON logouts (until);

CREATE TABLE aliases (
    address TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL, -- as written
    leads_to TEXT NOT NULL,
    PRIMARY KEY (address, position)
) WITHOUT ROWID;

CREATE INDEX aliases_by_target ON aliases (leads_to);

-- Networks, and triplets of network, sender and recipient, with the time of their first attempt.
CREATE TABLE greylist (
    name TEXT NOT NULL PRIMARY KEY,
    first REAL NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX greylist_by_until ON greylist (until);

-- Rules of an operator that hold deliveries by sender, recipient or domain, or pause the relay.
CREATE TABLE hold_rules (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    domain TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;

-- Addresses of other servers to which nothing is sent any more.
CREATE TABLE suppressions (
    address TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;

-- Steps that are still to be sent to webhooks and copies: one row for each target and step.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    letter TEXT NOT NULL,
    at REAL NOT NULL,
    server TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: end of the lease
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    trouble TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (target, due);

-- Old entries are dropped every minute, and must not be searched among a million others.
CREATE INDEX outbox_by_age ON outbox (target, at);

-- Counts of TLS sessions with other hosts until they are reported (RFC 8460): one row for each day and result.
CREATE TABLE tls_results (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    failure TEXT NOT NULL, -- '' for success
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, failure)
) WITHOUT ROWID;

-- TLS reports that are to be sent.
CREATE TABLE tls_reports (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: end of the lease
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    sent TEXT NOT NULL,
    PRIMARY KEY (day, domain)
) WITHOUT ROWID;

CREATE INDEX tls_reports_due ON tls_reports (due);

-- Delay reasons of destinations that each running process has published, as JSON.
CREATE TABLE delay_reasons (
    owner TEXT NOT NULL PRIMARY KEY,
    valid_until REAL NOT NULL, -- what a dead process published ends by itself
    reasons TEXT NOT NULL
) WITHOUT ROWID;
