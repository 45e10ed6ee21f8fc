-- What each running process knows of hosts and destinations that letters wait for, so that commands can explain it.
CREATE TABLE conditions (
    owner TEXT NOT NULL PRIMARY KEY,
    valid_until REAL NOT NULL, -- a process that died tells nothing any more
    told TEXT NOT NULL
) WITHOUT ROWID;
