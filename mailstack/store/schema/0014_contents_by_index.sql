-- A content is found by a small index. Without one, each step of a search read a whole content from its overflow pages.
CREATE TABLE contents_by_index (
    letter TEXT NOT NULL UNIQUE,
    file TEXT,
    octets BLOB
);

INSERT INTO contents_by_index (letter, file, octets) SELECT letter, file, octets FROM contents ORDER BY letter;

DROP TABLE contents;

ALTER TABLE contents_by_index RENAME TO contents;

CREATE INDEX contents_in_files ON contents (file) WHERE file IS NOT NULL;
