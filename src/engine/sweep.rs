//! The sweep: deletes what is past its time, here and on the share, and ends mail for peers that are gone.
//!
//! It runs once an hour, a small piece a step, and only in steps that have no mail to move; first some time after the
//! start and after the share came back, when whoever lives has been seen to live.
//!
//! On the share it deletes files of ours alone, of leases that this state folder held: segments whose mail is acknowledged
//! and which were last written longer ago than the config keeps them, in the share's own time; and old leases. The last
//! segment of a lane is closed in the store first. A crash leaves a part of them deleted. If it deletes too much (a clock
//! of ours was set), nothing is lost: what is not acknowledged is in the store and is written again. A reader goes on with
//! the oldest segment that it finds.
//!
//! A piece that fails stops none of the others; it is tried again after growing pauses, and named until it succeeds.
//!
//! Cost: for each peer a list of its mailbox with a stat per file, and, if something may be old, a replace, a stat and
//! an unlink per file. Attachments (`files/`) get a piece of their own here when they exist.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::gate;
use crate::engine::node::Node;
use crate::engine::tenure::{self, Tenure};
use crate::error::{Error, Kind, Result};
use crate::model::elapsed::Elapsed;
use crate::model::layout::{self, LaneFile};
use crate::model::name::Name;
use crate::model::presence::Presence;
use crate::model::retry;
use crate::store::share_clock;
use crate::sys::share::{Meta, Share};

/// The time between two sweeps.
const EVERY: Duration = Duration::from_secs(3_600);
/// The time from the start, or from the share's return, to the first one: a peer that lives has beaten by then.
const SETTLED: Duration = Duration::from_secs(900);
/// Our newest leases, which stay.
const LEASES: u64 = 8;
/// Files that one piece deletes.
const FILES: usize = 50;
/// Mail that was accepted so shortly after a segment was last written may still be in it: clocks differ.
const MARGIN: Duration = Duration::from_secs(3_600);
/// Where it is kept what the wall clock showed.
const ELAPSED: &str = "elapsed";
/// Pauses before a piece that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(60), EVERY);

/// A small piece of a sweep.
#[derive(Clone, PartialEq)]
enum Piece {
    /// Finished mail after this row.
    Messages(i64),
    /// Wakes, quarantine, known ids.
    Rows,
    /// Mail for this peer, which is gone, since before this time.
    Gone(Name, i64),
    /// Mail from before this time for this peer, of which nothing but its open slot was ever seen.
    Unknown(Name, i64),
    /// Our segments in this peer's mailbox.
    Lanes(Name),
    /// Our old leases.
    Leases,
}

/// A piece that the share refused.
struct Failed {
    piece: Piece,
    times: u32,
    until: Duration,
    why: String,
}

/// The sweep of one engine. All of it may be lost.
#[derive(Default)]
pub struct Sweep {
    next: Option<Duration>,
    pieces: VecDeque<Piece>,
    failed: Vec<Failed>,
    elapsed: Elapsed,
    /// When the wall clock was last looked at, on the monotonic one.
    noted: Option<Duration>,
}

/// What a step of the sweep came to.
#[derive(Default)]
pub struct Swept {
    /// There is more to do at once.
    pub more: bool,
    /// What the share refused.
    pub problem: Option<Error>,
}

impl Sweep {
    /// The share was away, or swapped: who lives is not known.
    pub fn postpone(&mut self, now: Duration) {
        *self = Sweep { next: Some(now + SETTLED), noted: self.noted, ..Sweep::default() };
    }

    /// Why some of what is past its time is still there, in words.
    pub fn troubles(&self) -> Vec<String> {
        self.failed.iter().map(|failed| failed.why.clone()).collect()
    }

