//! Where this daemon takes mail directly, or why it can't, and whether it is crowded there: noted by the daemon, for its
//! heartbeat and for `status`.
//!
//! One that was killed leaves its note, which nobody believes: the next begins with its own.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::direct::Announcement;
use crate::store::db::Db;

const KEY: &str = "direct";
const CROWDED: &str = "direct_crowded";

/// For so long, in milliseconds, it is told that it was crowded.
const LATELY: i64 = 10 * 60 * 1_000;

/// Where mail is taken directly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// Nowhere: the config names no place.
    #[default]
    Nowhere,
    /// Here.
    At(Announcement),
    /// Nowhere yet, for this reason.
    Not(String),
}

/// What was noted last.
pub(in crate::engine) fn load(db: &Db) -> Result<Listening> {
    Ok(db.meta(KEY)?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// The addresses at which mail is taken directly, if it is.
pub(in crate::engine) fn urls(db: &Db) -> Result<Vec<String>> {
    Ok(match load(db)? {
        Listening::At(announced) => announced.urls,
        Listening::Nowhere | Listening::Not(_) => vec![],
    })
}

/// Notes it, if it changed.
///
/// # Errors
/// The local store's.
pub fn store(db: &mut Db, listening: &Listening) -> Result<()> {
    db.set_meta(KEY, &serde_json::to_string(listening).unwrap_or_default())
}

/// What there was no room for, where mail is taken directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crowd {
    /// Connections: as many were open as may be.
    Connections,
    /// Posts: as many bytes of others were here as may be.
    Bodies,
}

impl Crowd {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Crowd::Connections => "our port had no room for more connections",
            Crowd::Bodies => "posts found no room beside others that were half sent",
        }
    }
}

/// Notes that it is crowded.
///
/// # Errors
/// The local store's.
pub(in crate::engine) fn store_crowd(db: &mut Db, crowd: Crowd, now: i64) -> Result<()> {
    db.set_meta(CROWDED, &serde_json::to_string(&(now, crowd)).unwrap_or_default())
}

/// What there was no room for lately, and how long ago that was, in milliseconds.
pub(in crate::engine) fn crowd(db: &Db, now: i64) -> Result<Option<(Crowd, i64)>> {
    let noted = db.meta(CROWDED)?.and_then(|json| serde_json::from_str::<(i64, Crowd)>(&json).ok());
    Ok(noted.map(|(at, crowd)| (crowd, now.saturating_sub(at))).filter(|(_, ago)| (0..LATELY).contains(ago)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_was_crowded_is_told_for_a_while() {
        let state = tempfile::tempdir().unwrap();
        let mut db = Db::open_or_make(&state.path().join("db")).unwrap();
        assert_eq!(crowd(&db, 0).unwrap(), None);
        store_crowd(&mut db, Crowd::Bodies, 1_000).unwrap();
        assert_eq!(crowd(&db, 3_000).unwrap(), Some((Crowd::Bodies, 2_000)));
        assert_eq!(crowd(&db, 1_000 + LATELY).unwrap(), None);
    }
}
