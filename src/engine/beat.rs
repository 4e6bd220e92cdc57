//! Heartbeats: ours, written; the others', looked at.
//!
//! One status file per instance, replaced atomically by its owner. A look is one listing: a heartbeat whose time
//! changed counts as a beat without being read; its content is read when its length changed (a daemon that stops
//! says so in an extra field) and every five minutes.
//!
//! A heartbeat is believed if nobody's key is pinned for its name, or if it is signed by the key that is, and newer than
//! the one before. Otherwise the peer is what it was, and its silence is counted. What is touched without being changed
//! passes for a beat for as long as a content is believed, and no longer.

use std::collections::{BTreeMap, HashSet};

use crate::engine::gate;
use crate::engine::listening::{self, Listening};
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::attachment;
use crate::model::cancel;
use crate::model::direct::Announcement;
use crate::model::envelope::format_time;
use crate::model::group::ANY;
use crate::model::heartbeat::{self, Activity, Heartbeat, Proof};
use crate::model::layout::{self, MessagesEntry};
use crate::model::name::Name;
use crate::model::sign::{Key, Signer};
use crate::model::trust::{Cause, Meeting};
use crate::store::db::{Peer, Quarantined, Refusal};
use crate::store::{key, share_clock};
use crate::sys::process;
use crate::sys::share::{Meta, Share};

/// The largest status file that is read. Ours is below a kilobyte, plus its agents.
pub const MAX: usize = 16 * 1024;
/// How long a heartbeat's content is believed while its length stays the same, in milliseconds.
const BELIEVED: i64 = 300_000;

/// The key that our heartbeat on the share names.
const ANNOUNCED: &str = "announced";

/// Whether others can know by now that we have this key. Nothing is signed with it before.
pub fn is_announced(node: &Node, key: Key) -> Result<bool> {
    Ok(node.db.meta(ANNOUNCED)?.is_some_and(|announced| announced == key.to_string()))
}

/// Where our daemon listens, as it is announced.
fn announcement(node: &Node) -> Result<Option<Announcement>> {
    Ok(match listening::load(&node.db)? {
        Listening::At(announced) => Some(announced),
        Listening::Nowhere | Listening::Not(_) => None,
    })
}

/// Writes our heartbeat. Cost: 1 replace.
pub fn write(
    share: &dyn Share,
    node: &mut Node,
    signer: &Signer,
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
        roles: node.config.roles.clone(),
        lease,
        key: signer.key().to_string(),
        succeeds: key::past(&node.config.state)?,
        seal: ops::own_seal_key(node)?,
        direct: if state == Activity::Online { announcement(node)? } else { None },
        features: vec![ANY.to_owned(), cancel::FEATURE.to_owned(), attachment::FEATURE.to_owned()],
        host: process::host_name(),
        max_message: node.config.limits.message.0,
        rest: serde_json::Map::new(),
    };
    share.replace(&layout::status(node.instance()), &heartbeat.to_signed_bytes(signer))?;
    node.db.set_meta(ANNOUNCED, &heartbeat.key)?;
    node.db.set_meta("beat", &beat.to_string())
}

/// Our own heartbeat as it stands on the share, signed by our key or by one that it was given up for; whatever else is
/// there, anybody may have put there. Cost: 1 read.
pub fn ours(share: &dyn Share, node: &Node) -> Result<Option<Heartbeat>> {
    let found = share.read(&layout::status(node.instance()), 0, MAX)?;
    match found.and_then(|bytes| Heartbeat::read(&bytes)) {
        Some((beat, proof)) if beat.instance == *node.instance() && is_ours(node, &beat, proof)? => {
            Ok(Some(beat))
        }
        _ => Ok(None),
    }
}

/// Whether a heartbeat in our name is signed by our key, or by one that it was given up for.
fn is_ours(node: &Node, beat: &Heartbeat, proof: Proof) -> Result<bool> {
    let Proof::Signed(key) = proof else { return Ok(false) };
    let own = node.db.keys(&node.instance().fold(), node.clock.wall_ms())?.pinned();
    Ok(Some(key) == own || beat.former_keys(key).into_iter().any(|former| Some(former) == own))
}

