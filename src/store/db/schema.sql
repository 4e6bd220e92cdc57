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
    wake        TEXT,                               -- in: NULL none, else a word of waiting.rs
    encoding    TEXT,                               -- in: how the line was written, when it came through the open slot
    raw         BLOB,                               -- in: its bytes, when it came through the open slot
    verdict     TEXT,                               -- in: 'verified' or 'unverified'; NULL for our own reports
    held        INTEGER NOT NULL DEFAULT 0,         -- in: waits for a person to release it
    sealed      TEXT,                               -- out: what goes on the share in its place; in: '' if it came sealed
    hops        INTEGER,                            -- automatic answers that led to it
    wake_at     INTEGER NOT NULL DEFAULT 0,         -- in: nobody is woken for it before
    accepted    INTEGER NOT NULL DEFAULT 0,         -- in: wakes that were accepted, and after which nobody read it
    failures    INTEGER NOT NULL DEFAULT 0,         -- in: wakes for it that failed for now since one worked,
    misses      INTEGER NOT NULL DEFAULT 0,         -- and those that never reached the other side
    digest      BLOB,                               -- in: what it says and to whom, for finding the same again
    detour      INTEGER NOT NULL DEFAULT 0,         -- out: not by its recipient's gateway, but by the other routes
    silent_since INTEGER,                           -- in: a request that was read, and since when nobody said more of it
    posted      INTEGER NOT NULL DEFAULT 0,         -- out: 1 it is being handed over directly, 2 without an answer
    audience    TEXT,                               -- the group that it was sent to, if it is a copy of a broadcast,
    broadcast   TEXT,                               -- and what all copies of that have in common
    not_before  INTEGER,                            -- out: it is to go then; until then it is 'scheduled'
    settled     TEXT,                               -- out: a dead letter: the id of what was sent in its place, '' if dropped
    snoozed     INTEGER,                            -- in: 'read' and out of sight until then; 0: it was, and is back
    term        INTEGER,                            -- it is work for one member: for so many seconds without a word
    offered     INTEGER,                            -- in: it stands by; 0, or the number of our wish to claim it (tasks.sql)
    UNIQUE (id, peer, way)                          -- the id first: it also serves lookups by a prefix
) STRICT;
CREATE INDEX message_open    ON message (n)               WHERE way = 'in' AND state IN ('delivered', 'read');
CREATE INDEX message_queue   ON message (peer, n)         WHERE way = 'out' AND (state = 'queued' OR resend);
CREATE INDEX message_unacked ON message (peer, lease, seq) WHERE way = 'out' AND state = 'sent';
CREATE INDEX message_overdue ON message (peer, overdue_at) WHERE way = 'out' AND state = 'sent' AND overdue_at IS NOT NULL;
CREATE INDEX message_wake    ON message (recipient, sender, state, wake_at, priority, verdict, n) WHERE wake = 'due';
CREATE INDEX message_again   ON message (wake_at)         WHERE wake = 'accepted';
CREATE INDEX message_unwoken ON message (wake, wake_at, n) WHERE state = 'delivered' AND wake IN ('failed', 'unread');
CREATE INDEX message_expires ON message (expires)         WHERE way = 'out' AND state = 'queued' AND expires IS NOT NULL;
CREATE INDEX message_counts  ON message (way, state, kind);
CREATE INDEX message_held    ON message (n)               WHERE held;
CREATE INDEX message_scheduled ON message (not_before, peer) WHERE state = 'scheduled';
CREATE INDEX message_snoozed ON message (snoozed)         WHERE snoozed > 0 AND state = 'read';
CREATE INDEX message_stale   ON message (peer, expires)   WHERE way = 'in' AND state = 'delivered' AND expires IS NOT NULL
                                                            AND snoozed IS NULL AND kind != 'exec';
CREATE INDEX message_dead    ON message (n)               WHERE way = 'out' AND state IN ('failed', 'expired')
                                                            AND settled IS NULL;
CREATE INDEX message_thread  ON message (thread, n)       WHERE thread IS NOT NULL;
CREATE INDEX message_offer   ON message (n)               WHERE way = 'in' AND term IS NOT NULL AND state IN ('delivered', 'read');
CREATE INDEX message_broadcast ON message (broadcast, n)  WHERE way = 'out' AND broadcast IS NOT NULL;
CREATE INDEX message_silent  ON message (silent_since)    WHERE silent_since IS NOT NULL;
CREATE INDEX message_replies ON message (in_reply_to, way, n) WHERE in_reply_to IS NOT NULL;
CREATE INDEX message_parcels ON message (state, n)        WHERE state IN ('attaching', 'fetching');

