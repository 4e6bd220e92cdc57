//! Who is on the share, and whether they are there.

use std::time::Duration;

use serde::Serialize;

use super::RouteView;
use crate::engine::node::Node;
use crate::error::Result;
use crate::model::heartbeat::Activity;
use crate::model::name::Name;
use crate::model::presence::Presence;
use crate::model::role::Role;
use crate::model::trust::{Keys, Standing};
use crate::store::db::Peer;

/// For so long a peer is there whose daemon answered: it is asked every 20 s while its heartbeat stands still.
const HEARD: Duration = Duration::from_secs(60);

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
    /// What it and they are there for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
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
    /// By which route mail for it goes.
    pub route: RouteView,
    /// `pinned`, `pending` (its key waits for a decision), `changed` (another one than the pinned waits), `revoked`, or
    /// `none`: it has no key.
    pub trust: &'static str,
}

/// Everybody seen on the share but ourselves, by name; and those whose gateways the config names.
pub fn peers(node: &Node) -> Result<Vec<PeerView>> {
    let (now, runs) = (node.clock.wall_ms(), node.daemon_runs());
    let peers = known(node)?;
    let others = peers.iter().filter(|peer| !peer.name.same_as(node.instance()));
    others
        .map(|peer| {
            let keys = node.db.keys(&peer.name.fold(), now)?;
            Ok(view(peer, &keys, super::route(node, &peer.name, runs)?, presence(node, peer, runs)?))
        })
        .collect()
}

/// Everybody seen on the share, ourselves, too, by name; and those whose gateways the config names.
pub(super) fn known(node: &Node) -> Result<Vec<Peer>> {
    let now = node.clock.wall_ms();
    let mut peers = node.db.peers()?;
    let unseen = node.config.peers.keys().filter(|fold| node.config.gateway(fold).is_some());
    let unseen: Vec<Name> = unseen.filter_map(|fold| Name::parse(fold).ok()).collect();
    for name in unseen {
        if !peers.iter().any(|peer| peer.name.same_as(&name)) {
            peers.push(Peer {
                name,
                heartbeat: None,
                stamp: String::new(),
                len: 0,
                first_seen: now,
                changed_at: None,
                read_at: 0,
                doubted: false,
            });
        }
    }
    peers.sort_by_key(|peer| peer.name.fold());
    Ok(peers)
}

/// Our judgement of a peer, and for how long it has been silent: an answer of its daemon counts as much as a heartbeat on
/// a share that may be what failed. Only a daemon that `runs` hears such answers.
pub(super) fn presence(node: &Node, peer: &Peer, runs: bool) -> Result<(Presence, Duration)> {
    let now = node.clock.wall_ms();
    let (presence, silent) = (peer.presence(now), peer.silent(now));
    if !runs || matches!(presence, Presence::Online | Presence::Plain) {
        return Ok((presence, silent));
    }
    let contact = node.db.route(&peer.name.fold())?.and_then(|route| route.contact);
    let ago = contact.and_then(|at| u64::try_from(now.saturating_sub(at)).ok()).map(Duration::from_millis);
    Ok(match ago.filter(|ago| *ago < HEARD) {
        Some(ago) => (Presence::Online, silent.min(ago)),
        None => (presence, silent),
    })
}

fn view(peer: &Peer, keys: &Keys, route: RouteView, (presence, silent): (Presence, Duration)) -> PeerView {
    let waits = keys.0.iter().any(|pin| pin.standing == Standing::Pending);
    let beat = peer.heartbeat.as_ref();
    PeerView {
        name: peer.name.clone(),
        presence,
        agents: beat.map(|beat| beat.agents.clone()).unwrap_or_default(),
        roles: beat.map(|beat| beat.roles.clone()).unwrap_or_default(),
        host: beat.map(|beat| beat.host.clone()),
        version: beat.map(|beat| beat.lanpost.clone()),
        silent: beat.filter(|beat| beat.state == Activity::Online).map(|_| silent.as_secs()),
        key: beat.map(|beat| beat.key.clone()),
        route,
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
