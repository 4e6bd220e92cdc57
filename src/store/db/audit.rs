//! The log: everything that ever happened to a message, and to the instance; append-only, and chained by hashes
//! ([`chain`]). An entry is written in the transaction that does the deed, and costs no fsync of its own.
//!
//! To log what is no message's matter, call [`Db::record`], or [`event`] within a transaction: a change of identity, of
//! the lease, of trust; a problem; a restored backup.
//!
//! What ages out with its message keeps its number, time and hashes ([`age`]); at the front of the log these go, too,
//! but for the last of them, the anchor ([`drop_aged`]). Triggers refuse any other change.

use rusqlite::{OptionalExtension, Row, ToSql, Transaction, params};
use serde::Serialize;

use super::Db;
use super::message::{Way, rfc3339};
use crate::error::Result;
use crate::model::chain::{Body, Entry, Hash, Head, Said};
use crate::model::id::MessageId;

/// The most that is kept of a detail, in bytes: what a peer wrote may be long.
const DETAIL: usize = 4_000;

/// One step of a message's journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// When, on this PC's clock (RFC 3339).
    pub at: String,
    /// `in` or `out`.
    pub way: String,
    /// A state's word, or `woken`, `wake-retry`, `wake-failed`, `resend`, …
    pub what: String,
    /// More about it: the route, the exit code, the recipient's own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which entries of the log to show.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Of the messages whose id begins so.
    pub message: Option<String>,
    /// Of this peer (folded), or about it.
    pub peer: Option<String>,
    /// Not before (wall-clock milliseconds).
    pub since: Option<i64>,
    /// No entries of messages.
    pub events: bool,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

/// Appends to the log what happened to a message.
pub(super) fn log(
    tx: &Transaction,
    now: i64,
    way: Way,
    peer: &str,
    id: &str,
    what: &str,
    detail: Option<&str>,
) -> rusqlite::Result<()> {
    append(tx, now, &entry(way.as_str(), peer, id, what, detail))
}

/// Appends to the log what happened to the instance; `about`: whom or what it is about, or empty.
pub(super) fn event(
    tx: &Transaction,
    now: i64,
    what: &str,
    about: &str,
    detail: Option<&str>,
) -> rusqlite::Result<()> {
    append(tx, now, &entry("event", about, "", what, detail))
}

fn entry(way: &str, peer: &str, id: &str, what: &str, detail: Option<&str>) -> Said {
    let detail = detail.map(|detail| cut(detail).to_owned());
    Said { way: way.to_owned(), peer: cut(peer).to_owned(), id: id.to_owned(), what: what.to_owned(), detail }
}

/// A detail as it is kept.
pub(super) fn cut(detail: &str) -> &str {
    let end = (0..=detail.len().min(DETAIL)).rev().find(|at| detail.is_char_boundary(*at));
    &detail[..end.unwrap_or_default()]
}

pub(super) fn append(tx: &Transaction, now: i64, said: &Said) -> rusqlite::Result<()> {
    let next = head(tx)?.after(now, said.digest());
    let sql =
        "INSERT INTO log (n, at, way, peer, id, what, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Said { way, peer, id, what, detail } = said;
    tx.prepare_cached(sql)?.execute(params![next.n, now, way, peer, id, what, detail, next.hash.0]).map(drop)
}

fn head(c: &rusqlite::Connection) -> rusqlite::Result<Head> {
    let newest = c
        .prepare_cached("SELECT n, hash FROM log ORDER BY n DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { n: row.get(0)?, hash: Hash(row.get(1)?) }));
    Ok(newest.optional()?.unwrap_or_default())
}

/// What an entry says, in the columns from `first` on.
pub(super) fn said(row: &Row, first: usize) -> rusqlite::Result<Said> {
    Ok(Said {
        way: row.get(first)?,
        peer: row.get(first + 1)?,
        id: row.get(first + 2)?,
        what: row.get(first + 3)?,
        detail: row.get(first + 4)?,
    })
}

/// Lets entries age out: of what they said a digest stays. Returns how many there were.
pub(super) fn age(tx: &Transaction, which: &str, given: &[&dyn ToSql]) -> rusqlite::Result<usize> {
    let sql = format!("SELECT n, way, peer, id, what, detail FROM log WHERE digest IS NULL AND {which}");
    let aged: Vec<(i64, Hash)> = tx
        .prepare_cached(&sql)?
        .query_map(given, |row| Ok((row.get(0)?, said(row, 1)?.digest())))?
        .collect::<rusqlite::Result<_>>()?;
    let sql = "UPDATE log SET way = NULL, peer = NULL, id = NULL, what = NULL, detail = NULL, digest = ?2 WHERE n = ?1";
    let mut update = tx.prepare_cached(sql)?;
    for (n, digest) in &aged {
        update.execute(params![n, digest.0])?;
    }
    Ok(aged.len())
}

/// Deletes what aged out at the front of the log, but for the last of it.
pub(super) fn drop_aged(tx: &Transaction) -> rusqlite::Result<()> {
    let sql = "SELECT coalesce((SELECT n FROM log WHERE digest IS NULL ORDER BY n LIMIT 1), max(n) + 1, 0) FROM log";
    let first: i64 = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    tx.prepare_cached("DELETE FROM log WHERE n < ?1")?.execute([first - 1]).map(drop)
}

const COLUMNS: &str = "n, at, hash, digest, way, peer, id, what, detail";

/// An entry; what somebody put there that is none becomes one that says nothing and whose hash is wrong.
fn from_row(row: &Row) -> rusqlite::Result<Entry> {
    let n = row.get(0)?;
    let whole = || -> rusqlite::Result<Entry> {
        let digest: Option<[u8; 32]> = row.get(3)?;
        let body = match digest {
            Some(digest) => Body::Aged(Hash(digest)),
            None => Body::Said(said(row, 4)?),
        };
        Ok(Entry { n, ms: row.get(1)?, body, hash: Hash(row.get(2)?) })
    };
    Ok(whole().unwrap_or(Entry { n, ms: 0, body: Body::Said(Said::default()), hash: Hash::default() }))
}

fn transition(row: &Row) -> rusqlite::Result<Transition> {
    Ok(Transition { at: rfc3339(row.get(0)?), way: row.get(1)?, what: row.get(2)?, detail: row.get(3)? })
}

/// The log as it stood at one moment.
pub struct Snapshot<'a>(Transaction<'a>);

