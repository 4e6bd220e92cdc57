//! The shape of the database, counted: a store of an older lanpost is brought up to date when it is opened, in one
//! transaction; one of a newer lanpost is refused.

use rusqlite::Transaction;

use super::{Db, audit};
use crate::error::{Error, Kind, Result};

/// The version that this lanpost makes.
pub(super) const SCHEMA: i64 = 7;

/// What leads from each version to the next, from 1 on.
const STEPS: [fn(&Transaction) -> rusqlite::Result<()>; SCHEMA as usize - 1] =
    [since_2, since_3, since_4, since_5, since_6, since_7];

/// Makes the tables, or what is missing of them.
///
/// # Errors
/// The store is of a newer lanpost, or can't be written.
pub(super) fn bring_up_to_date(db: &mut Db) -> Result<()> {
    match db.version()? {
        SCHEMA => Ok(()),
        0..SCHEMA => db.write("bring up to date", |tx| {
            // Another process may have done it since we looked.
            let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version == 0 {
                tx.execute_batch(concat!(
                    include_str!("schema.sql"),
                    include_str!("log.sql"),
                    include_str!("tasks.sql")
                ))?;
            }
            for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default().wrapping_sub(1)) {
                step(tx)?;
            }
            tx.pragma_update(None, "user_version", SCHEMA)
        }),
        newer => {
            let cause = format!("its version is {newer}; this lanpost knows version {SCHEMA}");
            let error = Error::new(Kind::Corrupt, "open the store", db.path.display(), cause);
            Err(error.next("use the lanpost that made it, or a newer one"))
        }
    }
}

/// Ids that aged out stay known.
fn since_2(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS known (key BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS known_at ON known (at);",
    )
}

/// Whom keys belong to, and what was refused; how sure it is who wrote a message; from where on nothing old is news.
fn since_3(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(
        "ALTER TABLE message ADD COLUMN verdict TEXT;
         ALTER TABLE message ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
         CREATE INDEX message_held ON message (n) WHERE held;
         ALTER TABLE lane_in ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE lane_in ADD COLUMN floor_at INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE peer ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE pin (peer TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('pinned', 'pending', 'retired', 'revoked')), how TEXT NOT NULL,
            since INTEGER NOT NULL, PRIMARY KEY (peer, key)) STRICT, WITHOUT ROWID;
         CREATE TABLE refusal (peer TEXT NOT NULL, cause TEXT NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,
            last INTEGER NOT NULL, PRIMARY KEY (peer, cause)) STRICT, WITHOUT ROWID;",
    )
}

/// The log is a chain; what was logged before is chained as it was found, and the log says so. A restored store
/// remembers what senders were told.
fn since_4(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(include_str!("log.sql"))?;
    let mut statement = tx.prepare("SELECT at, way, peer, id, what, detail FROM transition ORDER BY n")?;
    let mut rows = statement.query([])?;
    let (mut count, mut last) = (0, 0);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let mut said = audit::said(row, 1)?;
        if said.id.is_empty() {
            // What happened to keys was the one thing that was logged of no message.
            (said.way, said.what) = ("event".to_owned(), format!("key-{}", said.what));
        }
        audit::append(tx, last, &said)?;
        count += 1;
    }
    drop(rows);
    drop(statement);
    tx.execute_batch(
        "DROP TABLE transition;
         CREATE TABLE told (peer TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT,
                            at INTEGER NOT NULL, PRIMARY KEY (peer, id)) STRICT, WITHOUT ROWID",
    )?;
    match count {
        0 => Ok(()),
        _ => {
            let detail =
                format!("the {count} entries before this one were written when the log was no chain yet");
            audit::event(tx, last, "log-chained", "", Some(&detail))
        }
    }
}

/// What is sealed, and to which key.
fn since_5(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch("ALTER TABLE message ADD COLUMN sealed TEXT; ALTER TABLE pin ADD COLUMN seal TEXT;")
}

