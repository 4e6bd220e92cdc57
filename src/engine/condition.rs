//! What the engine found out about its surroundings, kept in the store for faces that run in other processes.
//!
//! Written by whoever holds the local lock, and only when it changes: a healthy idle daemon writes nothing.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::store::db::Db;

const KEY: &str = "condition";

/// The surroundings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Why the share can't be used; `None` while it can.
    pub share_away: Option<String>,
    /// Since when the share is as it is (wall-clock milliseconds of this PC).
    pub share_since: i64,
    /// Another daemon holds this lease number of our instance: we stopped writing.
    pub lease_lost_to: Option<u64>,
    /// How changes are noticed: `notifications` or `polling`.
    pub watching: String,
    /// Changes that a look found and no notification announced, since the daemon's start.
    pub missed_events: u64,
    /// Gaps in lanes that their writers were asked to fill.
    pub gaps: u64,
}

/// What was last found out; the default if nothing was.
pub fn load(db: &Db) -> Result<Condition> {
    Ok(db.meta(KEY)?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// Remembers it, if it changed.
pub fn store(db: &mut Db, condition: &Condition) -> Result<()> {
    db.set_meta(KEY, &serde_json::to_string(condition).unwrap_or_default())
}
