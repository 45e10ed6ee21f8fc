-- What a mailbox holds is counted as letters come and go, so that a quota costs no sum over its entries.

ALTER TABLE mailboxes ADD COLUMN octets INTEGER NOT NULL DEFAULT 0;

UPDATE mailboxes SET octets = (SELECT COALESCE(SUM(size), 0) FROM entries WHERE entries.mailbox = mailboxes.id);

-- Octets that the account's mailbox may hold; NULL: as the configuration says; 0: any number.
ALTER TABLE accounts ADD COLUMN quota INTEGER;

-- Whether the header may hold UTF-8 (RFC 6532), which only a reader who asked for it can be shown.
ALTER TABLE entries ADD COLUMN utf8 INTEGER NOT NULL DEFAULT 0;

CREATE INDEX entries_in_utf8 ON entries (mailbox, uid) WHERE utf8 = 1;
