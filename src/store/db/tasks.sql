-- Tasks: the events of all instances' logs, what they come to, and what we want of the share.

CREATE TABLE task_event (
    n        INTEGER PRIMARY KEY AUTOINCREMENT, -- order of acceptance here
    task     TEXT NOT NULL,
    instance TEXT NOT NULL,                     -- in whose log it stands, folded
    id       TEXT NOT NULL,
    event    TEXT NOT NULL,                     -- JSON as it came, without what makes it a line of a log
    at       INTEGER NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('queued', 'written', 'again', 'fenced')),
    UNIQUE (instance, id)
) STRICT;
CREATE INDEX task_event_task ON task_event (task);
CREATE INDEX task_event_queue ON task_event (n) WHERE state IN ('queued', 'again');

CREATE TABLE task (         -- what the events of each come to
    id    TEXT PRIMARY KEY,
    task  TEXT NOT NULL,                -- JSON (model/task)
    final INTEGER NOT NULL,             -- it has ended
    at    INTEGER NOT NULL,             -- when something about it last came in
    until INTEGER                       -- held by us: when that runs out
) STRICT, WITHOUT ROWID;

CREATE TABLE task_wish (    -- claims that were asked for here
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    task   TEXT NOT NULL,
    who    TEXT NOT NULL,
    term   INTEGER NOT NULL,            -- seconds
    word   TEXT NOT NULL,               -- stands in the claim, by which we know it again
    asked  INTEGER NOT NULL,
    until  INTEGER NOT NULL,            -- then nobody waits for the answer any longer
    event  TEXT,                        -- the claim is made; its event, with which it is held
    token  INTEGER,
    answer TEXT                         -- JSON; NULL: none yet
) STRICT;
CREATE INDEX task_wish_open ON task_wish (n, until, event) WHERE answer IS NULL;