impl Snapshot<'_> {
    /// Hands every entry from number `from` on to `see`, oldest first, until that says that it is enough (`false`).
    ///
    /// # Errors
    /// The store's, or those of `see`.
    pub fn walk(&self, from: i64, see: &mut dyn FnMut(Entry) -> Result<bool>) -> Result<()> {
        let fail = |error| super::failed("read the log of", self.path(), error);
        let sql = format!("SELECT {COLUMNS} FROM log WHERE n >= ?1 ORDER BY n");
        let mut statement = self.0.prepare_cached(&sql).map_err(fail)?;
        let mut rows = statement.query([from]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            if !see(from_row(row).map_err(fail)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The number that was given last, whether or not its entry is still there.
    pub fn last_given(&self) -> Result<i64> {
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log'";
        let last = self.0.query_row(sql, [], |row| row.get(0));
        last.map_err(|error| super::failed("read the log of", self.path(), error))
    }

    /// The entry before the first one that was written at or after `ms`; 0 if that is the first of all.
    pub fn before(&self, ms: i64) -> Result<i64> {
        let sql = "SELECT coalesce((SELECT n FROM log WHERE at >= ?1 ORDER BY n LIMIT 1) - 1, (SELECT max(n) FROM log), 0)";
        let n = self.0.query_row(sql, [ms], |row| row.get(0));
        n.map_err(|error| super::failed("read the log of", self.path(), error))
    }

    fn path(&self) -> &std::path::Path {
        std::path::Path::new(self.0.path().unwrap_or_default())
    }
}

impl Db {
    /// Logs what happened to the instance, and to no message: `what` in one word (`backup`), `about` whom or what
    /// (a peer's folded name, or empty), and more in words.
    pub fn record(&mut self, what: &str, about: &str, detail: Option<&str>, now: i64) -> Result<()> {
        self.write("write the log of", |tx| event(tx, now, what, about, detail))
    }

    /// What happened to the keys of a name, oldest first.
    pub fn key_history(&self, peer: &str) -> Result<Vec<Transition>> {
        self.query("read", |c| {
            let sql = "SELECT at, way, what, detail FROM log
                       WHERE way = 'event' AND peer = ?1 AND what GLOB 'key-*' ORDER BY n";
            c.prepare_cached(sql)?.query_map([peer], transition)?.collect()
        })
    }

    /// Everything that happened to a message, oldest first.
    pub fn transitions(&self, way: Way, peer: &str, id: &MessageId) -> Result<Vec<Transition>> {
        self.query("read", |c| {
            let sql = "SELECT at, way, what, detail FROM log
                       WHERE id = ?1 AND way = ?2 AND peer = ?3 ORDER BY n";
            let given = params![id.as_str(), way.as_str(), peer];
            c.prepare_cached(sql)?.query_map(given, transition)?.collect()
        })
    }

    /// Entries of the log, newest last; not those that aged out.
    pub fn log(&self, filter: &LogFilter) -> Result<Vec<Entry>> {
        self.query("read the log of", |c| {
            let sql = format!(
                "SELECT * FROM (SELECT {COLUMNS} FROM log WHERE digest IS NULL AND (?1 IS NULL OR id >= ?1 AND id < ?2)
                 AND (?3 IS NULL OR peer = ?3) AND (?4 IS NULL OR at >= ?4) AND (NOT ?5 OR way = 'event')
                 ORDER BY n DESC LIMIT ?6) ORDER BY n"
            );
            // Ids are ASCII, so everything with the prefix lies below prefix + DEL.
            let end = filter.message.as_ref().map(|prefix| format!("{prefix}\u{7f}"));
            let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
            let given = params![filter.message, end, filter.peer, filter.since, filter.events, limit];
            c.prepare_cached(&sql)?.query_map(given, from_row)?.collect()
        })
    }

    /// The newest entry.
    pub fn log_head(&self) -> Result<Head> {
        self.query("read the log of", head)
    }

    /// The log as it stands now, whatever is written meanwhile.
    pub fn log_snapshot(&self) -> Result<Snapshot<'_>> {
        let begun = self.connection.unchecked_transaction();
        begun.map(Snapshot).map_err(|error| super::failed("read the log of", &self.path, error))
    }
}

#[cfg(test)]
mod tests;
