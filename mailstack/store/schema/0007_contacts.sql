-- What greylisting remembers: who wrote to whom from where, and which networks are known.
CREATE TABLE contacts (
    name TEXT NOT NULL PRIMARY KEY,
    first REAL NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX contacts_by_until ON contacts (until);
