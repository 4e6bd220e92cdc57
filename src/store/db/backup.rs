//! Backups of the store: a whole copy of the database in one file, with the files of the state folder beside it.
//!
//! A backup is itself an SQLite database: the store's tables, a table `backup` that says what it is, and a table
//! `backup_file`. It is made from one moment's state while others go on writing (SQLite's online backup), and checked.
//! A restore happens in one transaction on the store that is there, so whoever has it open goes on with it, nothing
//! that is accepted meanwhile falls between, and a crash leaves the one state or the other. What was there is first
//! backed up itself, in the same transaction.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{self, StepResult};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params, params_from_iter};

use super::{Db, audit, failed, migrate, pins, remember, search};
use crate::error::{Error, Kind, Result};
use crate::model::chain::Head;
use crate::sys::clock::pause;
use crate::sys::files;

const TABLES: &str = "CREATE TABLE backup (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
                      CREATE TABLE backup_file (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;";
/// How often a copy is tried that somebody's checkpoint is in the way of, and the pause between.
const BUSY: (usize, Duration) = (100, Duration::from_millis(50));

/// What a backup says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Whose it is.
    pub instance: String,
    /// When it was made (RFC 3339, that PC's clock).
    pub made: String,
    /// By which lanpost.
    pub version: String,
    /// Where the config lay.
    pub config: String,
    /// Files by their names: the state folder's, and the config as `config.toml`.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What a restore came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The log's newest entry before.
    pub was: Head,
    /// The log's newest entry in the backup.
    pub is: Head,
}

impl Db {
    /// Copies the store into `to`, an empty file, with what `about` says; durable when it returns.
    ///
    /// # Errors
    /// It can't be read or written; what was copied is damaged.
    pub fn back_up(&self, to: &Path, about: &Backup) -> Result<Head> {
        let fail = |error| of_file("write the backup to", to, error);
        let mut copy = Connection::open(files::long(to)).map_err(fail)?;
        run(&self.connection, &mut copy).map_err(fail)?;
        copy.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL").map_err(fail)?;
        let tx = copy.transaction().map_err(fail)?;
        describe(&tx, about).map_err(fail)?;
        tx.commit().map_err(fail)?;
        check(&copy, to)?;
        let head = copy.query_row("SELECT n, hash FROM log ORDER BY n DESC LIMIT 1", [], |row| {
            Ok(Head { n: row.get(0)?, hash: crate::model::chain::Hash(row.get(1)?) })
        });
        head.optional().map(Option::unwrap_or_default).map_err(fail)
    }

    /// Whether a file is a backup of ours. Nothing is written beside it, as would be beside a database that is in use.
    pub fn is_backup(path: &Path) -> bool {
        let mut head = [0; 20];
        let read = files::open(&files::long(path)).is_ok_and(|mut file| file.read_exact(&mut head).is_ok());
        // Of the two that follow the size of a page, 2 means a write-ahead log, which no backup has.
        if !read || !head.starts_with(b"SQLite format 3\0") || head[18..] != [1, 1] {
            return false;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sql = "SELECT count(*) = 2 FROM sqlite_schema WHERE name IN ('backup', 'backup_file')";
        Connection::open_with_flags(files::long(path), flags)
            .and_then(|c| c.query_row(sql, [], |row| row.get(0)))
            .unwrap_or(false)
    }

    /// What the backup at `path` says of itself.
    ///
    /// # Errors
    /// It is no backup of ours, or damaged.
    pub fn read_backup(path: &Path) -> Result<Backup> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let fail = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::Unknown) => {
                Error::usage("read the backup", path.display(), "it is no backup of lanpost's")
                    .next("name a file that `lanpost backup` made")
            }
            _ => of_file("read the backup", path, error),
        };
        let c = Connection::open_with_flags(files::long(path), flags).map_err(fail)?;
        let said = |c: &Connection| {
            let mut statement = c.prepare("SELECT key, value FROM backup")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<HashMap<String, String>>>()
        };
        let mut said = said(&c).map_err(fail)?;
        check(&c, path)?;
        let mut statement = c.prepare("SELECT name, bytes FROM backup_file ORDER BY name").map_err(fail)?;
        let files = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        let mut word = |key: &str| said.remove(key).unwrap_or_default();
        Ok(Backup {
            instance: word("instance"),
            made: word("made"),
            version: word("version"),
            config: word("config"),
            files: files.collect::<rusqlite::Result<_>>().map_err(fail)?,
        })
    }

    /// Puts the state of `from`, a store of this version, in place of this one; `aside`, an empty file, gets the state
    /// that was. `note` is what the log then says. What belongs to the time between is forgotten: the next one who works
    /// on the share takes a new lease, and recalls what our own lanes tell.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn restore(
        &mut self,
        from: &Db,
        aside: &Path,
        about: &Backup,
        note: &str,
        now: i64,
    ) -> Result<Restored> {
        let was = self.log_head()?;
        let is = from.log_head()?;
        // Another connection reads what was committed, and nobody commits while this one may.
        let reader =
            Connection::open(files::long(&self.path)).map_err(|error| failed("open", &self.path, error))?;
        let reader = Db { connection: reader, path: self.path.clone() };
        let path = self.path.clone();
        let mut kept = Ok(Head::default());
        let done = self.write_if("restore", |tx| {
            kept = reader.back_up(aside, about);
            if kept.is_err() {
                return Ok(((), false));
            }
            let (beat, held, revoked) = (meta(tx, "beat")?, meta(tx, "leases held")?, pins::revoked(tx)?);
            replace(tx, &from.connection)?;
            search::clear(tx)?;
            // Numbers that were given are not given again.
            if let Some(held) = held {
                remember(tx, "leases held", &held)?;
            }
            let before = meta(tx, "beat")?.and_then(|beat| beat.parse::<u64>().ok());
            if let Some(beat) = beat.and_then(|beat| beat.parse::<u64>().ok()).max(before) {
                remember(tx, "beat", &beat.to_string())?;
            }
            tx.execute("DELETE FROM meta WHERE key IN ('lease', 'rival', 'tails')", [])?;
            remember(tx, RECALL, note)?;
            // A gateway leaves no sign of what went through it since.
            tx.execute(
                "UPDATE message SET detour = 1 WHERE way = 'out' AND state IN ('queued', 'attaching', 'scheduled')",
                [],
            )?;
            audit::event(tx, now, "restored", "", Some(note))?;
            pins::revoke_again(tx, &revoked, now)?;
            Ok(((), true))
        });
        kept.and(done).map(|()| Restored { was, is }).map_err(|error| match error.kind() {
            Kind::Busy => error.or_next("end the command that works on it, and try again"),
            _ => error.or_next(format!("{} is as it was", path.display())),
        })
    }
}

