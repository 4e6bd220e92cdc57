//! Who is on the share, and whether they are there.

use serde::Serialize;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::heartbeat::Activity;
use crate::model::name::Name;
use crate::model::presence::Presence;
use crate::model::trust::{Keys, Standing};
use crate::store::db::Peer;

const WANTED: &str = "scan_wanted";
const DONE: &str = "scan_done";

/// A peer as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct PeerView {
    /// Its name.
    pub name: Name,
    /// Our judgement of it.
    pub presence: Presence,
    /// The agents behind it.
    pub agents: Vec<Name>,
    /// The PC it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its lanpost version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Seconds for which its heartbeat has stood still before our eyes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<u64>,
    /// Its public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `pinned`, `pending` (its key waits for a decision), `changed` (another one than the pinned waits), `revoked`, or
    /// `none`: it has no key.
    pub trust: &'static str,
}

/// Everybody seen on the share but ourselves, by name.
pub fn peers(node: &Node) -> Result<Vec<PeerView>> {
    let now = node.clock.wall_ms();
    let peers = node.db.peers()?;
    let others = peers.iter().filter(|peer| !peer.name.same_as(node.instance()));
    others.map(|peer| Ok(view(peer, &node.db.keys(&peer.name.fold(), now)?, now))).collect()
}

fn view(peer: &Peer, keys: &Keys, now: i64) -> PeerView {
    let waits = keys.0.iter().any(|pin| pin.standing == Standing::Pending);
    let beat = peer.heartbeat.as_ref();
    PeerView {
        name: peer.name.clone(),
        presence: peer.presence(now),
        agents: beat.map(|beat| beat.agents.clone()).unwrap_or_default(),
        host: beat.map(|beat| beat.host.clone()),
        version: beat.map(|beat| beat.lanpost.clone()),
        silent: beat.filter(|beat| beat.state == Activity::Online).map(|_| peer.silent(now).as_secs()),
        key: beat.map(|beat| beat.key.clone()),
        trust: match (keys.is_bound(), keys.pinned(), waits) {
            (true, _, true) => "changed",
            (_, Some(_), false) => "pinned",
            (true, None, false) => "revoked",
            (false, _, true) => "pending",
            (false, _, false) => "none",
        },
    }
}

/// Asks the daemon to look now who is on the share; returns a ticket for [`scan_done`].
pub fn request_scan(node: &mut Node) -> Result<i64> {
    let ticket = node.db.meta(WANTED)?.and_then(|n| n.parse::<i64>().ok()).unwrap_or(0) + 1;
    node.db.set_meta(WANTED, &ticket.to_string())?;
    node.ring();
    Ok(ticket)
}

/// Whether the look that `ticket` asked for has happened.
pub fn scan_done(node: &Node, ticket: i64) -> Result<bool> {
    Ok(node.db.meta(DONE)?.and_then(|n| n.parse::<i64>().ok()).unwrap_or(0) >= ticket)
}

/// The engine's side: the ticket that waits for a look, if one does.
pub(in crate::engine) fn scan_wanted(node: &Node) -> Result<Option<i64>> {
    let number = |key| -> Result<i64> { Ok(node.db.meta(key)?.and_then(|n| n.parse().ok()).unwrap_or(0)) };
    let wanted = number(WANTED)?;
    Ok((wanted > number(DONE)?).then_some(wanted))
}

/// The engine's side: the look has happened.
pub(in crate::engine) fn answer_scan(node: &mut Node, ticket: i64) -> Result<()> {
    node.db.set_meta(DONE, &ticket.to_string())
}