/// Looks at one peer's heartbeat, whatever was seen of it before; returns whether its keys are others now. Cost: 1
/// stat, 1 read.
pub fn look_again(share: &dyn Share, node: &mut Node, fold: &str) -> Result<bool> {
    let Ok(name) = Name::parse(fold) else { return Ok(false) };
    let before = node.db.peer(fold)?;
    if before.is_none() && node.db.peer_count()? >= node.config.limits.peers {
        // No room; whoever counts them in the next scan says so.
        return Ok(false);
    }
    let name = before.as_ref().map_or(name, |peer| peer.name.clone());
    let Some(meta) = share.stat(&layout::status(&name))? else { return Ok(false) };
    let now = node.clock.wall_ms();
    let keys = node.db.keys(fold, now)?;
    if let Some(peer) = look_at(share, node, name, &meta, before.as_ref(), true)? {
        node.db.store_peers(&[peer])?;
    }
    Ok(node.db.keys(fold, now)? != keys)
}

/// What time it is by the clock of a peer, in milliseconds since 1970, reckoned from its heartbeat: ours may be an hour
/// off. `None` if it has none. Cost: nothing for a peer that beats before our eyes; else its heartbeat may have lain
/// there for long, and the share's clock tells for how long: 2 stats, 1 read, 1 replace, 1 stat. So it is with `exactly`
/// for everybody: that a heartbeat changed between two looks, an hour apart, says little of when.
pub fn their_time(share: &dyn Share, node: &mut Node, fold: &str, exactly: bool) -> Result<Option<i64>> {
    let now = node.clock.wall_ms();
    let reckoned = |peer: &Peer| reckoned(peer, now);
    let Some(peer) = node.db.peer(fold)?.filter(|peer| peer.heartbeat.is_some()) else { return Ok(None) };
    let beats = |interval: u64| i64::try_from(interval).unwrap_or(i64::MAX).saturating_mul(2_000);
    let interval = peer.heartbeat.as_ref().map_or(0, |beat| beat.interval);
    if !exactly && peer.changed_at.is_some_and(|at| now.saturating_sub(at) <= beats(interval)) {
        return Ok(reckoned(&peer).map(|(written, since)| written.saturating_add(since)));
    }
    look_again(share, node, fold)?;
    let Some(meta) = share.stat(&layout::status(&peer.name))? else { return Ok(None) };
    let lay = share_clock::age(share, node.instance(), &meta)?.as_millis();
    let lay = i64::try_from(lay).unwrap_or(i64::MAX);
    let peer = node.db.peer(fold)?;
    Ok(peer.as_ref().and_then(reckoned).map(|(written, since)| written.saturating_add(since.max(lay))))
}

/// The time by the clock of a peer, at least: what its heartbeat said when we read it, and what has passed since.
pub fn their_least_time(node: &Node, fold: &str) -> Result<Option<i64>> {
    let reckoned = |peer: Peer| reckoned(&peer, node.clock.wall_ms());
    Ok(node.db.peer(fold)?.and_then(reckoned).map(|(written, since)| written.saturating_add(since)))
}

/// The time in a peer's heartbeat, and how long ago we read it.
fn reckoned(peer: &Peer, now: i64) -> Option<(i64, i64)> {
    let written = chrono::DateTime::parse_from_rfc3339(&peer.heartbeat.as_ref()?.timestamp).ok()?;
    Some((written.timestamp_millis(), now.saturating_sub(peer.read_at).max(0)))
}

