-- What sessions with other hosts came to in TLS, until it is reported (RFC 8460): one row for each day and result.
CREATE TABLE tls_results (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    failure TEXT NOT NULL, -- empty for success
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, failure)
) WITHOUT ROWID;

-- Which of these are to be reported, and when.
CREATE TABLE tls_reports (
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    due REAL NOT NULL, -- while it is claimed: when that lease ends
    attempts INTEGER NOT NULL,
    claimed_by TEXT,
    sent TEXT NOT NULL,
    PRIMARY KEY (day, domain)
) WITHOUT ROWID;

CREATE INDEX tls_reports_due ON tls_reports (due);
