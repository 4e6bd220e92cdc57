//! Sending what waits: into a peer's lane if it has a heartbeat of ours, else into its open slot.
//!
//! A lane batch is numbered in one local transaction; on the share the lease is looked at, the batch appended with one
//! write and one sync, and the doorbell touched: 4 operations a batch; a second transaction marks it sent. An append
//! that failed ends the segment; the same batch goes into the next one. A peer whose mailbox gives trouble holds up
//! nobody else. Lines are signed as they are written, and again when they are written again.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Map;

use crate::engine::gate;
use crate::engine::node::Node;
use crate::engine::tenure::Tenure;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::{self, Envelope, Priority, RECEIPT, format_time};
use crate::model::layout;
use crate::model::lockfile;
use crate::model::name::{Address, Name};
use crate::model::presence::Presence;
use crate::model::receipt::{Item, Receipt};
use crate::model::retry;
use crate::model::seal::{self, SealKey};
use crate::model::sign::Signer;
use crate::model::state::State;
use crate::store::db::{NewMessage, Outgoing, Peer, Way};
use crate::store::lane::{LaneWriter, Roll};
use crate::store::slot::{self, Appended, Lock};
use crate::sys::process;
use crate::sys::seal as crypt;
use crate::sys::share::Share;

/// Messages and bytes in one batch: large enough to hide a round trip, small enough to be one write.
const BATCH: (usize, usize) = (500, 1 << 20);
/// Batches for one peer in one step, so that other peers and incoming mail get their turn.
const TURNS: usize = 8;
/// Lines in one visit to an open slot.
const SLOT_BATCH: usize = 100;
/// How long a peer must have been online before its silence means that mail was lost.
const SETTLED_IN: Duration = Duration::from_secs(60);
/// Lanes kept open at once.
const OPEN: usize = 64;
/// A busy lockfile is tried again after this.
const LOCKED: Duration = Duration::from_millis(200);
/// A lockfile that stands still for this long is told of.
const TOLD_AFTER: Duration = Duration::from_secs(20);
/// After a lockfile was broken: longer than whoever judged it at the same time takes to remove it.
const BROKEN: Duration = Duration::from_secs(2);
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
}