CREATE TABLE awaited (      -- requests of ours for whose answers somebody waits at this moment
    peer   TEXT NOT NULL,
    id     TEXT NOT NULL,
    waiter TEXT NOT NULL,
    until  INTEGER NOT NULL,            -- it said so last: whoever was killed says nothing
    PRIMARY KEY (peer, id, waiter)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE message_text USING fts5 (  -- the grams of messages by their n, up to the row in meta's 'indexed'
    grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

CREATE TABLE blob (         -- what is attached to messages, by the hash of what lies on the share
    hash     TEXT PRIMARY KEY,
    size     INTEGER NOT NULL,
    here     INTEGER NOT NULL DEFAULT 0, -- it is in the state folder, whole and verified
    put      INTEGER,                   -- when we last saw to it that it is on the share; NULL: that is to be seen to
    stamp    TEXT,                      -- what it was stamped then: as long as it is, nobody else wants it to stay
    doubted  INTEGER NOT NULL DEFAULT 0, -- a recipient did not find it there, or something else
    done     INTEGER NOT NULL DEFAULT 0, -- bytes of it that were moved and synced
    tries    INTEGER NOT NULL DEFAULT 0, -- to move it, in vain
    retry_at INTEGER NOT NULL DEFAULT 0,
    why      TEXT,                      -- what the last of them said
    at       INTEGER NOT NULL           -- when it was last wanted
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_away ON blob (size) WHERE NOT here;
CREATE INDEX blob_unput ON blob (size) WHERE here AND put IS NULL;

CREATE TABLE attached (     -- which blobs a message needs
    way  TEXT NOT NULL,
    peer TEXT NOT NULL,
    id   TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (way, peer, id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX attached_hash ON attached (hash);

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
    sender  TEXT,               -- its writer, who took it back before it came: for mail of that name alone
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

CREATE TABLE route (        -- by which route mail for a peer goes, as the daemon that runs found out
    peer     TEXT PRIMARY KEY,          -- folded
    via      TEXT NOT NULL,             -- a word of model/route
    url      TEXT,                      -- where the direct one leads to
    since    INTEGER NOT NULL,
    why      TEXT,                      -- what stands against the direct one
    failures INTEGER NOT NULL,
    until    INTEGER,                   -- when that is tried again
    contact  INTEGER                    -- when the peer's daemon last answered, give or take a few seconds
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway (      -- peers whose agents are spoken to by a2a, as the daemon that runs found out
    peer     TEXT PRIMARY KEY,          -- folded
    usable   INTEGER NOT NULL,
    after_direct INTEGER NOT NULL,      -- only while the direct route is no choice
    url      TEXT NOT NULL,             -- scheme, host and port
    since    INTEGER NOT NULL,
    why      TEXT,                      -- what stands against it
    failures INTEGER NOT NULL,
    until    INTEGER,                   -- when it is tried again, or asked for something
    pause    TEXT                       -- why not before
) STRICT, WITHOUT ROWID;

CREATE TABLE a2a (          -- mail that was handed to a gateway, and has no end yet
    n      INTEGER PRIMARY KEY,         -- the message
    peer   TEXT NOT NULL,
    thread TEXT NOT NULL,               -- its own, or its id if it has none
    task   TEXT,                        -- what to ask for it by; NULL: its request is on its way, or was when all ended
    at     INTEGER NOT NULL
) STRICT;
CREATE INDEX a2a_peer ON a2a (peer, thread);

CREATE TABLE a2a_thread (   -- how many contexts of a thread were given up
    peer       TEXT NOT NULL,
    thread     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (peer, thread)
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
    state   TEXT NOT NULL,              -- running, done, accepted, retry, failed, interrupted
    ended   INTEGER,
    detail  TEXT,
    reason  TEXT,                       -- why it was made
    not_before INTEGER,                 -- the other side wants no further attempt before
    sender  TEXT NOT NULL DEFAULT '',   -- whose mail it was for (model/wake); '' is everybody's
    verified INTEGER NOT NULL DEFAULT 1, -- some of its mail was by who it says it is by
    reached INTEGER NOT NULL DEFAULT 1  -- the other side may have heard of it
) STRICT;
CREATE INDEX wake_agent ON wake (agent, sender, n);
CREATE INDEX wake_time ON wake (at);
CREATE INDEX wake_running ON wake (n) WHERE state = 'running';
CREATE TABLE wake_message (wake INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (wake, message))
    STRICT, WITHOUT ROWID;
CREATE INDEX wake_message_message ON wake_message (message);

CREATE TABLE woken (        -- what agents were woken for lately, so that the same again wakes nobody
    digest  BLOB PRIMARY KEY,
    message INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX woken_at ON woken (at);

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
