//! The blobs that are known here: which are kept, how far each is on its way, and what is to be moved next.
//!
//! A blob is in one row, however many messages need it. The porter alone moves them and says so here; a step of it that is
//! cut off leaves the row as it was, and what was written is looked at again. What could not be moved is tried again after
//! a pause that doubles; whoever sent it is told if it is not on the share, and the row is never given up while it is needed.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::attached::{COMING, GOING};
use super::{Db, receipts};
use crate::error::Result;
use crate::model::blob::{Blob, Hash};
use crate::model::state::State;

/// Pauses before a blob that could not be moved is tried again, in milliseconds: the first, and the longest.
const PAUSES: (i64, i64) = (1_000, 600_000);
/// How often in vain before its sender is told that a blob is not there; and how often after that.
pub(super) const TELLS: (i64, i64) = (3, 8);

/// A blob that is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which.
    pub blob: Blob,
    /// To the share; else from there.
    pub up: bool,
    /// What stands there under its name is not believed.
    pub doubted: bool,
    /// Bytes of it that were moved and synced before.
    pub done: u64,
}

impl Db {
    /// Notes that a blob is kept here, so that it stays until a message needs it.
    pub fn keep_blob(&mut self, blob: &Blob, now: i64) -> Result<()> {
        self.write("note a file in", |tx| want(tx, blob, true, now))
    }

    /// Whether any blob is known: without one there is nothing to be moved, and no message waits for any.
    pub fn knows_blobs(&self) -> Result<bool> {
        self.query("read", |c| {
            c.prepare_cached("SELECT EXISTS (SELECT 1 FROM blob)")?.query_row([], |row| row.get(0))
        })
    }