/// Looks who is on the share: everybody who is known, and others as long as there is room for them. Returns how many
/// found none. Cost: 1 list, a stat for each of them, and a read for each heartbeat whose content has to be known anew.
///
/// # Errors
/// The first status file that can't be read; the others were looked at all the same.
pub fn scan(share: &dyn Share, node: &mut Node) -> Result<usize> {
    let known = known(node)?;
    let mut guests = Guests::new(&known, node.config.limits.peers);
    let found = share.list_those(&layout::status_folder(), &mut |name| {
        layout::parse_status(name).is_some_and(|name| guests.admit(&name))
    })?;
    let (mut news, mut failed) = (vec![], Ok(()));
    let mut there = HashSet::new();
    let found: Vec<_> = found.into_iter().flatten().filter(|entry| !entry.meta.folder).collect();
    let spelled: HashSet<Name> = found.iter().filter_map(|entry| layout::parse_status(&entry.name)).collect();
    for entry in &found {
        let Some(name) = layout::parse_status(&entry.name) else { continue };
        let before = known.get(&name.fold());
        there.insert(name.fold());
        // On a share that tells `Lab` from `lab` anybody can put one beside the other.
        if before.is_some_and(|peer| peer.name != name && spelled.contains(&peer.name)) {
            continue;
        }
        if before.is_some_and(|peer| peer.stamp == stamp(&entry.meta) && peer.len == entry.meta.len) {
            continue;
        }
        match look_at(share, node, name, &entry.meta, before, false) {
            Ok(peer) => news.extend(peer),
            Err(error) if error.is_in_store() => return Err(error),
            Err(error) => failed = failed.and(Err(error)),
        }
    }
    node.db.store_peers(&news)?;
    let left_out = guests.left_out;
    if left_out > 0 {
        // Those that are not on the share any more make room, unless there is mail of theirs or for them.
        let gone = known.iter().filter(|(fold, peer)| !peer.stamp.is_empty() && !there.contains(*fold));
        node.db.forget_peers(&gone.map(|(fold, _)| fold.as_str()).collect::<Vec<_>>())?;
    }
    failed.map(|()| left_out)
}

/// Who is let in when there are more names than room: whoever is known, then whoever comes first.
struct Guests<'a> {
    known: &'a BTreeMap<String, Peer>,
    room: usize,
    left_out: usize,
}