/// Whose open slot we may hold the lockfile of; empty when none. Written before the lock is taken, so that a lock
/// that could not be removed, or that a crash left, is removed as soon as the share lets us.
const LOCK: &str = "lockfile";

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
        self.held.values().map(|held| held.until).min()
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
        now: Duration,
    ) -> Result<Round> {
        let mut round = Round::default();
        if let Err(error) = self.release(share, node) {
            if error.is_in_store() {
                return Err(error);
            }
            round.problems.push(error);
        }
        let waiting = node.db.waiting_peers()?;
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
            let (us, clock) = (node.instance().clone(), node.clock.clone());
            let key = node.db.seal_key(fold)?;
            let mut wrap = |mut receipt: Receipt| {
                let id = clock.message_id();
                receipt.items.iter_mut().for_each(|item| seal_reason(item, &us, key.as_ref()));
                let envelope = Envelope {
                    v: Some(envelope::VERSION),
                    id: Some(id.clone()),
                    from: us.to_string(),
                    to: Some(Address::from(to.clone())),
                    timestamp: Some(format_time(clock.wall())),
                    kind: RECEIPT.into(),
                    content: receipt.to_content(),
                    seq: None,
                    thread: None,
                    in_reply_to: None,
                    priority: Priority::Normal,
                    expires: None,
                    sealed: None,
                    rest: Map::new(),
                };
                let (peer, state) = (fold.to_owned(), State::Queued);
                NewMessage { way: Way::Out, peer, id, envelope, state, outcome: None }
            };
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
            let route = format!("to the lane under lease {lease}");
            node.db.sent(fold, &batch, Some(position), &route, node.clock.wall_ms())?;
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
        let lane = (node.instance(), lease, to);
        let wrote = |id: &str| node.db.has_sent(fold, id);
        let writer = match LaneWriter::open(share, lane, at, roll, wall, &wrote) {
            Err(error) if error.is_not_found() => {
                // The share is the right one; only the mailbox is not there yet.
                share.make_folder(&layout::mailbox(to))?;
                LaneWriter::open(share, lane, at, roll, wall, &wrote)?
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

    /// Removes the lockfile that an append of ours may have left. Cost: none, unless there was one.
    fn release(&mut self, share: &dyn Share, node: &mut Node) -> Result<()> {
        if self.released {
            return Ok(());
        }
        if let Some(to) = node.db.meta(LOCK)?.and_then(|to| Name::parse(&to).ok()) {
            let holder = node.db.meta("holder")?.unwrap_or_default();
            gate::look(share, node)?;
            slot::release(share, &to, (&holder, &process::host_name()))?;
            node.db.set_meta(LOCK, "")?;
        }
        self.released = true;
        Ok(())
    }

    fn send_slot(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        (to, fold): (&Name, &str),
        batch: &[Outgoing],
        signer: &Signer,
        now: Duration,
    ) -> Result<bool> {
        let lines: Vec<u8> =
            batch.iter().flat_map(|outgoing| outgoing.envelope.to_signed_plain_line(signer)).collect();
        let holder = node.db.meta("holder")?.unwrap_or_default();
        let attempt = node.clock.message_id();
        let host = process::host_name();
        let note = lockfile::note(&holder, &host, process::id(), attempt.as_str());
        gate::look(share, node)?;
        let slot = layout::open_slot(to);
        let len = share.stat(&slot)?.map_or(0, |meta| meta.len);
        if len >= node.config.keep.spool_bytes.0 {
            let error = Error::new(Kind::Full, "append to", slot, format!("it is {len} bytes long already"));
            return Err(error.next(
                "have it emptied or removed by whoever reads it, or raise `spool_bytes` in the config's table `keep`",
            ));
        }
        node.db.set_meta(LOCK, to.as_str())?;
        self.released = false;
        let (appended, unlocked) = slot::append(share, to, &lines, &note)?;
        if unlocked {
            node.db.set_meta(LOCK, "")?;
            self.released = true;
        }
        let held = self.held.entry(fold.to_owned()).or_default();
        match appended {
            Appended::Written => {
                self.held.remove(fold);
                node.db.sent(fold, batch, None, "to the open slot", node.clock.wall_ms())?;
                return Ok(batch.len() == SLOT_BATCH);
            }
            Appended::Locked(lock) => {
                let since =
                    held.lock.take().filter(|(seen, _)| *seen == lock).map_or(now, |(_, since)| since);
                let still = now.saturating_sub(since);
                if slot::is_left_behind(share, (node.instance(), to), (&holder, &host), &lock, still)? {
                    slot::break_lock(share, to, &lock)?;
                    held.until = now + BROKEN;
                    let lock = layout::open_slot_lock(to);
                    self.broken
                        .push(format!("{lock} was left behind by something that died; it was removed"));
                } else {
                    held.lock = Some((lock, since));
                    held.until = now + LOCKED;
                    if still >= TOLD_AFTER {
                        let cause = "its lockfile is held, and stands still";
                        let error = Error::new(Kind::Busy, "append to", layout::open_slot(to), cause);
                        return Err(error.next(
                            "it is broken 60 s after lanpost left it, 5 min after another tool did; if you know \
                             that nobody holds it, remove it",
                        ));
                    }
                }
            }
            Appended::Overwritten => held.until = now + TROUBLE.0,
        }
        Ok(false)
    }
}

/// What is said of a sealed message is sealed, too, or not said.
fn seal_reason(item: &mut Item, us: &Name, key: Option<&SealKey>) {
    let Some(reason) = item.reason.take_if(|_| item.private) else { return };
    let inner = seal::inner_reason(us.as_str(), item.id.as_str(), &reason);
    let mut encrypted = vec![];
    if key.is_some_and(|key| crypt::seal(key, &mut inner.as_slice(), &mut encrypted).is_ok()) {
        item.sealed = Some(seal::to_text(&encrypted));
    }
}
