//! Handing mail to peers' daemons over the network, and deciding when the share does it instead.
//!
//! A step function on the local store alone, through a node of its own: it never touches the share, so mail goes on while
//! that hangs. What it orders, the shell posts; how that went, goes into a later step.
//!
//! - One post to a peer is on its way at a time, so its order is kept.
//! - A post carries the lines that the share would carry, number for number ([`direct`](crate::store::db::Portion)). What
//!   became of one that failed is never assumed: the same lines go by the share, and whoever gets both knows them.
//! - An attempt that runs out of time is made again with less, or, where nothing else could carry it, given longer
//!   ([`Stride`]). Where the share can, it has the mail when the time of one attempt is over, whatever its size.
//! - What was shown to a peer and not answered counts as possibly taken: the peer alone may say that its time ran out.
//! - The first failure opens the peer's [`Circuit`]: the engine is told, and sends by the share. Probes find out when the
//!   direct way is back; another address in the peer's heartbeat is tried at once.
//! - An answer counts if it is a receipt that the peer signed, and says that all of the post was taken.
//! - A peer has a direct route if the config allows it, and its heartbeat, signed by the key that is pinned for it, says
//!   where its daemon listens.
//!
//! A courier that does not come round for 2 s is stuck, as the engine sees by its [`Pulse`], and sends by the share.
//!
//! The route of each peer stands in the store, for the engine, which leaves those alone that go directly, and for faces.

mod answer;
mod choice;
mod order;
mod place;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::order::{CourierStep, Post, PostResult, Posted, Probe};
use crate::engine::listening::{self, Crowd, Listening};
use crate::engine::node::Node;
use crate::engine::pulse::Pulse;
use crate::engine::slip::Slips;
use crate::engine::{beat, condition, due, ops, tenure};
use crate::error::Result;
use crate::model::circuit::Circuit;
use crate::model::direct::{self, Target};
use crate::model::presence::Presence;
use crate::model::route::Route;
use crate::model::sign::Signer;
use crate::model::stride::Stride;
use crate::store::db::{Outgoing, Peer, Portion};
use crate::sys::seal::Identities;

/// The longest rest: what nobody announced is found by then.
const IDLE: Duration = Duration::from_secs(5);
/// How long a peer is left alone that does not let us in: it has to learn our key first.
const UNKNOWN: Duration = Duration::from_secs(20);

/// What a daemon answers whose time for the post was over before all of it was there.
const TOO_SLOW: u16 = 408;

/// What a daemon answers that misses something before the lines.
const CONFLICT: u16 = 409;
/// For so long (milliseconds) a daemon that answered is there.
const HEARD: i64 = 20_000;

/// One that does not come round for so long is stuck.
pub(in crate::engine) const STUCK: Duration = Duration::from_secs(2);

/// The direct way to one peer.
#[derive(Default)]
struct Line {
    target: Option<Target>,
    /// Why there is none, though the peer says where it listens.
    nowhere: Option<&'static str>,
    circuit: Circuit,
    /// By which heartbeat the target is known: its lease and beat.
    known_by: Option<(u64, u64)>,
    /// What is on its way.
    posted: Option<Batch>,
    probing: bool,
    /// The lease under which the order of numbers is that of acceptance.
    aligned: Option<u64>,
    /// From which number on the peer wants lines.
    from: Option<u64>,
    gaps: u32,
    /// How much it carries at once.
    stride: Stride,
    why: Option<String>,
    since: i64,
    /// When its daemon last answered, in wall-clock milliseconds.
    contact: Option<i64>,
    url: Option<String>,
}

struct Batch {
    lease: u64,
    lines: Vec<Outgoing>,
    /// How long the lines are.
    size: usize,
    /// Nothing else could carry them.
    alone: bool,
}

/// The direct ways of one instance, a step at a time.
pub struct Courier {
    node: Node,
    signer: Signer,
    identities: Identities,
    lines: BTreeMap<String, Line>,
    next_survey: Duration,
    pulse: Pulse,
}

