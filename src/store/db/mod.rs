//! The local store: one SQLite database per instance, the hub of everything.
//!
//! Writers: the daemon's engine and any number of CLI processes; each write is one IMMEDIATE transaction, durable
//! when it returns (WAL, synchronous=FULL: one fsync a commit), but for one that says it is not (`write_soon`). A crash
//! leaves a committed state, always: the cursor moves in the transaction that takes in the lines, a message changes state in
//! the one that logs the transition.
//!
//! Questions asked at every step name their partial index (`INDEXED BY`): without statistics SQLite would scan the
//! whole history, and with it an index that goes missing is an error, not a slow daemon.

mod a2a;
mod abandoned;
mod ask;
mod attached;
mod audit;
mod backup;
mod blobs;
mod broadcasts;
mod cancel;
mod cursors;
mod dead;
mod direct;
mod due;
mod exec;
mod forgotten;
mod inbox;
mod intake;
mod lists;
mod message;
mod migrate;
mod offers;
mod outbox;
mod peers;
mod pins;
mod quarantine;
mod recall;
mod receipts;
mod refusals;
mod reports;
mod retention;
mod routes;
mod search;
mod tasks;
mod thread;
mod unneeded;
mod unwoken;
mod waiting;
mod wakes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

pub use a2a::Errand;
pub use ask::WAITS;
pub use attached::Parcel;
pub use audit::{LogFilter, Snapshot, Transition};
pub use backup::{Backup, RECALL, Restored};
pub use blobs::Transfer;
pub use cursors::{Cursor, GUARD};
pub use dead::{Dead, Settled};
pub use direct::Portion;
pub use inbox::{Handed, Taken};
pub use intake::{Arrival, Intake, Refused, Via};
pub use lists::Filter;
pub use message::{Message, NewMessage, Way, rfc3339};
pub use offers::{Offer, OfferKind};
pub use outbox::{Accepted, LaneOut, Outgoing, Position};
pub use peers::Peer;
pub use pins::{How, PinView};
pub use quarantine::Quarantined;
pub use recall::Recalled;
pub use refusals::{Refusal, Refused as RefusedCount};
pub use search::Scope;
pub use tasks::{Answer, KeptTask, QueuedEvent, TaskHome, TaskIntake, Wish};
pub use unneeded::Unneeded;
pub use waiting::{Due, Head, Pile, Sorted};
pub use wakes::{Ended, Failures, Retry, Wake};

use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// What to do about a store that can't be read.
const DAMAGED: &str = "move it away; then restore a backup, or start anew (`lanpost init --force`, with --share and --instance as before)";
/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// An open store.
#[derive(Debug)]
pub struct Db {
    connection: Connection,
    path: PathBuf,
}

impl Db {
    /// Opens the store at `path`.
    ///
    /// # Errors
    /// The folder is missing or read-only, the disk is full, the file is no database or an empty one, or a newer lanpost
    /// made it.
    pub fn open(path: &Path) -> Result<Db> {
        let store = Db::connect(path)?;
        if store.version()? == 0 {
            let cause = "it is empty: it was cut off, or something else made it";
            return Err(Error::new(Kind::Corrupt, "open the store", path.display(), cause)
                .next(DAMAGED)
                .in_store());
        }
        store.set_up()
    }

    /// Opens the store at `path`, making it if need be. Whoever has an instance opens it: to one that lost its
    /// content, an empty store would be silence.
    ///
    /// # Errors
    /// As for [`Db::open`].
    pub fn open_or_make(path: &Path) -> Result<Db> {
        Db::connect(path)?.set_up()
    }

    fn connect(path: &Path) -> Result<Db> {
        let connection = Connection::open(files::long(path)).map_err(|error| failed("open", path, error))?;
        connection.busy_timeout(BUSY).map_err(|error| failed("open", path, error))?;
        Ok(Db { connection, path: path.to_owned() })
    }

    fn version(&self) -> Result<i64> {
        self.query("read the version of", |c| c.query_row("PRAGMA user_version", [], |row| row.get(0)))
    }

