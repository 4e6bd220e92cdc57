//! A hold by hand: nobody is woken until it is over, or taken back. It lies in the store, so it outlives the daemon.

use serde::{Deserialize, Serialize};

use crate::engine::node::Node;
use crate::error::Result;
use crate::store::db::Db;

/// Where it is remembered.
const KEY: &str = "wake hold";

/// A hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// When it ends, in wall-clock milliseconds; `None`: when it is taken back.
    pub until: Option<i64>,
}

/// The hold that is in force at `now`.
pub fn load(db: &Db, now: i64) -> Result<Option<Hold>> {
    let hold = db.meta(KEY)?.and_then(|json| serde_json::from_str::<Hold>(&json).ok());
    Ok(hold.filter(|hold| hold.until.is_none_or(|until| until > now)))
}

/// Holds wakes, or takes a hold back (`None`), and logs it.
pub fn hold(node: &mut Node, hold: Option<Hold>, words: &str) -> Result<()> {
    let value = hold.and_then(|hold| serde_json::to_string(&hold).ok()).unwrap_or_default();
    let what = if hold.is_some() { "wakes-held" } else { "wakes-resumed" };
    let now = node.clock.wall_ms();
    node.db.set_meta_and_log(KEY, &value, &[(what, words.to_owned())], now)?;
    node.ring();
    Ok(())
}
