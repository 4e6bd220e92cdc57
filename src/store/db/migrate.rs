//! The shape of the database, counted: a store of an older lanpost is brought up to date when it is opened, in one
//! transaction; one of a newer lanpost is refused.

use rusqlite::Transaction;

use super::{Db, audit};
use crate::error::{Error, Kind, Result};

/// The version that this lanpost makes.
pub(super) const SCHEMA: i64 = 3;

/// What leads from each version to the next, from 1 on.
const STEPS: [fn(&Transaction) -> rusqlite::Result<()>; SCHEMA as usize - 1] = [since_2, since_3];

/// Makes the tables, or what is missing of them.
///
/// # Errors
/// The store is of a newer lanpost, or can't be written.
pub(super) fn bring_up_to_date(db: &mut Db) -> Result<()> {
    match version(db)? {
        SCHEMA => Ok(()),
        0..SCHEMA => db.write("bring up to date", |tx| {
            // Another process may have done it since we looked.
            let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version == 0 {
                tx.execute_batch(concat!(include_str!("schema.sql"), include_str!("log.sql")))?;
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

fn version(db: &Db) -> Result<i64> {
    db.query("read the version of", |c| c.query_row("PRAGMA user_version", [], |row| row.get(0)))
}

/// Ids that aged out stay known.
fn since_2(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS known (key BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS known_at ON known (at);",
    )
}

/// The log is a chain; what was logged before is chained as it was found, and the log says so. A restored store
/// remembers what senders were told.
fn since_3(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute_batch(include_str!("log.sql"))?;
    let mut statement = tx.prepare("SELECT at, way, peer, id, what, detail FROM transition ORDER BY n")?;
    let mut rows = statement.query([])?;
    let (mut count, mut last) = (0, 0);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let said = audit::said(row, 1)?;
        audit::append(tx, last, &said)?;
        count += 1;
    }
    drop(rows);
    drop(statement);
    tx.execute_batch(
        "DROP TABLE transition;
         CREATE TABLE IF NOT EXISTS told (peer TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT,
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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// The log as version 2 had it.
    const OLD_LOG: &str = "DROP TABLE log;
        CREATE TABLE transition (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, way TEXT NOT NULL,
                                 peer TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL, detail TEXT) STRICT;
        CREATE INDEX transition_id ON transition (id);
        INSERT INTO transition VALUES (3, 10, 'out', 'lab', 'm1', 'queued', NULL),
                                      (7, 20, 'out', 'lab', 'm1', 'sent', 'to the lane under lease 1');";

    #[test]
    fn a_newer_store_is_refused_and_an_older_one_brought_up_to_date() {
        for (version, older) in [(1, "DROP TABLE known"), (2, "")] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("lanpost.db");
            drop(Db::open(&path).unwrap());
            let old = Connection::open(&path).unwrap();
            old.execute_batch(&format!("{OLD_LOG} {older}; PRAGMA user_version = {version}")).unwrap();
            let mut db = Db::open(&path).unwrap();
            db.age_rows(0, 0, 0, 0).unwrap();
            assert_eq!(old.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(SCHEMA));
            let steps = db.transitions(super::super::Way::Out, "lab", &"m1".parse().unwrap()).unwrap();
            assert_eq!(steps.iter().map(|step| step.what.as_str()).collect::<Vec<_>>(), ["queued", "sent"]);
            assert_eq!(db.log_head().unwrap().n, 3, "and a word about it");
            old.pragma_update(None, "user_version", SCHEMA + 1).unwrap();
            assert!(Db::open(&path).unwrap_err().to_string().contains("its version is 4"));
        }
    }
}