impl Courier {
    /// Takes `node`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(mut node: Node) -> Result<Courier> {
        let (signer, identities) = (ops::own_key(&mut node)?, ops::own_seal(&mut node)?);
        node.db.clear_routes()?;
        node.db.doubt_posts()?;
        let next_survey = node.clock.now();
        let pulse = Pulse::new(node.clock.clone());
        Ok(Courier { node, signer, identities, lines: BTreeMap::new(), next_survey, pulse })
    }

    /// One step; `results` are of the orders that ended since the last one, and are done with when it returns, even with
    /// an error: what is not known of a post is found out by the next one.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, results: &mut Vec<PostResult>) -> Result<CourierStep> {
        if !self.pulse.is_alive(false, Duration::ZERO, STUCK) {
            // The engine may have sent meanwhile what was ours.
            self.lines.values_mut().for_each(|line| line.aligned = None);
        }
        self.pulse.works();
        let step = self.work(results)?;
        self.pulse.rests(step.rest);
        Ok(step)
    }

    /// By what the engine sees that we come round.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    fn work(&mut self, results: &mut Vec<PostResult>) -> Result<CourierStep> {
        let mut step = CourierStep { rest: IDLE, ..CourierStep::default() };
        for PostResult { peer, outcome } in results.drain(..) {
            self.ended(&peer, outcome, &mut step)?;
        }
        let now = self.node.clock.now();
        if !self.may_work()? {
            return Ok(step);
        }
        let mut wanted = self.node.db.waiting_peers()?;
        if now >= self.next_survey {
            // As often as heartbeats are looked at.
            self.next_survey = now + self.node.config.look.heartbeat;
            self.survey(&mut step)?;
        }
        step.rest = step.rest.min(self.next_survey - now);
        for (peer, line) in &self.lines {
            if line.circuit.is_usable() && line.posted.is_none() && self.node.db.is_unacknowledged(peer)? {
                wanted.push(peer.clone());
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let Some(lease) = tenure::last(&self.node)? else { return Ok(step) };
        for peer in wanted {
            self.look_at(&peer, &mut step)?;
            self.post(&peer, lease, &mut step)?;
        }
        self.probe(now, &mut step)?;
        self.call_on_silent(&mut step)?;
        Ok(step)
    }

    /// Notes where our daemon listens.
    ///
    /// # Errors
    /// The local store's.
    pub fn listens(&mut self, listening: &Listening) -> Result<()> {
        listening::store(&mut self.node.db, listening)
    }

    /// Notes that there was no room for all where it does.
    ///
    /// # Errors
    /// The local store's.
    pub fn crowded(&mut self, crowd: Crowd) -> Result<()> {
        let now = self.node.clock.wall_ms();
        listening::store_crowd(&mut self.node.db, crowd, now)
    }

    /// Nobody sees to routes any more.
    ///
    /// # Errors
    /// The local store's.
    pub fn stop(&mut self) -> Result<()> {
        self.node.db.clear_routes()
    }

    /// Whether anything may be signed and sent now.
    fn may_work(&mut self) -> Result<bool> {
        let node = &mut self.node;
        if node.db.is_to_recall()? || condition::load(&node.db)?.lease_lost_to.is_some() {
            return Ok(false);
        }
        if node.db.meta("key")?.is_none_or(|key| key != self.signer.key().to_string()) {
            // Rotated by a command.
            self.signer = ops::own_key(node)?;
            self.identities = ops::own_seal(node)?;
        }
        if !beat::is_announced(node, self.signer.key())? {
            return Ok(false);
        }
        due::outgoing(node)?;
        Ok(true)
    }

    /// Hands the next lines to a peer, if it has a direct route and nothing is on its way.
    fn post(&mut self, fold: &str, lease: u64, step: &mut CourierStep) -> Result<()> {
        let Some(line) = self.lines.get_mut(fold) else { return Ok(()) };
        let Some(target) = line.target.clone().filter(|_| line.circuit.is_usable() && line.posted.is_none())
        else {
            return Ok(());
        };
        let Some(Peer { name, heartbeat: Some(beat), .. }) = self.node.db.peer(fold)? else { return Ok(()) };
        // Before it is numbered: the engine leaves it alone from now on.
        self.note_route(fold, step)?;
        let node = &mut self.node;
        let Some(line) = self.lines.get_mut(fold) else { return Ok(()) };
        if line.aligned != Some(lease) {
            if !node.db.align(fold, lease)? {
                return Ok(());
            }
            (line.aligned, line.from) = (Some(lease), None);
        }
        let slips = Slips::new(node, &name)?;
        let (most, bytes) = line.stride.size();
        let portion = Portion {
            from: line.from,
            lines: most,
            bytes,
            max: usize::try_from(beat.max_message).unwrap_or(usize::MAX),
        };
        let wall = node.clock.wall_ms();
        let lines = node.db.prepare_direct(fold, lease, portion, wall, &mut |receipt| slips.wrap(receipt))?;
        if lines.is_empty() {
            return Ok(());
        }
        let body: Vec<u8> =
            lines.iter().flat_map(|outgoing| outgoing.envelope.to_signed_line(lease, &self.signer)).collect();
        let alone = !node.config.takes(fold, Route::Share) || condition::hindrance(&node.db)?.is_some();
        let timeout = line.stride.time(node.config.direct.timeout, alone);
        let path = direct::lane_path(node.instance(), lease);
        line.posted = Some(Batch { lease, lines, size: body.len(), alone });
        step.posts.push(Post { peer: fold.to_owned(), target, path, body, timeout });
        Ok(())
    }

    /// Asks those whose heartbeat stands still and whose daemon was not heard for a while: the share may be what failed.
    fn call_on_silent(&mut self, step: &mut CourierStep) -> Result<()> {
        let (wall, timeout) = (self.node.clock.wall_ms(), self.node.config.direct.timeout);
        for (fold, line) in &mut self.lines {
            let heard = line.contact.is_some_and(|at| (0..HEARD).contains(&wall.saturating_sub(at)));
            if heard || line.probing || line.posted.is_some() || !line.circuit.is_usable() {
                continue;
            }
            let still = self.node.db.peer(fold)?.is_some_and(|peer| peer.presence(wall) != Presence::Online);
            if let Some(target) = line.target.clone().filter(|_| still) {
                line.probing = true;
                step.probes.push(Probe { peer: fold.clone(), target, timeout });
            }
        }
        Ok(())
    }

    /// Asks those whose direct way failed, when that is due.
    fn probe(&mut self, now: Duration, step: &mut CourierStep) -> Result<()> {
        let open: Vec<String> = self
            .lines
            .iter()
            .filter(|(_, line)| !line.circuit.is_usable())
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in open {
            self.look_at(&peer, step)?;
            let timeout = self.node.config.direct.timeout;
            let Some(line) = self.lines.get_mut(&peer).filter(|line| !line.probing) else { continue };
            let (Some(target), Some(at)) = (line.target.clone(), line.circuit.probe_at()) else { continue };
            if at <= now {
                line.probing = true;
                step.probes.push(Probe { peer, target, timeout });
            } else {
                step.rest = step.rest.min(at - now);
            }
        }
        Ok(())
    }

    /// What came of an order.
    fn ended(&mut self, fold: &str, outcome: Posted, step: &mut CourierStep) -> Result<()> {
        let (now, wall) = (self.node.clock.now(), self.node.clock.wall_ms());
        let Some(line) = self.lines.get_mut(fold) else { return Ok(()) };
        if let Posted::There | Posted::Absent(_) = outcome {
            // One that was asked elsewhere says nothing of where it is now.
            let asked = std::mem::take(&mut line.probing);
            match outcome {
                Posted::There if asked => {
                    line.contact = Some(wall);
                    line.circuit.answered();
                }
                // Its answer is to come, and says more.
                Posted::Absent(why) if asked && line.posted.is_none() => {
                    line.circuit.failed(now, None);
                    (line.why, line.since) = (Some(why), wall);
                    self.node.db.doubt_peer(fold)?;
                }
                _ => {}
            }
            return self.note_route(fold, step);
        }
        let Some(batch) = line.posted.take() else { return Ok(()) };
        // The lines may be there: unless it is known that they are not.
        let refused = |status: &u16| (400..500).contains(status) && *status != CONFLICT;
        let nothing_came = match &outcome {
            Posted::Answered { status, .. } => refused(status),
            outcome => matches!(outcome, Posted::Failed(_)),
        };
        let (why, wait, late) = match outcome {
            Posted::There | Posted::Absent(_) => return Ok(()),
            Posted::Failed(why) => (why, None, false),
            Posted::Unanswered { why, late } => (why, None, late),
            Posted::Answered { status, retry_after, body, url } => {
                match self.answered(fold, &batch, (status, &body), &url)? {
                    None => return self.note_route(fold, step),
                    Some(why) if matches!(status, 401 | 403) => (why, Some(UNKNOWN), false),
                    Some(why) => (why, retry_after, status == TOO_SLOW),
                }
            }
        };
        let Some(line) = self.lines.get_mut(fold) else { return Ok(()) };
        let carried = (batch.lines.len(), batch.size);
        match late && line.stride.ran_out(carried, self.node.config.direct.timeout, batch.alone) {
            true => line.circuit.strained(now),
            false => line.circuit.failed(now, wait),
        }
        (line.gaps, line.from, line.aligned, line.since) = (0, None, None, wall);
        match nothing_came {
            true => self.node.db.not_posted(&batch.lines)?,
            false => self.node.db.unanswered(fold, &batch.lines, &why, wall)?,
        }
        line.why = Some(why);
        self.node.db.doubt_peer(fold)?;
        self.note_route(fold, step)
    }
}
