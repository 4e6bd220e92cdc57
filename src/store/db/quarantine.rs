//! What could not be parsed, set aside with its bytes; it stops nothing after it.

use rusqlite::{Transaction, params};
use serde::Serialize;

use super::Db;
use super::audit::event;
use super::message::rfc3339;
use crate::error::Result;

/// How many bytes of a bad line are kept; the rest stays in its file, at `offset`.
const KEPT: usize = 64 * 1024;
/// How many entries are kept, whatever their size.
const MOST: i64 = 10_000;
/// Where it is counted what found no room.
const DROPPED: &str = "quarantine dropped";

/// A line, or a stretch of bytes, that was set aside.
#[derive(Clone, Debug, Serialize)]
pub struct Quarantined {
    /// Number in the quarantine.
    pub n: i64,
    /// When (RFC 3339, this PC's clock).
    pub at: String,
    /// Its file on the share.
    pub source: String,
    /// Where in that file it begins, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Why it was set aside.
    pub reason: String,
    /// How it was written, if that could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Its bytes, at most the first 64 KiB.
    #[serde(serialize_with = "hex")]
    pub raw: Vec<u8>,
}

fn hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl Quarantined {
    /// A new entry; number and time are given by the store.
    pub fn new(source: &str, offset: u64, raw: &[u8], reason: String, encoding: Option<String>) -> Self {
        Quarantined {
            n: 0,
            at: String::new(),
            source: source.to_owned(),
            offset,
            length: raw.len() as u64,
            reason,
            encoding,
            raw: raw[..raw.len().min(KEPT)].to_vec(),
        }
    }

    /// Keeps it; `false` if it was kept before.
    fn insert(&self, tx: &Transaction, now: i64) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO quarantine (at, source, offset, length, raw, reason, encoding)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS
                   (SELECT 1 FROM quarantine WHERE source = ?2 AND offset = ?3 AND raw = ?5)";
        let (offset, length) = (self.offset as i64, self.length as i64);
        tx.prepare_cached(sql)?
            .execute(params![now, self.source, offset, length, self.raw, self.reason, self.encoding])
            .map(|inserted| inserted > 0)
    }
}

/// Sets these aside as long as there is room for their bytes; the rest stays in its files and is counted. What was set
/// aside first stays: it is what tells how it began. The log tells of it once a read: a flood of bad lines is none of entries.
pub(super) fn set_aside(tx: &Transaction, all: &[Quarantined], room: u64, now: i64) -> rusqlite::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let sql = "SELECT count(*), coalesce(sum(octet_length(raw)), 0) FROM quarantine";
    let (mut count, mut bytes): (i64, i64) =
        tx.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut dropped, mut news) = (0, vec![]);
    for one in all {
        let size = one.raw.len() as i64;
        if count >= MOST || bytes + size > i64::try_from(room).unwrap_or(i64::MAX) {
            dropped += 1;
        } else if one.insert(tx, now)? {
            (count, bytes) = (count + 1, bytes + size);
            news.push(one);
        }
    }
    if let Some(first) = news.first() {
        let detail = format!("{}, from byte {}: {}", first.source, first.offset, first.reason);
        let more = if news.len() > 1 { format!(" (and {} more)", news.len() - 1) } else { String::new() };
        event(tx, now, "set-aside", "", Some(&(detail + &more)))?;
    }
    if dropped > 0 {
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = value + ?2";
        tx.prepare_cached(sql)?.execute(params![DROPPED, dropped.to_string()])?;
    }
    Ok(())
}

impl Db {
    /// What was set aside, newest last, at most the last `limit`.
    pub fn quarantine(&self, limit: usize) -> Result<Vec<Quarantined>> {
        self.query("read", |c| {
            let sql =
                "SELECT * FROM (SELECT n, at, source, offset, length, raw, reason, encoding FROM quarantine
                       ORDER BY n DESC LIMIT ?1) ORDER BY n";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([limit as i64], |row| {
                Ok(Quarantined {
                    n: row.get(0)?,
                    at: rfc3339(row.get(1)?),
                    source: row.get(2)?,
                    offset: row.get::<_, i64>(3)? as u64,
                    length: row.get::<_, i64>(4)? as u64,
                    raw: row.get(5)?,
                    reason: row.get(6)?,
                    encoding: row.get(7)?,
                })
            })?;
            rows.collect()
        })
    }

    /// How many unreadable lines found no room in the quarantine. They are where they were.
    pub fn quarantine_dropped(&self) -> Result<u64> {
        Ok(self.meta(DROPPED)?.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// How many entries the quarantine holds.
    pub fn quarantine_count(&self) -> Result<u64> {
        self.query("read", |c| c.query_row("SELECT count(*) FROM quarantine", [], |row| row.get::<_, i64>(0)))
            .map(|count| count as u64)
    }
}