    /// How many bytes of blobs are kept here.
    pub fn kept_bytes(&self) -> Result<u64> {
        let sql = "SELECT coalesce(sum(size), 0) FROM blob WHERE here";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)))
            .map(i64::unsigned_abs)
    }

    /// Whether a blob of so many bytes is kept here.
    pub fn keeps_size(&self, size: u64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM blob WHERE here AND size = ?1)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([size as i64], |row| row.get(0)))
    }

    /// All blobs that are known, and those of them that are said to be here.
    pub fn blobs(&self) -> Result<(BTreeSet<Hash>, Vec<Blob>)> {
        self.query("read", |c| {
            let mut statement = c.prepare_cached("SELECT hash, size, here FROM blob")?;
            let mut rows = statement.query([])?;
            let (mut known, mut here) = (BTreeSet::new(), vec![]);
            while let Some(row) = rows.next()? {
                let blob = blob(row)?;
                known.insert(blob.blake3);
                here.extend(row.get::<_, bool>(2)?.then_some(blob));
            }
            Ok((known, here))
        })
    }

    /// A blob that was here is gone: a restored backup holds none, and disks lose some, or spoil them. Returns
    /// whether that is news.
    pub fn lost_blob(&mut self, hash: &Hash) -> Result<bool> {
        self.write("note a file in", |tx| {
            let hash = hash.to_string();
            let sql = "SELECT EXISTS (SELECT 1 FROM blob WHERE hash = ?1 AND here)";
            let news = tx.prepare_cached(sql)?.query_row([&hash], |row| row.get(0))?;
            let sql = "UPDATE blob SET here = 0, done = 0, retry_at = 0 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([hash])?;
            Ok(news)
        })
    }

    /// The smallest blob that is to be moved and may be tried at `now`, so that a large one holds up no small one.
    pub fn next_transfer(&self, now: i64) -> Result<Option<Transfer>> {
        self.query("read", |c| {
            // What a recipient asks for anew, whose own copy rotted, is needed though its message has arrived.
            let asked = format!("({GOING} OR b.doubted AND m.way = 'out')");
            let first = |up: bool, index: &str, which: &str, needs: &str| {
                let sql = format!(
                    "SELECT hash, size, doubted, done FROM blob b INDEXED BY {index}
                     WHERE {which} AND retry_at <= ?1 AND EXISTS
                        (SELECT 1 FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                         WHERE a.hash = b.hash AND {needs}) ORDER BY size LIMIT 1"
                );
                let transfer = |row: &Row| {
                    Ok(Transfer {
                        blob: blob(row)?,
                        up,
                        doubted: row.get(2)?,
                        done: row.get::<_, i64>(3)?.unsigned_abs(),
                    })
                };
                c.prepare_cached(&sql)?.query_row([now], transfer).optional()
            };
            let up = first(true, "blob_unput", "here AND put IS NULL", &asked)?;
            let down = first(false, "blob_away", "NOT here", COMING)?;
            Ok(up.into_iter().chain(down).min_by_key(|transfer| transfer.blob.size))
        })
    }

    /// When the next blob that could not be moved is to be tried again.
    pub fn next_retry(&self, now: i64) -> Result<Option<i64>> {
        let sql = "SELECT min(retry_at) FROM blob WHERE retry_at > ?1 AND (NOT here OR put IS NULL)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([now], |row| row.get(0)))
    }

    /// On the share a blob is larger or smaller than was said of it. Its hash will tell whether it is the one.
    pub fn resized(&mut self, hash: &Hash, size: u64) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET size = ?2, done = 0 WHERE hash = ?1 AND NOT here";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), size as i64]).map(drop)
        })
    }

    /// So many bytes of a blob were moved and synced.
    pub fn moved(&mut self, hash: &Hash, done: u64) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET done = ?2 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), done as i64]).map(drop)
        })
    }

    /// A blob is on the share, with this stamp.
    pub fn blob_put(&mut self, hash: &Hash, stamp: i128, now: i64) -> Result<()> {
        self.write("note a file in", |tx| {
            // Whoever asks for it again and again waits longer each time.
            let sql =
                "UPDATE blob SET put = ?2, stamp = ?3, tries = iif(doubted, tries, 0), doubted = 0, done = 0,
                       retry_at = 0, why = NULL WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), now, stamp.to_string()]).map(drop)
        })
    }

    /// A blob is here, verified.
    pub fn blob_here(&mut self, hash: &Hash) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql =
                "UPDATE blob SET here = 1, done = 0, tries = 0, retry_at = 0, why = NULL WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([hash.to_string()]).map(drop)
        })
    }

    /// A blob could not be moved: it is tried again after a pause. If it is `absent` from the share, or another one stands
    /// there in its place, those who sent it are told after a while, and put it there again.
    pub fn not_moved(&mut self, hash: &Hash, why: &str, absent: bool, now: i64) -> Result<()> {
        self.write("note a file in", |tx| {
            let tries = put_off(tx, hash, why, now)?;
            if !absent || tries < TELLS.0 || (tries - TELLS.0) % TELLS.1 != 0 {
                return Ok(());
            }
            let sql = format!(
                "SELECT m.peer, m.id FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                 WHERE a.hash = ?1 AND {COMING}"
            );
            let row = |row: &Row| Ok((row.get(0)?, row.get(1)?));
            let waiting: Vec<(String, String)> =
                tx.prepare_cached(&sql)?.query_map([hash.to_string()], row)?.collect::<rusqlite::Result<_>>()?;
            for (peer, id) in waiting {
                receipts::owe(tx, &peer, &id, State::Fetching.as_str(), now, Some(&hash.to_string()))?;
            }
            Ok(())
        })
    }
}

/// Counts a try in vain; returns how many there were.
pub(super) fn put_off(tx: &Transaction, hash: &Hash, why: &str, now: i64) -> rusqlite::Result<i64> {
    let sql = "UPDATE blob SET tries = tries + 1, why = ?2, retry_at = ?3 + min(?4 << min(tries, 20), ?5)
               WHERE hash = ?1 RETURNING tries";
    let given = params![hash.to_string(), why, now, PAUSES.0, PAUSES.1];
    Ok(tx.prepare_cached(sql)?.query_row(given, |row| row.get(0)).optional()?.unwrap_or_default())
}

pub(super) fn want(tx: &Transaction, blob: &Blob, here: bool, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO blob (hash, size, here, at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (hash) DO UPDATE SET here = max(here, excluded.here), at = excluded.at";
    let given = params![blob.blake3.to_string(), blob.size as i64, here, now];
    tx.prepare_cached(sql)?.execute(given).map(drop)
}

pub(super) fn hash(row: &Row) -> rusqlite::Result<Hash> {
    super::message::parsed(row, 0)
}

pub(super) fn blob(row: &Row) -> rusqlite::Result<Blob> {
    Ok(Blob { size: row.get::<_, i64>(1)?.unsigned_abs(), blake3: hash(row)? })
}
