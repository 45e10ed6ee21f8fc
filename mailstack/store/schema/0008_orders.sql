-- What the operator has ordered to be held: by sender, recipient or domain, or everything that would leave.
CREATE TABLE rules (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    domain TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;

-- Addresses elsewhere that no letter goes to any more, and why.
CREATE TABLE suppressions (
    address TEXT NOT NULL PRIMARY KEY,
    why TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID;