/// Where it is kept that our own lanes are to be looked at: after a restore, the words for it; else empty.
pub const RECALL: &str = "recall";

fn meta(tx: &Transaction, key: &str) -> rusqlite::Result<Option<String>> {
    tx.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// All pages in one go: they are those of one moment, and no writer has to wait.
fn run(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    let copy = backup::Backup::new(from, to)?;
    for _ in 0..BUSY.0 {
        match copy.step(-1)? {
            StepResult::Done => return Ok(()),
            _ => pause(BUSY.1),
        }
    }
    Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None))
}

fn describe(tx: &Transaction, about: &Backup) -> rusqlite::Result<()> {
    // A backup of what was restored, or set aside, may have them.
    tx.execute_batch("DROP TABLE IF EXISTS backup; DROP TABLE IF EXISTS backup_file;")?;
    tx.execute_batch(TABLES)?;
    let Backup { instance, made, version, config, files } = about;
    for (key, value) in [("instance", instance), ("made", made), ("version", version), ("config", config)] {
        tx.execute("INSERT INTO backup VALUES (?1, ?2)", [key, value])?;
    }
    for (name, bytes) in files {
        tx.execute("INSERT INTO backup_file VALUES (?1, ?2)", params![name, bytes])?;
    }
    Ok(())
}

fn check(c: &Connection, path: &Path) -> Result<()> {
    let found = c.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| of_file("check", path, error))?.as_str() {
        "ok" => Ok(()),
        damage => {
            let cause = format!("it is damaged ({})", damage.replace("*** in database main ***", "").trim());
            let error = Error::new(Kind::Corrupt, "use the backup", path.display(), cause);
            Err(error.next("use another backup, and look at the disk"))
        }
    }
}

/// Puts the tables of `from` in place of ours, but for the index of words, whose tables are its own.
fn replace(tx: &Transaction, from: &Connection) -> rusqlite::Result<()> {
    let tables = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                  AND name NOT IN ('backup', 'backup_file') AND name NOT GLOB 'message_text*'";
    for (table, _) in pairs(tx, tables)? {
        tx.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    let wanted = pairs(from, tables)?;
    for (_, sql) in &wanted {
        tx.execute_batch(sql)?;
    }
    for table in wanted.iter().map(|(name, _)| name.as_str()).chain(["sqlite_sequence"]) {
        tx.execute_batch(&format!("DELETE FROM \"{table}\""))?;
        copy(tx, from, table)?;
    }
    let rest = "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL";
    for (_, sql) in pairs(from, rest)? {
        tx.execute_batch(&sql)?;
    }
    tx.pragma_update(None, "user_version", migrate::SCHEMA)
}

fn copy(tx: &Transaction, from: &Connection, table: &str) -> rusqlite::Result<()> {
    let mut rows = from.prepare(&format!("SELECT * FROM \"{table}\""))?;
    let columns = rows.column_count();
    let places = vec!["?"; columns].join(", ");
    let mut insert = tx.prepare(&format!("INSERT INTO \"{table}\" VALUES ({places})"))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>()?;
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}

fn pairs(c: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    c.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn of_file(deed: &str, path: &Path, error: rusqlite::Error) -> Error {
    let cause = error.to_string();
    let known = failed(deed, path, error);
    Error::new(known.kind(), deed, path.display(), cause)
        .next(known.next_step().unwrap_or("try again").to_owned())
}
