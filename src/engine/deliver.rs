//! Sending what waits: into a peer's lane if it has a heartbeat of ours, else into its open slot.
//!
//! A lane batch is numbered in one local transaction; on the share the lease is looked at, the batch appended with one
//! write and one sync, and the doorbell touched: 4 operations a batch; a second transaction marks it sent. An append
//! that failed ends the segment; the same batch goes into the next one. A peer whose mailbox gives trouble holds up
//! nobody else. Lines are signed as they are written, and again when they are written again.

mod open_slot;

use std::collections::HashMap;
use std::time::Duration;

use open_slot::SLOT_BATCH;

use crate::engine::courier::STUCK;
use crate::engine::gate;
use crate::engine::hint::Role;
use crate::engine::node::Node;
use crate::engine::pulse::Pulse;
use crate::engine::slip::Slips;
use crate::engine::tenure::Tenure;
use crate::error::{Error, Kind, Result};
use crate::model::layout::{self, LaneFile};
use crate::model::name::Name;
use crate::model::presence::Presence;
use crate::model::retry;
use crate::model::route::Route;
use crate::model::sign::Signer;
use crate::store::db::Peer;
use crate::store::lane::{LaneWriter, Roll};
use crate::store::slot::Lock;
use crate::sys::share::Share;

/// Messages and bytes in one batch: large enough to hide a round trip, small enough to be one write.
const BATCH: (usize, usize) = (500, 1 << 20);
/// Batches for one peer in one step, so that other peers and incoming mail get their turn.
const TURNS: usize = 8;
/// How long a peer must have been online before its silence means that mail was lost.
const SETTLED_IN: Duration = Duration::from_secs(60);
/// Lanes kept open at once.
const OPEN: usize = 64;
/// Pauses after a peer's mailbox gave trouble.
const TROUBLE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What the engine remembers of the way out. All of it may be lost.
#[derive(Default)]
pub struct Outbox {
    writers: HashMap<String, LaneWriter>,
    held: HashMap<String, Held>,
    online_since: HashMap<String, Duration>,
    /// Lockfiles that were broken since the last round, in words.
    broken: Vec<String>,
    /// Whether the store was asked for a lockfile that an earlier run left.
    released: bool,
    /// Whether the courier comes round, if there is one.
    courier: Option<Pulse>,
    /// When to look whether it did, if mail was left to it.
    left_until: Option<Duration>,
}

#[derive(Default)]
struct Held {
    until: Duration,
    failures: u32,
    /// How often in a row there was nothing to send but receipts for somebody without a heartbeat.
    vain: u32,
    /// The lockfile that is in the way, and since when it stands still.
    lock: Option<(Lock, Duration)>,
}

/// What a round came to.
#[derive(Default)]
pub struct Round {
    /// More waits and may go at once.
    pub more: bool,
    /// What went wrong, a peer at a time.
    pub problems: Vec<Error>,
    /// What was found in the way and put right, in words.
    pub incidents: Vec<String>,
}

impl Outbox {
    /// There is a courier.
    pub fn beside(&mut self, courier: Pulse) {
        self.courier = Some(courier);
    }

    /// Forgets open files: the share was away, they may belong to what was mounted before.
    pub fn reset(&mut self) {
        self.writers.clear();
    }

    /// Whether some peer's mailbox gave trouble and is not tried again yet.
    pub fn is_troubled(&self) -> bool {
        self.held.values().any(|held| held.failures > 0)
    }

    /// When the next peer that was held may be tried again.
    pub fn due(&self) -> Option<Duration> {
        self.held.values().map(|held| held.until).chain(self.left_until).min()
    }

    /// Has mail written again that a peer did not acknowledge in time. Only for one that has been online for a while:
    /// one that comes back needs time to read what waits for it, and one that is gone would grow files for ever.
    pub fn resend_overdue(&mut self, node: &mut Node, peers: &[Peer], now: Duration) -> Result<()> {
        let wall = node.clock.wall_ms();
        for peer in peers {
            let fold = peer.name.fold();
            if peer.presence(wall) != Presence::Online {
                self.online_since.remove(&fold);
                continue;
            }
            let since = *self.online_since.entry(fold.clone()).or_insert(now);
            if now.saturating_sub(since) >= SETTLED_IN {
                node.db.resend_overdue(&fold, wall)?;
            }
        }
        Ok(())
    }