    /// Does one piece, if one is due.
    ///
    /// # Errors
    /// The lease is lost, or the local store's: the rest of this sweep is left to the next one.
    pub fn step(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        now: Duration,
    ) -> Result<Swept> {
        let next = *self.next.get_or_insert(now + SETTLED);
        if self.pieces.is_empty() && now >= next {
            self.next = Some(now + EVERY);
            self.note_time(node, now)?;
            self.pieces = plan(node, &self.elapsed)?;
            self.pieces.retain(|piece| self.failed.iter().all(|failed| failed.piece != *piece));
        }
        let again =
            || self.failed.iter().find(|failed| failed.until <= now).map(|failed| failed.piece.clone());
        let Some(piece) = self.pieces.pop_front().or_else(again) else { return Ok(Swept::default()) };
        let mut swept = Swept::default();
        match self.work(share, node, tenure, piece.clone()) {
            Ok(()) => self.failed.retain(|failed| failed.piece != piece),
            Err(error) if error.is_in_store() || error.kind() == Kind::LeaseLost => {
                self.pieces.clear();
                return Err(error);
            }
            Err(error) => {
                self.put_off(piece, now, &error);
                swept.problem = Some(error);
            }
        }
        swept.more = !self.pieces.is_empty();
        Ok(swept)
    }

    /// What is old is old by the wall clock, and a clock that leaps is not believed.
    fn note_time(&mut self, node: &mut Node, now: Duration) -> Result<()> {
        let known = node.db.meta(ELAPSED)?.and_then(|json| serde_json::from_str(&json).ok());
        self.elapsed = known.unwrap_or_default();
        let passed = self.noted.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.elapsed.note(node.clock.wall_ms(), passed);
        self.noted = Some(now);
        node.db.set_meta(ELAPSED, &serde_json::to_string(&self.elapsed).unwrap_or_default())
    }

    fn put_off(&mut self, piece: Piece, now: Duration, error: &Error) {
        let before = self.failed.iter().position(|failed| failed.piece == piece);
        let times = before.map_or(0, |at| self.failed.swap_remove(at).times) + 1;
        let until = now + retry::backoff(RETRY.0, RETRY.1, times);
        self.failed.push(Failed { piece, times, until, why: error.to_string() });
    }

    fn work(&mut self, share: &dyn Share, node: &mut Node, tenure: &mut Tenure, piece: Piece) -> Result<()> {
        let wall = node.clock.wall_ms();
        let keep = node.config.keep.clone();
        let again = match piece {
            Piece::Messages(after) => {
                let next = node.db.age_messages(after, self.elapsed.ago(wall, keep.messages), wall)?;
                next.map(Piece::Messages)
            }
            Piece::Rows => {
                let ago = |age| self.elapsed.ago(wall, age);
                let more =
                    node.db.age_rows(ago(keep.messages), ago(keep.quarantine), ago(keep.events), wall)?;
                more.then_some(Piece::Rows)
            }
            Piece::Gone(peer, before) => {
                let reason = format!("{peer} has been gone for {} days", ms(keep.gone_after) / 86_400_000);
                let failed = node.db.fail_gone(&peer.fold(), before, &reason, wall)?;
                (failed > 0).then_some(Piece::Gone(peer, before))
            }
            Piece::Unknown(peer, before) => {
                let days = ms(keep.gone_after) / 86_400_000;
                let reason =
                    format!("no instance {peer} was seen in {days} days; the message lies in its open slot");
                let told = node.db.tell_unknown(&peer.fold(), before, &reason, wall)?;
                (told > 0).then_some(Piece::Unknown(peer, before))
            }
            Piece::Lanes(peer) => {
                gate::look(share, node)?;
                tenure.check(share, node)?;
                delete_segments(share, node, tenure, &peer)?.then_some(Piece::Lanes(peer))
            }
            Piece::Leases => {
                gate::look(share, node)?;
                tenure.check(share, node)?;
                delete_leases(share, node, tenure)?;
                None
            }
        };
        if let Some(again) = again {
            self.pieces.push_front(again);
        }
        Ok(())
    }
}

