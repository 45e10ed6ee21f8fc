-- What SCRAM keeps of a password (RFC 5803); empty until the password is seen next.
ALTER TABLE accounts ADD COLUMN scram TEXT NOT NULL DEFAULT '';

-- More passwords of an account, one for each device or program.
CREATE TABLE app_passwords (
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (address, name)
) WITHOUT ROWID;
