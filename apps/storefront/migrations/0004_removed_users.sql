-- The ids of users that are gone. A token may name one long after, and must not be taken for that of somebody who never
-- was a user here. Whoever deletes, by whatever statement, leaves the id.
CREATE TABLE removed_users (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TRIGGER removed_users_after_delete AFTER DELETE ON users BEGIN
    INSERT OR IGNORE INTO removed_users (id) VALUES (OLD.id);
END;
