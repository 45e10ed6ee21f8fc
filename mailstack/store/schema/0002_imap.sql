-- IMAP: flags and mod-sequences of messages, counters of mailboxes, keywords, removals, and folders of accounts.
-- Programs of before would not keep the counters, so all of them are stopped first.

-- Highest mod-sequence (RFC 7162), counted under the lock of the row.
ALTER TABLE mailboxes ADD COLUMN modseq INTEGER NOT NULL DEFAULT 1;

ALTER TABLE mailboxes ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;

ALTER TABLE mailboxes ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0;

-- Messages with the flag \Deleted.
ALTER TABLE mailboxes ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

-- Since this mod-sequence all changes are known. A client that knows an older one gets all messages.
ALTER TABLE mailboxes ADD COLUMN known_from INTEGER NOT NULL DEFAULT 1;

-- Messages from this uid on were reported to no IMAP session yet: they are \Recent.
ALTER TABLE mailboxes ADD COLUMN recent_from INTEGER NOT NULL DEFAULT 1;

-- Until this time, in seconds since 1970, IMAP sessions may have it selected: removed messages are kept for them.
ALTER TABLE mailboxes ADD COLUMN selected_until INTEGER NOT NULL DEFAULT 0;

-- System flags: 1 \Seen, 2 \Answered, 4 \Flagged, 8 \Deleted, 16 \Draft.
ALTER TABLE entries ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;

-- Bit n is the keyword with the number n; bit 63 is the sign.
ALTER TABLE entries ADD COLUMN keywords INTEGER NOT NULL DEFAULT 0;

ALTER TABLE entries ADD COLUMN modseq INTEGER NOT NULL DEFAULT 1;

-- Time at which it entered this mailbox (RFC 8514); NULL: `at`.
ALTER TABLE entries ADD COLUMN saved REAL;

-- Time of the removal of a message that is kept for sessions: its mailbox is the negative id. NULL for all others.
ALTER TABLE entries ADD COLUMN removed REAL;

-- What POP3 has retrieved is seen.
UPDATE entries SET flags = 1 WHERE EXISTS (SELECT 1 FROM deliveries
    WHERE deliveries.letter = entries.letter AND deliveries.number = entries.number AND deliveries.state = 'collected');

UPDATE mailboxes SET messages = (SELECT COUNT(*) FROM entries WHERE entries.mailbox = mailboxes.id);

UPDATE mailboxes SET unseen =
    (SELECT COUNT(*) FROM entries WHERE entries.mailbox = mailboxes.id AND entries.flags = 0);

CREATE INDEX entries_by_modseq ON entries (mailbox, modseq);

CREATE TABLE keywords (
    mailbox INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mailbox, number)
) WITHOUT ROWID;

-- Removals of messages: the last 10,000 mod-sequences of each mailbox.
CREATE TABLE expunged (
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    uids TEXT NOT NULL, -- ranges such as 1:3,7
    PRIMARY KEY (mailbox, modseq)
) WITHOUT ROWID;

CREATE TABLE folders (
    account TEXT NOT NULL,
    path TEXT NOT NULL,
    mailbox TEXT NOT NULL, -- '' for a name that is subscribed and not there
    use TEXT NOT NULL, -- special use (RFC 6154), '' without one
    subscribed INTEGER NOT NULL,
    PRIMARY KEY (account, path)
) WITHOUT ROWID;