    /// Sends what waits, to every peer that is not held.
    ///
    /// # Errors
    /// Only the local store's; the share's are in the round.
    pub fn send(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        signer: &Signer,
        role: Role,
        now: Duration,
    ) -> Result<Round> {
        let mut round = Round::default();
        if let Err(error) = self.release(share, node) {
            if error.is_in_store() {
                return Err(error);
            }
            round.problems.push(error);
        }
        let mut waiting = node.db.waiting_peers()?;
        let courier = role != Role::Pass
            && self.courier.as_ref().is_none_or(|courier| courier.is_alive(false, Duration::ZERO, STUCK));
        self.left_until = None;
        for at in (0..waiting.len()).rev() {
            match way(node, &waiting[at], courier)? {
                Way::Share => continue,
                Way::Courier => self.left_until = Some(now + STUCK),
                Way::Elsewhere => {}
            }
            waiting.swap_remove(at);
        }
        waiting.sort_unstable();
        self.held.retain(|peer, _| waiting.contains(peer));
        for peer in waiting {
            if self.held.get(&peer).is_some_and(|held| held.until > now) {
                continue;
            }
            match self.send_to(share, node, &peer, tenure, signer, now) {
                Ok(more) => round.more |= more,
                Err(error) if error.is_in_store() => return Err(error),
                Err(error) if error.kind() == Kind::LeaseLost && tenure.lost_to().is_some() => {
                    round.problems.push(error);
                    break;
                }
                Err(error) if error.kind() == Kind::LeaseLost => {
                    // A new one is taken in the next step. What we wrote under this one had the numbers of others' mail.
                    tenure.abandon();
                    self.reset();
                    let again = node.db.resend(None, node.clock.wall_ms())?;
                    round
                        .incidents
                        .push(format!("{error}; {again} unacknowledged messages are written again"));
                    round.more = true;
                    break;
                }
                Err(error) => {
                    self.writers.remove(&peer);
                    let held = self.held.entry(peer).or_default();
                    held.failures += 1;
                    held.until = now + retry::backoff(TROUBLE.0, TROUBLE.1, held.failures);
                    round.problems.push(error);
                }
            }
        }
        round.incidents.append(&mut self.broken);
        Ok(round)
    }

    fn send_to(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        fold: &str,
        tenure: &mut Tenure,
        signer: &Signer,
        now: Duration,
    ) -> Result<bool> {
        match node.db.peer(fold)? {
            Some(Peer { name, heartbeat: Some(beat), .. }) => {
                let max = usize::try_from(beat.max_message).unwrap_or(usize::MAX);
                self.send_lane(share, node, (&name, fold), max, tenure, signer)
            }
            known => {
                let batch = node.db.waiting_plain(fold, SLOT_BATCH)?;
                let addressed = batch.first().and_then(|first| Some(first.envelope.to.clone()?.instance));
                match known.map(|peer| peer.name).or(addressed) {
                    Some(name) if !batch.is_empty() => {
                        tenure.check(share, node)?;
                        self.send_slot(share, node, (&name, fold), &batch, signer, now)
                    }
                    // Receipts alone, for somebody whose heartbeat was not seen yet, or is gone.
                    _ => {
                        let held = self.held.entry(fold.to_owned()).or_default();
                        held.vain += 1;
                        held.until = now + retry::backoff(TROUBLE.0, TROUBLE.1, held.vain);
                        Ok(false)
                    }
                }
            }
        }
    }

