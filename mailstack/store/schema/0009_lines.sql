-- Where a delivery waits whose destination had no room for it: the line is fetched from when there is some again.

ALTER TABLE deliveries ADD COLUMN line TEXT;

CREATE INDEX deliveries_in_line ON deliveries (office, line, priority DESC, letter) WHERE line IS NOT NULL;
