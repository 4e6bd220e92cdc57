//! Heartbeats: ours, written; the others', looked at.
//!
//! One status file per instance, replaced atomically by its owner. A look is one listing: a heartbeat whose time
//! changed counts as a beat without being read; its content is read when its length changed (a daemon that stops
//! says so in an extra field) and every five minutes.

use std::collections::BTreeMap;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::envelope::format_time;
use crate::model::heartbeat::{self, Activity, Heartbeat};
use crate::model::layout::{self, MessagesEntry};
use crate::model::name::Name;
use crate::store::db::Peer;
use crate::sys::process;
use crate::sys::share::{Meta, Share};

/// The largest status file that is read.
pub const MAX: usize = 64 * 1024;
/// How long a heartbeat's content is believed while its length stays the same, in milliseconds.
const BELIEVED: i64 = 300_000;

/// Writes our heartbeat. Cost: 1 replace.
pub fn write(
    share: &dyn Share,
    node: &mut Node,
    state: Activity,
    reason: Option<&str>,
    lease: u64,
) -> Result<()> {
    let beat = node.db.meta("beat")?.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) + 1;
    let heartbeat = Heartbeat {
        lanpost: env!("CARGO_PKG_VERSION").into(),
        v: heartbeat::VERSION,
        instance: node.instance().clone(),
        state,
        reason: reason.map(str::to_owned),
        beat,
        timestamp: format_time(node.clock.wall()),
        interval: node.config.look.heartbeat.as_secs().max(1),
        agents: node.config.agents.clone(),
        lease,
        key: node.db.meta("key")?.unwrap_or_default(),
        succeeds: vec![],
        host: process::host_name(),
        max_message: node.config.limits.message.0,
        rest: serde_json::Map::new(),
    };
    share.replace(&layout::status(node.instance()), &heartbeat.to_bytes())?;
    node.db.set_meta("beat", &beat.to_string())
}

/// Looks who is on the share. Cost: 1 list, and a read for each heartbeat whose content has to be known anew.
///
/// # Errors
/// The first status file that can't be read; the others were looked at all the same.
pub fn scan(share: &dyn Share, node: &mut Node) -> Result<()> {
    let now = node.clock.wall_ms();
    let known = known(node)?;
    let (mut news, mut failed) = (vec![], Ok(()));
    for entry in share.list(&layout::status_folder())?.unwrap_or_default() {
        let Some(name) = layout::parse_status(&entry.name).filter(|_| !entry.meta.folder) else { continue };
        let before = known.get(&name.fold());
        if before.is_some_and(|peer| peer.stamp == stamp(&entry.meta) && peer.len == entry.meta.len) {
            continue;
        }
        match look_at(share, name, &entry.meta, before, now) {
            Ok(peer) => news.push(peer),
            Err(error) => failed = failed.and(Err(error)),
        }
    }
    node.db.store_peers(&news)?;
    failed
}

fn look_at(share: &dyn Share, name: Name, meta: &Meta, before: Option<&Peer>, now: i64) -> Result<Peer> {
    let believed = before.filter(|peer| {
        peer.len == meta.len && peer.heartbeat.is_some() && (0..BELIEVED).contains(&(now - peer.read_at))
    });
    let (heartbeat, read_at) = match believed {
        Some(peer) => (peer.heartbeat.clone(), peer.read_at),
        None => {
            let bytes = share.read(&layout::status(&name), 0, MAX)?.unwrap_or_default();
            let beat = Heartbeat::parse(&bytes).filter(|beat| beat.instance.same_as(&name));
            // A heartbeat that can't be read now (being replaced, say) does not turn a lanpost into a stranger.
            (beat.or_else(|| before.and_then(|peer| peer.heartbeat.clone())), now)
        }
    };
    // Until now it spoke the plain protocol, if it was known at all.
    let before = before.filter(|peer| !peer.stamp.is_empty());
    Ok(Peer {
        heartbeat,
        stamp: stamp(meta),
        len: meta.len,
        first_seen: before.map_or(now, |peer| peer.first_seen),
        // The first sight of a file is no change: it may have lain there for a year.
        changed_at: before.map(|_| now),
        read_at,
        name,
    })
}

/// Looks for instances that have an open slot and no heartbeat: they speak the plain protocol. One whose slot got
/// shorter has read it. Cost: 1 list.
pub fn scan_plain(share: &dyn Share, node: &mut Node) -> Result<()> {
    let now = node.clock.wall_ms();
    let known = known(node)?;
    let Some(entries) = share.list(&layout::messages())? else { return Ok(()) };
    let mut slots: BTreeMap<String, (Name, u64)> = BTreeMap::new();
    for entry in entries {
        if let Some(MessagesEntry::OpenSlot(name)) = layout::parse_messages(&entry.name) {
            slots.insert(name.fold(), (name, entry.meta.len));
        }
    }
    let mut news = vec![];
    for peer in known.values().filter(|peer| peer.stamp.is_empty()) {
        let len = slots.get(&peer.name.fold()).map_or(0, |(_, len)| *len);
        let changed_at = if len < peer.len { Some(now) } else { peer.changed_at };
        if len != peer.len {
            news.push(Peer { len, changed_at, ..peer.clone() });
        }
    }
    for (fold, (name, len)) in slots.into_iter().filter(|(fold, _)| !known.contains_key(fold)) {
        news.push(Peer {
            name,
            heartbeat: None,
            stamp: String::new(),
            len,
            first_seen: now,
            changed_at: node.db.heard(&fold)?,
            read_at: 0,
        });
    }
    node.db.store_peers(&news)
}

fn known(node: &Node) -> Result<BTreeMap<String, Peer>> {
    Ok(node.db.peers()?.into_iter().map(|peer| (peer.name.fold(), peer)).collect())
}

fn stamp(meta: &Meta) -> String {
    meta.stamp.to_string()
}
