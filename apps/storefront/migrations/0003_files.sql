-- Uploaded files; the bytes lie in `files/` of the data folder, named by id.
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    created_at_ns INTEGER NOT NULL
) STRICT;