/// What a whole sweep consists of.
fn plan(node: &Node, elapsed: &Elapsed) -> Result<VecDeque<Piece>> {
    let wall = node.clock.wall_ms();
    let before = elapsed.ago(wall, node.config.keep.gone_after);
    let mut pieces = VecDeque::new();
    for peer in node.db.peers()? {
        if peer.presence(wall) == Presence::Gone && peer.since() < before {
            pieces.push_back(Piece::Gone(peer.name.clone(), before));
        }
        if peer.heartbeat.is_none() {
            pieces.push_back(Piece::Unknown(peer.name.clone(), before));
        }
        pieces.push_back(Piece::Lanes(peer.name));
    }
    pieces.extend([Piece::Messages(0), Piece::Rows, Piece::Leases]);
    Ok(pieces)
}

/// Deletes segments of ours in the mailbox of `peer`, oldest first; returns whether there may be more.
///
/// # Errors
/// The first file that can't be deleted; the others were all the same.
fn delete_segments(share: &dyn Share, node: &mut Node, tenure: &Tenure, peer: &Name) -> Result<bool> {
    let Some(current) = tenure.number() else { return Ok(false) };
    let (held, lane) = (tenure::held(node)?, node.db.lane_out(&peer.fold())?);
    let is_last = |file: &LaneFile| {
        lane.is_some_and(|lane| (lane.lease, lane.position.segment) == (file.lease, file.segment))
    };
    // The last segment, too, once it is old: it is closed first, and the next mail begins a new one.
    let begun = node.clock.wall_ms().saturating_sub(ms(node.config.keep.segments));
    let sealed = |file: &LaneFile| match lane.filter(|lane| lane.lease == current) {
        _ if file.lease < current => true,
        Some(_) if file.lease > current => false,
        Some(lane) if is_last(file) => lane.position.opened <= begun,
        Some(lane) => file.segment < lane.position.segment,
        None => false,
    };
    let mut files: Vec<(LaneFile, Meta)> = share
        .list_those(&layout::mailbox(peer), &mut |name| {
            layout::parse_lane(name).is_some_and(|file| file.from == *node.instance())
        })?
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| Some((layout::parse_lane(&entry.name)?, entry.meta)))
        .filter(|(file, meta)| {
            file.from == *node.instance() && held.contains(&file.lease) && sealed(file) && !meta.folder
        })
        .collect();
    // By the oldest all others are reckoned: one that claims to be of the future makes none of them older.
    let Some(oldest) = files.iter().map(|(_, meta)| *meta).min_by_key(|meta| meta.stamp) else {
        return Ok(false);
    };
    let age = share_clock::age(share, node.instance(), &oldest)?;
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (mut deleted, mut failed) = (0, Ok(false));
    for (file, meta) in files {
        let younger = Duration::from_nanos(u64::try_from(meta.stamp - oldest.stamp).unwrap_or(u64::MAX));
        let age = age.saturating_sub(younger);
        let written = node.clock.wall_ms().saturating_sub(ms(age)).saturating_add(ms(MARGIN));
        if age < node.config.keep.segments || node.db.awaits_since(&peer.fold(), file.lease, written)? {
            continue;
        }
        if is_last(&file) {
            // First, so that whatever happens nobody takes it for a loss.
            node.db.close_segment(&peer.fold(), file.lease, file.segment)?;
        }
        match share.remove(&layout::lane(peer, &file)) {
            Ok(()) => deleted += 1,
            Err(error) => failed = failed.and(Err(error)),
        }
        if deleted == FILES {
            return Ok(true);
        }
    }
    failed
}

/// Deletes leases of ours but the newest few. The highest number is never among them, so none is given twice.
fn delete_leases(share: &dyn Share, node: &Node, tenure: &Tenure) -> Result<()> {
    let Some(current) = tenure.number() else { return Ok(()) };
    let held = tenure::held(node)?;
    let mut old = vec![];
    share.list_those(&layout::leases(node.instance()), &mut |name| {
        let ours = layout::parse_lease(name).filter(|number| held.contains(number));
        old.extend(ours.filter(|number| number + LEASES <= current && old.len() < FILES));
        false
    })?;
    old.into_iter().try_for_each(|number| share.remove(&layout::lease(node.instance(), number)))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
