-- The log, append-only and chained (model/chain): all that happened to messages and to the instance.

CREATE TABLE log (
    n      INTEGER PRIMARY KEY AUTOINCREMENT,   -- without gaps, but for what aged out at the front
    at     INTEGER NOT NULL,
    way    TEXT,                                -- 'in', 'out', 'event'; this and the next four are NULL once aged out
    peer   TEXT,
    id     TEXT,
    what   TEXT,
    detail TEXT,
    digest BLOB,                                -- what an entry that aged out leaves of them
    hash   BLOB NOT NULL,
    CHECK ((way IS NULL) = (digest IS NOT NULL))
) STRICT;
CREATE INDEX log_id    ON log (id);
CREATE INDEX log_event ON log (at) WHERE way = 'event';
CREATE TRIGGER log_never_changes BEFORE UPDATE ON log
    WHEN OLD.digest IS NOT NULL OR NEW.digest IS NULL OR (NEW.n, NEW.at, NEW.hash) IS NOT (OLD.n, OLD.at, OLD.hash)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_cut BEFORE DELETE ON log WHEN OLD.digest IS NULL
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