impl<'a> Guests<'a> {
    fn new(known: &'a BTreeMap<String, Peer>, most: usize) -> Guests<'a> {
        Guests { known, room: most.saturating_sub(known.len()), left_out: 0 }
    }

    fn admit(&mut self, name: &Name) -> bool {
        if self.known.contains_key(&name.fold()) {
            return true;
        }
        let admitted = self.room > 0;
        self.room = self.room.saturating_sub(1);
        self.left_out += usize::from(!admitted);
        admitted
    }
}

/// What is known of a peer after a look; `None` if nothing is: what stands there is not its own.
fn look_at(
    share: &dyn Share,
    node: &mut Node,
    name: Name,
    meta: &Meta,
    before: Option<&Peer>,
    anew: bool,
) -> Result<Option<Peer>> {
    let now = node.clock.wall_ms();
    // Until now it spoke the plain protocol, if it was known at all.
    let lanpost = before.filter(|peer| !peer.stamp.is_empty());
    let seen = |heartbeat: Option<Heartbeat>, read_at, moved: bool, doubted| Peer {
        heartbeat,
        stamp: stamp(meta),
        len: meta.len,
        first_seen: lanpost.map_or(now, |peer| peer.first_seen),
        // The first sight of a file is no change: it may have lain there for a year.
        changed_at: lanpost.and_then(|peer| if moved { Some(now) } else { peer.changed_at }),
        read_at,
        doubted,
        // How it is spelled is for itself to say: mail goes where that says.
        name: before.map_or(&name, |peer| &peer.name).clone(),
    };
    let believed = before.filter(|peer| {
        let fresh = (0..BELIEVED).contains(&(now - peer.read_at));
        // What lay there when we came may have lain there for long; what it says is read when it first changes.
        let seen_to_beat = peer.changed_at.is_some();
        !anew && !peer.doubted && peer.len == meta.len && peer.heartbeat.is_some() && fresh && seen_to_beat
    });
    if let Some(peer) = believed {
        return Ok(Some(seen(peer.heartbeat.clone(), peer.read_at, true, false)));
    }
    let bytes = share.read(&layout::status(&name), 0, MAX)?.unwrap_or_default();
    let kept = before.and_then(|peer| peer.heartbeat.clone());
    let Some((beat, proof)) = Heartbeat::read(&bytes).filter(|(beat, _)| beat.instance.same_as(&name)) else {
        // A heartbeat that can't be read now (being replaced, say) does not turn a lanpost into a stranger; nor does
        // a foreign file prove that one lives whose heartbeats are signed.
        let bound = node.db.keys(&name.fold(), now)?.is_bound();
        return Ok(Some(seen(
            kept,
            before.filter(|_| bound).map_or(now, |peer| peer.read_at),
            !bound,
            bound,
        )));
    };
    match judge(share, node, &name, (&beat, &bytes), proof, kept.as_ref())? {
        Belief::Full => {
            let name = if proof == Proof::Unsigned { name.clone() } else { beat.instance.clone() };
            Ok(Some(Peer { name, ..seen(Some(beat), now, true, false) }))
        }
        Belief::None => Ok(before.map(|peer| seen(kept, peer.read_at, false, true))),
    }
}

/// Whether what a heartbeat says is taken for its name's word.
#[derive(PartialEq, Eq)]
enum Belief {
    Full,
    None,
}

fn judge(
    share: &dyn Share,
    node: &mut Node,
    name: &Name,
    (beat, bytes): (&Heartbeat, &[u8]),
    proof: Proof,
    kept: Option<&Heartbeat>,
) -> Result<Belief> {
    let (fold, now, trust) = (name.fold(), node.clock.wall_ms(), node.config.trust);
    let bound = node.db.keys(&fold, now)?.is_bound();
    if !name.same_as(node.instance()) {
        let known = matches!(proof, Proof::Signed(key) if node.db.keys(&fold, now)?.pinned() == Some(key));
        if !known && (bound || proof != Proof::Unsigned) {
            // News of keys are believed of our own share alone: another one may be mounted there by now, on which
            // somebody else has this name.
            gate::look(share, node)?;
        }
    }
    let cause = match proof {
        // What it says of us is how we treat mail to ourselves. Who else runs our instance is for `init` and the lease
        // to judge.
        _ if name.same_as(node.instance()) => {
            return Ok(if is_ours(node, beat, proof)? { Belief::Full } else { Belief::None });
        }
        Proof::Unsigned if !bound => return Ok(Belief::Full),
        Proof::Unsigned | Proof::Forged => Cause::Heartbeat,
        Proof::Signed(key) => match node.db.meet_key(name, key, &beat.former_keys(key), trust, now)? {
            Meeting::First | Meeting::Waits | Meeting::Succeeds(_) => {
                note_seal(node, name, key, beat)?;
                return Ok(Belief::Full);
            }
            Meeting::Known => {
                // A lease is new with every start, and a beat with every beat: the same one again was only touched, an
                // older one was kept by somebody, or the share was restored.
                let order = |beat: &Heartbeat| (beat.lease, beat.beat);
                let newer = kept.is_none_or(|kept| order(beat) > order(kept) || kept.key != beat.key);
                if newer {
                    // Its owner is there with the key that we know: another one that was seen is somebody else's.
                    node.db.dismiss_key(name, now)?;
                    note_seal(node, name, key, beat)?;
                }
                return Ok(if newer { Belief::Full } else { Belief::None });
            }
            Meeting::Outdated => return Ok(Belief::None),
            Meeting::Revoked => Cause::RevokedKey,
            Meeting::Changed => {
                // It counts when a person accepts the key, and not before.
                note_seal(node, name, key, beat)?;
                Cause::ChangedKey
            }
        },
    };
    let source = layout::status(name).to_string();
    // Its next one takes the place of this.
    let aside = Quarantined::new(&source, 0, bytes, cause.reason().to_owned(), None);
    node.db.refuse(&Refusal { peer: fold, cause, source }, &[aside], node.config.limits.quarantine.0, now)?;
    Ok(Belief::None)
}

/// Keeps the sealing key that a signed heartbeat names with the key that signed it.
fn note_seal(node: &mut Node, name: &Name, key: Key, beat: &Heartbeat) -> Result<()> {
    let seal = beat.seal.as_ref().and_then(|seal| seal.parse().ok());
    node.db.note_seal(name, key, seal.as_ref(), node.clock.wall_ms())
}

/// Looks for instances that have an open slot and no heartbeat: they speak the plain protocol. One whose slot got
/// shorter has read it. Cost: 1 list, and a stat for each of them.
pub fn scan_plain(share: &dyn Share, node: &mut Node) -> Result<()> {
    let now = node.clock.wall_ms();
    let known = known(node)?;
    let mut guests = Guests::new(&known, node.config.limits.peers);
    let found = share.list_those(&layout::messages(), &mut |name| match layout::parse_messages(name) {
        Some(MessagesEntry::OpenSlot(name)) => guests.admit(&name),
        _ => false,
    })?;
    let Some(entries) = found else { return Ok(()) };
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
            doubted: false,
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