    /// A store without a disk, for tests and examples.
    pub fn in_memory() -> Result<Db> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|error| failed("open", &path, error))?;
        Db { connection, path }.set_up()
    }

    fn set_up(mut self) -> Result<Db> {
        self.connection.set_prepared_statement_cache_capacity(128);
        // A plan does not depend on what is bound: otherwise SQLite plans most of our statements anew each time, to see
        // whether the values fit a partial index.
        let plans = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
        plans.map_err(|error| failed("open", &self.path, error))?;
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096;";
        self.connection.execute_batch(pragmas).map_err(|error| failed("open", &self.path, error))?;
        migrate::bring_up_to_date(&mut self)?;
        Ok(self)
    }

    /// Where it lies, for people.
    pub fn describe(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// A number that changes whenever another process commits: cheap to poll.
    pub fn data_version(&self) -> Result<i64> {
        self.query("look at", |c| c.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }

    /// A remembered value.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        self.query("read", |c| {
            c.prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }

    /// Remembers a value; writes nothing if it is the same already.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        if self.meta(key)?.as_deref() == Some(value) {
            return Ok(());
        }
        self.write("write", |tx| remember(tx, key, value))
    }

    /// Remembers a value and logs what it tells of, in one transaction; writes nothing if it is the same already and
    /// there is nothing to log. An event is a word, and more in words.
    pub fn set_meta_and_log(
        &mut self,
        key: &str,
        value: &str,
        events: &[(&str, String)],
        now: i64,
    ) -> Result<()> {
        if events.is_empty() {
            return self.set_meta(key, value);
        }
        self.write("write", |tx| {
            remember(tx, key, value)?;
            events.iter().try_for_each(|(what, detail)| audit::event(tx, now, what, "", Some(detail)))
        })
    }

    /// Remembers `value` unless something is remembered already; returns what is remembered then.
    pub fn set_meta_once(&mut self, key: &str, value: &str) -> Result<String> {
        self.write("write", |tx| {
            tx.execute("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING", [key, value])?;
            tx.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
        })
    }

    /// Belongs to another share from now on: nothing was read of it, and our lanes there begin anew.
    pub fn move_to_share(&mut self, id: &str) -> Result<()> {
        self.write("write", |tx| {
            tx.execute_batch(
                "DELETE FROM cursor; DELETE FROM slot_line; DELETE FROM lane_in; DELETE FROM lane_out; DELETE FROM peer;
                 DELETE FROM message WHERE way = 'out' AND kind = 'receipt' AND state IN ('queued', 'sent');
                 UPDATE message SET resend = 1 WHERE way = 'out' AND state = 'sent' AND lease IS NOT NULL;
                 UPDATE blob SET put = NULL, stamp = NULL, done = 0;
                 UPDATE message SET lease = NULL, seq = NULL WHERE way = 'out' AND state IN ('queued', 'sent');
                 DELETE FROM task_wish; DELETE FROM task; DELETE FROM task_event;
                 DELETE FROM meta WHERE key IN ('lease', 'leases held', 'announced', 'task log');",
            )?;
            tx.execute("UPDATE meta SET value = ?1 WHERE key = 'share'", [id]).map(drop)
        })
    }

    fn query<T>(&self, deed: &str, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection).map_err(|error| failed(deed, &self.path, error))
    }

    fn write<T>(&mut self, deed: &str, write: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        self.write_if(deed, |tx| Ok((write(tx)?, true)))
    }

    /// One transaction that is kept whatever becomes of this process, and lost if the PC's power fails before the next one is
    /// durable: nothing waits for the disk. For what a power cut may take back, since it is done again then.
    fn write_soon<T>(
        &mut self,
        deed: &str,
        write: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.synchronous(deed, "NORMAL")?;
        let written = self.write(deed, write);
        self.synchronous(deed, "FULL")?;
        written
    }

    fn synchronous(&self, deed: &str, how: &str) -> Result<()> {
        self.query(deed, |c| c.pragma_update(None, "synchronous", how))
    }

    /// One transaction, which is undone if the write says that it is not to be kept.
    fn write_if<T>(
        &mut self,
        deed: &str,
        write: impl FnOnce(&Transaction) -> rusqlite::Result<(T, bool)>,
    ) -> Result<T> {
        let path = &self.path;
        let fail = |error| failed(deed, path, error);
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let (value, keep) = write(&tx).map_err(fail)?;
        if keep { tx.commit() } else { tx.rollback() }.map_err(fail)?;
        Ok(value)
    }
}

fn remember(tx: &Transaction, key: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.prepare_cached(sql)?.execute([key, value]).map(drop)
}

fn failed(deed: &str, path: &Path, error: rusqlite::Error) -> Error {
    // Without room for its shared memory SQLite reports an I/O error and keeps the cause to itself.
    let full = error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    let code = if full { Some(ErrorCode::DiskFull) } else { error.sqlite_error_code() };
    let kind = match code {
        Some(ErrorCode::DiskFull) => Kind::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Busy,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Kind::Corrupt,
        _ => Kind::Io,
    };
    let step = match code {
        Some(ErrorCode::DiskFull) => "make room on that disk and try again; nothing was changed",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "let this user write to that folder"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => DAMAGED,
        _ => "try again",
    };
    Error::new(kind, format!("{deed} the store"), path.display(), error).next(step).in_store()
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn noise_or_nothing_is_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lanpost.db");
        crate::sys::files::replace(&path, b"").unwrap();
        let empty = Db::open(&path).unwrap_err();
        assert_eq!(empty.kind(), Kind::Corrupt, "{empty}");
        let noise = folder.path().join("noise.db");
        crate::sys::files::replace(&noise, &[7; 4096]).unwrap();
        assert_eq!(Db::open(&noise).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound_to_it() {
        let mut db = Db::in_memory().unwrap();
        // The index holds a part of the rows, by a column that is compared with what is bound.
        let sql = "CREATE TABLE t (a, b); CREATE INDEX i ON t (b) WHERE a = 'x'";
        db.write("try", |tx| tx.execute_batch(sql)).unwrap();
        let plans = db.query("try", |c| {
            let mut statement = c.prepare("SELECT count(*) FROM t WHERE a = ?1 AND b = ?2")?;
            for bound in ["x", "y", "x"] {
                statement.query_row([bound, bound], |row| row.get::<_, i64>(0))?;
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        });
        assert_eq!(plans.unwrap(), 0);
    }

    #[test]
    fn a_value_is_remembered_once_or_replaced() {
        let mut db = Db::in_memory().unwrap();
        assert_eq!(db.set_meta_once("k", "a").unwrap(), "a");
        assert_eq!(db.set_meta_once("k", "b").unwrap(), "a");
        db.set_meta("k", "c").unwrap();
        assert_eq!(db.meta("k").unwrap().as_deref(), Some("c"));
    }
}
