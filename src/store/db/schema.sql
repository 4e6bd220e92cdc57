-- The local store of one instance. Every state is a word of model/state; times are wall-clock milliseconds of this PC.
-- The log of all that happened is in log.sql.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    n           INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of acceptance here
    way         TEXT NOT NULL CHECK (way IN ('in', 'out')),
    peer        TEXT NOT NULL,                      -- the other instance, folded (model/name)
    id          TEXT NOT NULL,
    sender      TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    content     TEXT NOT NULL,                      -- JSON
    timestamp   TEXT NOT NULL,                      -- the sender's, as written
    thread      TEXT,
    in_reply_to TEXT,
    priority    TEXT NOT NULL,
    expires     INTEGER,
    rest        TEXT,                               -- JSON: fields this version does not know
    at          INTEGER NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT,
    lease       INTEGER,                            -- the lane it was written into (in: read from), and its number there
    seq         INTEGER,
    resend      INTEGER NOT NULL DEFAULT 0,         -- out: the recipient misses it, or was silent for too long
    tries       INTEGER NOT NULL DEFAULT 0,         -- out: how often it was written
    overdue_at  INTEGER,                            -- out: unacknowledged by then, it is written again
    wake        TEXT,                               -- in: NULL none, 'due', 'woken', 'failed'
    encoding    TEXT,                               -- in: how the line was written, when it came through the open slot
    raw         BLOB,                               -- in: its bytes, when it came through the open slot
    verdict     TEXT,                               -- in: 'verified' or 'unverified'; NULL for our own reports
    held        INTEGER NOT NULL DEFAULT 0,         -- in: waits for a person to release it
    sealed      TEXT,                               -- out: what goes on the share in its place; in: '' if it came sealed
    UNIQUE (id, peer, way)                          -- the id first: it also serves lookups by a prefix
) STRICT;
CREATE INDEX message_open    ON message (n)               WHERE way = 'in' AND state IN ('delivered', 'read');
CREATE INDEX message_queue   ON message (peer, n)         WHERE way = 'out' AND (state = 'queued' OR resend);
CREATE INDEX message_unacked ON message (peer, lease, seq) WHERE way = 'out' AND state = 'sent';
CREATE INDEX message_overdue ON message (peer, overdue_at) WHERE way = 'out' AND state = 'sent' AND overdue_at IS NOT NULL;
CREATE INDEX message_wake    ON message (recipient, state, priority, n) WHERE wake = 'due';
CREATE INDEX message_expires ON message (expires)         WHERE way = 'out' AND state = 'queued' AND expires IS NOT NULL;
CREATE INDEX message_counts  ON message (way, state, kind);
CREATE INDEX message_held    ON message (n)               WHERE held;

CREATE TABLE known (        -- incoming messages that aged out, so that they stay known: a hash of peer and id
    key BLOB PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX known_at ON known (at);

CREATE TABLE told (         -- what senders were told of mail that a restored store doesn't have yet
    peer    TEXT NOT NULL,
    id      TEXT NOT NULL,
    state   TEXT NOT NULL,
    outcome TEXT,
    at      INTEGER NOT NULL,
    PRIMARY KEY (peer, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipt_due (  -- what the sender of an incoming message has not been told yet
    n      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer   TEXT NOT NULL,
    id     TEXT NOT NULL,
    state  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT
) STRICT;

CREATE TABLE lane_in (      -- how far each lane of our mailbox was taken in
    peer    TEXT NOT NULL,
    lease   INTEGER NOT NULL,
    seq     INTEGER NOT NULL DEFAULT 0,
    missing TEXT NOT NULL DEFAULT '[]',
    untold  INTEGER NOT NULL DEFAULT 0, -- envelopes since the last cumulative receipt
    due     INTEGER NOT NULL DEFAULT 0,
    floor   INTEGER NOT NULL DEFAULT 0, -- the highest seq whose message aged out, and the latest time that its sender
    floor_at INTEGER NOT NULL DEFAULT 0, -- gave to one that did: nothing up to both is news
    PRIMARY KEY (peer, lease)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursor (       -- the reader's durable position; moves in the transaction that takes in the lines
    lane     TEXT PRIMARY KEY,
    segment  INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    guard    BLOB NOT NULL,
    encoding TEXT,
    skipping INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE slot_line (hash BLOB PRIMARY KEY, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE lane_out (     -- where our lane to each peer stands
    peer     TEXT PRIMARY KEY,
    lease    INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    segment  INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    opened   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE peer (
    fold       TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    heartbeat  TEXT,                    -- JSON as last read; NULL: speaks the plain protocol
    stamp      TEXT NOT NULL DEFAULT '',-- identity of the status file as last listed
    len        INTEGER NOT NULL DEFAULT 0,
    first_seen INTEGER NOT NULL,
    changed_at INTEGER,                 -- when we last saw the heartbeat change; NULL: never
    read_at    INTEGER NOT NULL DEFAULT 0,
    doubted    INTEGER NOT NULL DEFAULT 0   -- what stands there now is not its word: it is read again when it changes
) STRICT, WITHOUT ROWID;

CREATE TABLE wake (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    agent   TEXT NOT NULL,              -- '' is the instance itself
    at      INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state   TEXT NOT NULL,              -- running, done, retry, failed, interrupted
    ended   INTEGER,
    detail  TEXT
) STRICT;
CREATE INDEX wake_agent ON wake (agent, n);
CREATE INDEX wake_running ON wake (n) WHERE state = 'running';
CREATE TABLE wake_message (wake INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (wake, message))
    STRICT, WITHOUT ROWID;
CREATE INDEX wake_message_message ON wake_message (message);

CREATE TABLE quarantine (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    source   TEXT NOT NULL,             -- path on the share
    offset   INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    raw      BLOB NOT NULL,             -- its bytes, at most the first 64 KiB of them
    reason   TEXT NOT NULL,
    encoding TEXT
) STRICT;

CREATE TABLE pin (          -- which keys a name has, or had
    peer  TEXT NOT NULL,                -- folded
    key   TEXT NOT NULL,
    name  TEXT NOT NULL,                -- as it spells itself
    state TEXT NOT NULL CHECK (state IN ('pinned', 'pending', 'retired', 'revoked')),
    how   TEXT NOT NULL,
    since INTEGER NOT NULL,
    seal  TEXT,                         -- the sealing key that its holder last named
    PRIMARY KEY (peer, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE refusal (      -- what was refused in whose name
    peer  TEXT NOT NULL,
    cause TEXT NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (peer, cause)
) STRICT, WITHOUT ROWID;
