-- mailstack: grows
-- The step that tells of a letter fetched by its reader: beside the state it comes with, and so in a page that is
-- written anyway. JSON: of each time [seq, at, office, facts]; NULL before the first.
ALTER TABLE deliveries ADD COLUMN collected TEXT;
