-- mailstack: grows
-- Sessions that end before their time: all of an account, and those of browsers that logged out.
-- `epoch`: how often the account's sessions were ended while its password stayed.
ALTER TABLE accounts ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

CREATE TABLE logouts (
    session TEXT NOT NULL PRIMARY KEY, -- the SHA-256 of the cookie, in hexadecimal
    until REAL NOT NULL -- when the session would have ended by itself
) WITHOUT ROWID;

CREATE INDEX logouts_by_until ON logouts (until);
