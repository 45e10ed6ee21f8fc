-- Which letters go first (RFC 6710 §5): of what is due, the highest priority, and of those the longest due.

ALTER TABLE deliveries ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -9 AND 9);

DROP INDEX deliveries_owed;

-- Holds only what is owed, so that picking what is due costs the same whatever history there is, and whatever waits.
CREATE INDEX deliveries_owed ON deliveries (office, priority, waits_until) WHERE waits_until IS NOT NULL;
