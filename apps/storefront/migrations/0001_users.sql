-- Accounts. `sequence` is the order of creation, which pages go by.
CREATE TABLE users (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    -- The email without case, which is what must be unique.
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    status INTEGER NOT NULL,
    role INTEGER NOT NULL,
    created_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_status ON users (status, sequence);
