//! The log of transitions: append-only, one row for everything that ever happened to a message.

use rusqlite::{Transaction, params};
use serde::Serialize;

use super::Db;
use super::message::{Way, rfc3339};
use crate::error::Result;
use crate::model::id::MessageId;

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

/// Appends to the log, in the transaction that does the deed.
pub(super) fn log(
    tx: &Transaction,
    now: i64,
    way: Way,
    peer: &str,
    id: &str,
    what: &str,
    detail: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO transition (at, way, peer, id, what, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.prepare_cached(sql)?.execute(params![now, way.as_str(), peer, id, what, detail]).map(drop)
}

impl Db {
    /// What happened to the keys of a name, oldest first.
    pub fn key_history(&self, peer: &str) -> Result<Vec<Transition>> {
        self.steps(Way::In, peer, "")
    }

    /// Everything that happened to a message, oldest first.
    pub fn transitions(&self, way: Way, peer: &str, id: &MessageId) -> Result<Vec<Transition>> {
        self.steps(way, peer, id.as_str())
    }

    fn steps(&self, way: Way, peer: &str, id: &str) -> Result<Vec<Transition>> {
        self.query("read", |c| {
            let sql = "SELECT at, way, what, detail FROM transition
                       WHERE id = ?1 AND way = ?2 AND peer = ?3 ORDER BY n";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map(params![id, way.as_str(), peer], |row| {
                Ok(Transition {
                    at: rfc3339(row.get(0)?),
                    way: row.get(1)?,
                    what: row.get(2)?,
                    detail: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }
}
