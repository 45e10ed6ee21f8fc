-- Steps that other programs are still to be told of, by webhooks and the like: a row for each program and step.
CREATE TABLE announcements (
    id TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    letter TEXT NOT NULL,
    at REAL NOT NULL,
    office TEXT NOT NULL,
    step TEXT NOT NULL,
    facts TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: when that lease ends
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    trouble TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX announcements_due ON announcements (target, due);