    fn send_lane(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        (to, fold): (&Name, &str),
        max: usize,
        tenure: &mut Tenure,
        signer: &Signer,
    ) -> Result<bool> {
        for _ in 0..TURNS {
            let Some(lease) = tenure.number() else { return Ok(false) };
            let wall = node.clock.wall_ms();
            let slips = Slips::new(node, to)?;
            let mut wrap = |receipt| slips.wrap(receipt);
            let batch = node.db.prepare(fold, lease, (BATCH.0, BATCH.1, max), wall, &mut wrap)?;
            if batch.is_empty() {
                self.held.remove(fold);
                return Ok(false);
            }
            if batch.iter().any(|outgoing| outgoing.again) {
                // What was lost may have been written into a file that is no longer the one of that name.
                self.writers.remove(fold);
            }
            let mut writer = self.writer(share, node, to, fold, lease)?;
            tenure.check(share, node)?;
            let lines: Vec<u8> =
                batch.iter().flat_map(|outgoing| outgoing.envelope.to_signed_line(lease, signer)).collect();
            let position = writer.append(&lines)?;
            self.keep(fold, writer);
            let wall = node.clock.wall_ms();
            let detour = node.db.route(fold)?.and_then(|route| route.detour(wall));
            let route = match detour {
                Some(why) => format!("to the lane under lease {lease} ({why})"),
                None => format!("to the lane under lease {lease}"),
            };
            node.db.sent(fold, &batch, Some(position), &route, wall)?;
            // The bell only shortens a wait: the mail is there without it.
            share.touch(&layout::bell(to))?;
            if batch.len() < BATCH.0 && node.db.waiting_peers()?.iter().all(|peer| peer != fold) {
                self.held.remove(fold);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The lane to `to`, open for writing: the one kept open, or opened anew where the store says it stands.
    fn writer(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        to: &Name,
        fold: &str,
        lease: u64,
    ) -> Result<LaneWriter> {
        let wall = node.clock.wall_ms();
        let age = i64::try_from(node.config.limits.segment_age.as_millis()).unwrap_or(i64::MAX);
        let roll = Roll { size: node.config.limits.segment.0, age };
        let at = node.db.lane_out(fold)?.filter(|lane| lane.lease == lease);
        let at = at.map(|lane| lane.position).unwrap_or_default();
        let goes_on = |writer: &LaneWriter| {
            at.is_open() && writer.position().segment == at.segment && !writer.is_full(roll, wall)
        };
        if let Some(writer) = self.writers.remove(fold).filter(goes_on) {
            return Ok(writer);
        }
        // A file is opened by its path: on the share we know, and not on what was mounted there since.
        gate::look(share, node)?;
        let path = |segment| layout::lane(to, &LaneFile { from: node.instance().clone(), lease, segment });
        let wrote = |id: &str| node.db.has_sent(fold, id);
        let writer = match LaneWriter::open(share, &path, at, roll, wall, &wrote) {
            Err(error) if error.is_not_found() => {
                // The share is the right one; only the mailbox is not there yet.
                share.make_folder(&layout::mailbox(to))?;
                LaneWriter::open(share, &path, at, roll, wall, &wrote)?
            }
            other => other?,
        };
        if writer.position().segment != at.segment {
            // Its reader may see it before anything is sent: if the share then forgets it, it is not begun again below.
            node.db.begin_segment(fold, writer.position())?;
        }
        Ok(writer)
    }

    fn keep(&mut self, fold: &str, writer: LaneWriter) {
        if self.writers.len() >= OPEN {
            self.writers.clear();
        }
        self.writers.insert(fold.to_owned(), writer);
    }
}

/// Who sends what waits for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// We do.
    Share,
    /// The courier, or we if it is stuck.
    Courier,
    /// Others alone: it is not to be written on the share.
    Elsewhere,
}

/// Who sends what waits for a peer; `courier`: there is one, and it comes round. None runs beside a pass.
fn way(node: &Node, fold: &str, courier: bool) -> Result<Way> {
    if !node.shares(fold)? {
        return Ok(Way::Elsewhere);
    }
    let direct = courier && node.db.route(fold)?.is_some_and(|route| route.via != Route::Share);
    Ok(if direct { Way::Courier } else { Way::Share })
}