/// What the wake policy has to remember, and by which route mail goes.
fn since_6(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(
        "ALTER TABLE message ADD COLUMN hops INTEGER;
         ALTER TABLE message ADD COLUMN wake_at INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE message ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE message ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE message ADD COLUMN misses INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE message ADD COLUMN digest BLOB;
         DROP INDEX message_wake;
         CREATE INDEX message_wake ON message (recipient, sender, state, wake_at, priority, verdict, n)
            WHERE wake = 'due';
         CREATE INDEX message_again ON message (wake_at) WHERE wake = 'accepted';
         CREATE INDEX message_unwoken ON message (wake, wake_at, n)
            WHERE state = 'delivered' AND wake IN ('failed', 'unread');
         ALTER TABLE wake ADD COLUMN reason TEXT;
         ALTER TABLE wake ADD COLUMN not_before INTEGER;
         ALTER TABLE wake ADD COLUMN sender TEXT NOT NULL DEFAULT '';
         ALTER TABLE wake ADD COLUMN verified INTEGER NOT NULL DEFAULT 1;
         ALTER TABLE wake ADD COLUMN reached INTEGER NOT NULL DEFAULT 1;
         DROP INDEX wake_agent;
         CREATE INDEX wake_agent ON wake (agent, sender, n);
         CREATE INDEX wake_time ON wake (at);
         CREATE TABLE woken (digest BLOB PRIMARY KEY, message INTEGER NOT NULL, at INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
         CREATE INDEX woken_at ON woken (at);
         CREATE TABLE route (peer TEXT PRIMARY KEY, via TEXT NOT NULL, url TEXT, since INTEGER NOT NULL, why TEXT,
            failures INTEGER NOT NULL, until INTEGER, contact INTEGER) STRICT, WITHOUT ROWID;
         ALTER TABLE message ADD COLUMN detour INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE message ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE gateway (peer TEXT PRIMARY KEY, usable INTEGER NOT NULL, after_direct INTEGER NOT NULL,
            url TEXT NOT NULL, since INTEGER NOT NULL, why TEXT, failures INTEGER NOT NULL, until INTEGER, pause TEXT)
            STRICT, WITHOUT ROWID;
         CREATE TABLE a2a (n INTEGER PRIMARY KEY, peer TEXT NOT NULL, thread TEXT NOT NULL, task TEXT,
            at INTEGER NOT NULL) STRICT;
         CREATE INDEX a2a_peer ON a2a (peer, thread);
         CREATE TABLE a2a_thread (peer TEXT NOT NULL, thread TEXT NOT NULL, generation INTEGER NOT NULL,
            at INTEGER NOT NULL, PRIMARY KEY (peer, thread)) STRICT, WITHOUT ROWID;",
    )
}

/// Conversations can be looked up, and words, whose index is filled little by little; of which broadcast a message is a
/// copy; who waits for which answers, and which requests nobody says anything about; mail waits for its time;
/// who took back what did not come yet. Tasks. What is attached to messages.
fn since_7(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(
        "ALTER TABLE told ADD COLUMN sender TEXT;
         CREATE INDEX message_thread ON message (thread, n) WHERE thread IS NOT NULL;
         CREATE INDEX message_replies ON message (in_reply_to, way, n) WHERE in_reply_to IS NOT NULL;
         ALTER TABLE message ADD COLUMN audience TEXT;
         ALTER TABLE message ADD COLUMN broadcast TEXT;
         ALTER TABLE message ADD COLUMN term INTEGER;
         ALTER TABLE message ADD COLUMN offered INTEGER;
         CREATE INDEX message_offer ON message (n)
            WHERE way = 'in' AND term IS NOT NULL AND state IN ('delivered', 'read');
         CREATE INDEX message_broadcast ON message (broadcast, n) WHERE way = 'out' AND broadcast IS NOT NULL;
         ALTER TABLE message ADD COLUMN silent_since INTEGER;
         CREATE INDEX message_silent ON message (silent_since) WHERE silent_since IS NOT NULL;
         CREATE TABLE awaited (peer TEXT NOT NULL, id TEXT NOT NULL, waiter TEXT NOT NULL, until INTEGER NOT NULL,
            PRIMARY KEY (peer, id, waiter)) STRICT, WITHOUT ROWID;
         ALTER TABLE message ADD COLUMN not_before INTEGER;
         ALTER TABLE message ADD COLUMN snoozed INTEGER;
         ALTER TABLE message ADD COLUMN settled TEXT;
         CREATE INDEX message_dead ON message (n) WHERE way = 'out' AND state IN ('failed', 'expired')
            AND settled IS NULL;
         CREATE INDEX message_scheduled ON message (not_before, peer) WHERE state = 'scheduled';
         CREATE INDEX message_snoozed ON message (snoozed) WHERE snoozed > 0 AND state = 'read';
         CREATE INDEX message_stale ON message (peer, expires) WHERE way = 'in' AND state = 'delivered'
            AND expires IS NOT NULL AND snoozed IS NULL AND kind != 'exec';
         CREATE VIRTUAL TABLE message_text USING fts5 (grams, content = '', contentless_delete = 1, detail = none,
            tokenize = 'ascii');
         CREATE TABLE blob (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, here INTEGER NOT NULL DEFAULT 0, put INTEGER,
            stamp TEXT, doubted INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 0, retry_at INTEGER NOT NULL DEFAULT 0, why TEXT, at INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
         CREATE INDEX blob_away ON blob (size) WHERE NOT here;
         CREATE INDEX blob_unput ON blob (size) WHERE here AND put IS NULL;
         CREATE TABLE attached (way TEXT NOT NULL, peer TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL,
            PRIMARY KEY (way, peer, id, hash)) STRICT, WITHOUT ROWID;
         CREATE INDEX attached_hash ON attached (hash);
         CREATE INDEX message_parcels ON message (state, n) WHERE state IN ('attaching', 'fetching');",
    )?;
    tx.execute_batch(include_str!("tasks.sql"))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::db::Way;

    /// What version 7 added.
    const TO_6: &str = "ALTER TABLE told DROP COLUMN sender;
        DROP INDEX message_thread; DROP INDEX message_replies; DROP INDEX message_broadcast;
        DROP INDEX message_offer; ALTER TABLE message DROP COLUMN term; ALTER TABLE message DROP COLUMN offered;
        ALTER TABLE message DROP COLUMN audience; ALTER TABLE message DROP COLUMN broadcast;
        DROP TABLE awaited; DROP INDEX message_silent; ALTER TABLE message DROP COLUMN silent_since;
        DROP TABLE message_text;
        DROP INDEX message_dead; ALTER TABLE message DROP COLUMN settled;
        DROP INDEX message_scheduled; DROP INDEX message_snoozed; DROP INDEX message_stale;
        ALTER TABLE message DROP COLUMN not_before; ALTER TABLE message DROP COLUMN snoozed;
        DROP TABLE task_event; DROP TABLE task; DROP TABLE task_wish;
        DROP TABLE blob; DROP TABLE attached; DROP INDEX message_parcels;";
    /// What version 6 added.
    const TO_5: &str =
        "DROP TABLE woken; DROP TABLE route; DROP INDEX wake_time; DROP INDEX message_wake; DROP INDEX message_again;
        DROP INDEX message_unwoken;
        CREATE INDEX message_wake ON message (recipient, state, priority, n) WHERE wake = 'due';
        ALTER TABLE message DROP COLUMN hops; ALTER TABLE message DROP COLUMN wake_at;
        ALTER TABLE message DROP COLUMN accepted; ALTER TABLE message DROP COLUMN digest;
        ALTER TABLE message DROP COLUMN failures; ALTER TABLE message DROP COLUMN misses;
        ALTER TABLE wake DROP COLUMN reason; ALTER TABLE wake DROP COLUMN not_before;
        ALTER TABLE wake DROP COLUMN verified; ALTER TABLE wake DROP COLUMN reached;
        DROP INDEX wake_agent; ALTER TABLE wake DROP COLUMN sender; CREATE INDEX wake_agent ON wake (agent, n);
        DROP TABLE gateway; DROP TABLE a2a; DROP TABLE a2a_thread; ALTER TABLE message DROP COLUMN detour;
        ALTER TABLE message DROP COLUMN posted;";
    /// What version 5 added.
    const TO_4: &str = "ALTER TABLE message DROP COLUMN sealed; ALTER TABLE pin DROP COLUMN seal;";
    /// The log as version 3 had it.
    const TO_3: &str = "DROP TABLE log; DROP TABLE told;
        CREATE TABLE transition (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, way TEXT NOT NULL,
                                 peer TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL, detail TEXT) STRICT;
        CREATE INDEX transition_id ON transition (id);
        INSERT INTO transition VALUES (3, 10, 'out', 'lab', 'm1', 'queued', NULL),
                                      (4, 15, 'in', 'lab', '', 'trust', 'pinned (first-sight): a key'),
                                      (7, 20, 'out', 'lab', 'm1', 'sent', 'to the lane under lease 1');";
    /// What version 3 added.
    const TO_2: &str = "DROP INDEX message_held; DROP TABLE pin; DROP TABLE refusal;
        ALTER TABLE message DROP COLUMN verdict; ALTER TABLE message DROP COLUMN held;
        ALTER TABLE lane_in DROP COLUMN floor; ALTER TABLE lane_in DROP COLUMN floor_at;
        ALTER TABLE peer DROP COLUMN doubted;";
    /// What version 2 added.
    const TO_1: &str = "DROP TABLE known;";

    #[test]
    fn a_newer_store_is_refused_and_an_older_one_brought_up_to_date() {
        let steps = [
            (1, [TO_6, TO_5, TO_4, TO_3, TO_2, TO_1].concat()),
            (2, [TO_6, TO_5, TO_4, TO_3, TO_2].concat()),
            (3, [TO_6, TO_5, TO_4, TO_3].concat()),
        ];
        for (version, back) in steps {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lanpost.db");
            drop(Db::open_or_make(&path).unwrap());
            let old = Connection::open(&path).unwrap();
            old.execute_batch(&format!("{back} PRAGMA user_version = {version}")).unwrap();
            let mut db = Db::open(&path).unwrap();
            assert_eq!(shape(&old), shape(&Db::in_memory().unwrap().connection), "as one that is made anew");
            assert_eq!(old.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(SCHEMA));
            let steps = db.transitions(Way::Out, "lab", &"m1".parse().unwrap()).unwrap();
            assert_eq!(steps.iter().map(|step| step.what.as_str()).collect::<Vec<_>>(), ["queued", "sent"]);
            assert_eq!(db.key_history("lab").unwrap().len(), 1);
            assert_eq!(db.log_head().unwrap().n, 4, "and a word about it");
            db.age_rows(0, 0, 0, 0).unwrap();
            old.pragma_update(None, "user_version", SCHEMA + 1).unwrap();
            assert!(Db::open(&path).unwrap_err().to_string().contains("its version is 8"));
        }
    }

    fn shape(c: &Connection) -> Vec<(String, String)> {
        let sql = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1, 2";
        let mut statement = c.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}
