//! What the engine found out about its surroundings, kept in the store for faces that run in other processes.
//!
//! Written by whoever holds the local lock, and only when it changes: a healthy idle daemon writes nothing.

use serde::{Deserialize, Serialize};

use crate::engine::hint::Mounted;
use crate::engine::stall;
use crate::error::Result;
use crate::model::finding::{self, Finding, Grade};
use crate::model::layout;
use crate::store::db::Db;
use crate::sys::root::Choice;
use crate::sys::share::Share;

const KEY: &str = "condition";

/// The surroundings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Why the share can't be used; `None` while it can.
    pub share_away: Option<String>,
    /// Since when the share is as it is (wall-clock milliseconds of this PC).
    pub share_since: i64,
    /// What last went wrong on a share that is there, while it does.
    pub trouble: Option<String>,
    /// The trouble that keeps mail of ours here: what others put on the share does not.
    #[serde(default)]
    pub hindrance: Option<String>,
    /// Another daemon holds this lease number of our instance: we stopped writing.
    pub lease_lost_to: Option<u64>,
    /// By which path the share is there, if not by the config's; kept for the next start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// How the share is mounted and who announces its changes, in words; empty if no daemon ran yet.
    pub mount: String,
    /// Options of the mount that stand against mail, each with what to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub harms: Vec<String>,
    /// How changes are noticed: `notifications` or `polling`.
    pub watching: String,
    /// Changes that a look found and no notification announced, since the daemon's start.
    pub missed_events: u64,
    /// What happened to the share and was mended, the newest last.
    pub incidents: Vec<Incident>,
    /// Why some of what is past its time could not be deleted on the share; it is tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unswept: Vec<String>,
    /// Why tasks wait on the share, or their page; mail does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<String>,
    /// Whose mail waits on the share for a quota of ours, and why: the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<(String, String)>,
    /// How many senders that is.
    pub over_quota: usize,
    /// Files of our mailbox that are looked at in turns, since there are too many.
    pub left_out: usize,
    /// Names on the share that there is no room to remember.
    pub unadmitted: usize,
    /// What lies on the share, when it was last walked.
    pub census: Option<Census>,
}

/// Senders over their quota that are told by name.
pub const TOLD: usize = 5;

/// Something that happened to the share, was recognised and mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When it was recognised (RFC 3339, this PC's clock).
    pub at: String,
    /// What it was.
    pub what: String,
}

/// Incidents that are remembered.
const INCIDENTS: usize = 20;

impl Condition {
    /// Notes how the share is mounted; returns every harm in its options, in words, the gravest first.
    pub fn mounted(&mut self, found: &Mounted) -> Vec<String> {
        let harms = finding::harms(&found.mount);
        let wrong = harms.iter().filter(|harm| harm.grade == Grade::Wrong);
        self.mount = found.words();
        self.harms = wrong.map(Finding::sentence).collect();
        harms.iter().map(Finding::sentence).collect()
    }

    /// Remembers what happened; what happens over and over is remembered once, with its last time.
    pub fn happened(&mut self, at: String, what: String) {
        self.incidents.retain(|known| known.what != what);
        self.incidents.push(Incident { at, what });
        let old = self.incidents.len().saturating_sub(INCIDENTS);
        self.incidents.drain(..old);
    }
}

/// What lies on the share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Files, at most [`WALKED`].
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are not lanpost's.
    pub foreign: u64,
    /// The first few of those.
    pub examples: Vec<String>,
}

/// How many files of a share are walked: a share full of foreign files must not hold up mail.
pub const WALKED: usize = 5_000;

/// Walks the share. Foreign files are counted and left alone.
pub fn census(share: &dyn Share) -> Result<Census> {
    let found = share.walk(WALKED)?;
    let foreign: Vec<&String> =
        found.files.iter().map(|(path, _)| path).filter(|path| !layout::is_ours(path)).collect();
    Ok(Census {
        files: found.files.len() as u64,
        bytes: found.files.iter().map(|(_, len)| len).sum(),
        foreign: foreign.len() as u64,
        examples: foreign.into_iter().take(3).cloned().collect(),
    })
}

/// What was last found out; the default if nothing was.
pub fn load(db: &Db) -> Result<Condition> {
    Ok(db.meta(KEY)?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// What keeps the running daemon from moving mail, in words; `None` if nothing does.
pub fn hindrance(db: &Db) -> Result<Option<String>> {
    if let Some(stall) = stall::load(db)? {
        return Ok(Some(format!("the share is {stall}")));
    }
    let condition = load(db)?;
    if let Some(lease) = condition.lease_lost_to {
        let lost = "another daemon runs this instance, and this one stopped writing";
        return Ok(Some(format!("{lost} (lease {lease}); `lanpost status` says more")));
    }
    Ok(condition.share_away.or(condition.hindrance))
}

/// Remembers it, if it changed.
pub fn store(db: &mut Db, condition: &Condition) -> Result<()> {
    db.set_meta(KEY, &serde_json::to_string(condition).unwrap_or_default())
}

/// Remembers it, if it changed, and logs what is new since `before`.
pub fn store_and_log(db: &mut Db, before: &Condition, condition: &Condition, now: i64) -> Result<()> {
    let json = serde_json::to_string(condition).unwrap_or_default();
    db.set_meta_and_log(KEY, &json, &news(before, condition), now)
}

/// What the log says of a change. Troubles are logged as they begin: those that last say something else all the time.
fn news(before: &Condition, now: &Condition) -> Vec<(&'static str, String)> {
    let mut news = vec![];
    match (&before.share_away, &now.share_away) {
        (None, Some(cause)) => news.push(("share-away", cause.clone())),
        (Some(_), None) => news.push(("share-back", String::new())),
        _ => {}
    }
    if let (None, Some(trouble)) = (&before.trouble, &now.trouble)
        && now.share_away.is_none()
    {
        news.push(("trouble", trouble.clone()));
    }
    if let Some(lease) = now.lease_lost_to.filter(|_| before.lease_lost_to != now.lease_lost_to) {
        news.push(("lease-lost", format!("to lease {lease}")));
    }
    let known = |incident: &&Incident| before.incidents.iter().all(|known| known.what != incident.what);
    news.extend(now.incidents.iter().filter(known).map(|incident| ("mended", incident.what.clone())));
    news
}
