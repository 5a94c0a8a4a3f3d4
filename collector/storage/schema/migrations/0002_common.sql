-- Schema 2: the meta table without an index, and with the number of rows that the roll-ups cover.
CREATE TABLE meta_without_index AS SELECT key, value FROM meta;
DROP TABLE meta;
CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
INSERT INTO meta SELECT key, value FROM meta_without_index;
DROP TABLE meta_without_index;
