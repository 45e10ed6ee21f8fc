-- mailstack: grows
-- What the octets of a content come to (BLAKE2b, 128 bits, in hexadecimal digits), so that damage is found when they are
-- read; NULL for what was written before, and for an object, whose name says it.
ALTER TABLE contents ADD COLUMN digest TEXT;
