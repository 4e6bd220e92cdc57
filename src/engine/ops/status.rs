//! How this instance is doing, in one look at the local store.

mod problems;

use std::collections::BTreeMap;

use problems::{full_disk, problems};
use serde::Serialize;

use crate::engine::condition::{self, Census, Incident};
use crate::engine::listening;
use crate::engine::node::Node;
use crate::engine::stall::{self, Stall};
use crate::engine::wake::{Held, held};
use crate::error::Result;
use crate::model::chain::Head;
use crate::model::envelope::format_time;
use crate::model::name::Name;
use crate::store::db::{RefusedCount, Wake};
use crate::sys::flock::{Holder, LocalLock};
use crate::sys::{mount, seek};

/// Days for which an incident is shown.
const LATELY: i64 = 7;

/// Everything `lanpost status` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Who we are.
    pub instance: Name,
    /// The lanpost that answers.
    pub version: String,
    /// Who works on the state folder now; `None`: no daemon runs.
    pub daemon: Option<Holder>,
    /// The share.
    pub share: ShareView,
    /// The state folder.
    pub state_folder: String,
    /// Messages to us by state.
    pub incoming: BTreeMap<String, u64>,
    /// Messages from us by state.
    pub outgoing: BTreeMap<String, u64>,
    /// Messages that wait in the spool.
    pub spooled: u64,
    /// Messages that wait to be released.
    pub held: u64,
    /// Messages that are out of sight until their time comes.
    pub snoozed: u64,
    /// Lines that were set aside.
    pub quarantined: u64,
    /// What was refused, in whose name, and why.
    pub refused: Vec<RefusedCount>,
    /// Names with a key that waits for a decision.
    pub undecided: Vec<String>,
    /// Peers by presence.
    pub peers: BTreeMap<String, u64>,
    /// Where mail is taken directly, as our heartbeat says; empty without a daemon that listens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listens: Vec<String>,
    /// What holds wakes up, if something does: quiet hours, the budget, the other side, a hold by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakes_held: Option<Held>,
    /// Unread messages that nobody is woken for any more: their wakes failed, or were accepted and came to nothing.
    pub unwoken: u64,
    /// The last wakes.
    pub wakes: Vec<Wake>,
    /// How changes are noticed: `notifications`, `polling`, or empty if no daemon ran yet.
    pub watching: String,
    /// Changes that no notification announced, since the daemon's start.
    pub missed_events: u64,
    /// The newest entry of the log, as `log verify --expect` takes it.
    pub log_head: Head,
    /// What happened to the share in the last seven days and was mended, the newest last.
    pub incidents: Vec<Incident>,
    /// What a person should look at; empty when all is well.
    pub problems: Vec<String>,
}

/// The share as the engine last found it.
#[derive(Clone, Debug, Serialize)]
pub struct ShareView {
    /// Where it is mounted.
    pub path: String,
    /// By which path it is there, if not by that one: bytes that are no text as `\xNN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Its id; `None` before `init` saw it.
    pub id: Option<String>,
    /// How it is mounted and who announces its changes, in words, as the daemon found it at its start.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount: String,
    /// Whether it could be used when it was last tried; not while a call hangs.
    pub available: bool,
    /// Since when that is so (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why it can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The call in which the daemon hangs, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled: Option<Stall>,
    /// What lies on it, when the daemon last walked it (at its start and once a day).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub census: Option<Census>,
}

/// How this instance is doing. Reads the local store alone.
pub fn status(node: &Node) -> Result<Status> {
    let condition = condition::load(&node.db)?;
    let mut incoming = BTreeMap::new();
    let mut outgoing = BTreeMap::new();
    for (way, state, count) in node.db.counts()? {
        if way == "in" { &mut incoming } else { &mut outgoing }.insert(state, count);
    }
    let mut peers = BTreeMap::new();
    for peer in super::peers(node)? {
        *peers.entry(peer.presence.to_string()).or_insert(0) += 1;
    }
    let room = mount::room(&node.config.state);
    let since =
        chrono::DateTime::from_timestamp_millis(condition.share_since).filter(|_| condition.share_since > 0);
    let daemon = LocalLock::holder(&node.config.state);
    // Without a daemon the note is what a killed one left.
    let runs = daemon.as_ref().is_some_and(Holder::is_daemon);
    let stalled = if runs { stall::load(&node.db)? } else { None };
    let share = ShareView {
        path: seek::shown(&node.config.share.path),
        found: condition.choice.as_ref().map(|choice| choice.shown.clone()),
        id: node.db.meta("share")?,
        mount: condition.mount.clone(),
        available: condition.share_away.is_none() && stalled.is_none(),
        since: stalled.as_ref().map(|stall| stall.since.clone()).or(since.map(format_time)),
        cause: condition.share_away.clone(),
        stalled,
        census: condition.census.clone(),
    };
    let mut status = Status {
        instance: node.instance().clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        daemon,
        share,
        state_folder: seek::shown(&node.config.state),
        incoming,
        outgoing,
        spooled: node.db.spooled()?,
        held: node.db.held()?,
        snoozed: node.db.snoozed()?,
        quarantined: node.db.quarantine_count()?,
        refused: node.db.refusals()?,
        undecided: node.db.undecided()?,
        peers,
        listens: if runs { listening::urls(&node.db)? } else { vec![] },
        wakes_held: held(node)?,
        unwoken: node.db.unwoken()?,
        wakes: node.db.wakes(5)?,
        watching: condition.watching.clone(),
        missed_events: condition.missed_events,
        log_head: node.db.log_head()?,
        incidents: lately(&condition, node),
        problems: vec![],
    };
    status.problems = problems(&status, &condition, node, full_disk(room));
    Ok(status)
}

fn lately(condition: &condition::Condition, node: &Node) -> Vec<Incident> {
    let from = node.clock.wall() - chrono::TimeDelta::days(LATELY);
    let recent = |incident: &&Incident| {
        incident.at.parse::<chrono::DateTime<chrono::Utc>>().is_ok_and(|at| at >= from)
    };
    condition.incidents.iter().filter(recent).cloned().collect()
}
