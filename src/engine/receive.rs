//! Looking at our mailbox and taking in what is there.
//!
//! Three looks, by what they cost:
//! - *idle*: one `stat`, of the doorbell and of the open slot in turn, whatever the number of senders;
//! - *quick*: one `list` of the mailbox, and a read of each lane whose length is not where the cursor stands;
//! - *full*: the same, but every lane is read, because a listing may show stale lengths. Runs at the configured
//!   interval, a moment after traffic, and whenever hints may have been lost.
//!
//! What one look does is bounded, whatever lies there: so many lanes are asked about ([`muster`](super::muster)), of
//! each file so much is read ([`TURNS`]), and of each sender so much taken in ([`quota`](super::quota)); the rest is
//! for the next look.
//!
//! Lanes of one sender are read lease by lease and segment by segment, so its order is kept. Nothing here trusts a file to be what it
//! was: a replaced file is read again from its start, and what is known is dropped.

mod lanes;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::engine::beat;
use crate::engine::intake::{self, Outcome, Reading, Still};
use crate::engine::muster::Muster;
use crate::engine::node::Node;
use crate::engine::quota::{self, Quotas, Waiting};
use crate::engine::tails::Tails;
use crate::error::{Error, Result};
use crate::model::attachment;
use crate::model::envelope::RECEIPT;
use crate::model::exec::{EXEC, RESULT};
use crate::model::layout::{self, SharePath};
use crate::model::name::Name;
use crate::model::pace::Places;
use crate::model::task::TASK;
use crate::model::trust::Keys;
use crate::store::db::{Cursor, Db, Intake, Taken, Via};
use crate::store::tail::{self, Tail};
use crate::sys::seal::Identities;
use crate::sys::share::{Meta, Share};

/// A full look follows traffic after this long: it finds what a stale listing hid.
const SETTLING: Duration = Duration::from_secs(2);
/// Bytes asked for in one read, at least.
const CHUNK: usize = 1 << 20;
/// Reads of one file in one look. A file that grows as fast as it is read holds up nobody else's.
const TURNS: u32 = 4;
/// Files of which one look says what is wrong with them.
const PROBLEMS: usize = 20;
/// The open slot's cursor.
const SLOT: &str = "slot";

/// What the engine remembers between looks. All of it may be lost.
#[derive(Default)]
pub struct Mailbox {
    bell: Option<Meta>,
    slot: Option<Meta>,
    slot_next: bool,
    cursors: HashMap<String, Cursor>,
    tails: Tails,
    settle_at: Option<Duration>,
    muster: Muster,
    quotas: Quotas,
    /// How often the look at hand took something in.
    taken: usize,
    /// With which of many senders the next look goes on.
    turn: Option<Name>,
    /// What opens sealed mail.
    pub identities: Identities,
    /// A file was left off before its end: there is more to read at once.
    pub more: bool,
    /// What went wrong with single files; the others were read all the same.
    pub problems: Vec<Error>,
    /// What was found and mended, in words.
    pub incidents: Vec<String>,
    /// The mailbox folder, or its bell, was not there.
    pub missing: bool,
    /// A sender nobody knows wrote: somebody joined.
    pub stranger: bool,
    /// Mail about a task came in: there is more of it in the logs.
    pub tasks: bool,
}

/// What a look found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Where something changed, so that the pace quickens.
    pub changed: Places,
    /// What was taken in.
    pub taken: Taken,
}

impl Found {
    fn add(&mut self, taken: Taken, via: &Via) {
        match via {
            Via::Slot => self.changed.slot = true,
            _ => self.changed.mailbox = true,
        }
        self.taken.new += taken.new;
        self.taken.known += taken.known;
        self.taken.receipts += taken.receipts;
    }

    /// Adds what another look found.
    pub fn join(&mut self, other: Found) {
        self.changed.mailbox |= other.changed.mailbox;
        self.changed.slot |= other.changed.slot;
        self.taken.new += other.taken.new;
        self.taken.known += other.taken.known;
        self.taken.receipts += other.taken.receipts;
    }
}

impl Mailbox {
    /// What one pass hands to the next: the unfinished ends it saw.
    pub fn hand_on(&self, now: Duration, wall: i64) -> String {
        self.tails.hand_on(now, wall)
    }

    /// A mailbox that knows what an earlier pass handed on.
    pub fn taken_over(tails: &str, now: Duration, wall: i64) -> Mailbox {
        Mailbox { tails: Tails::taken_over(tails, now, wall), ..Mailbox::default() }
    }

    /// A look failed: what the last one saw of bell and slot counts for nothing, so that the next look looks again.
    pub fn doubt(&mut self) {
        (self.bell, self.slot) = (None, None);
    }

    /// When a look is due by itself, apart from the pace: a tail that may have settled, the look after traffic.
    pub fn due(&self) -> Option<Duration> {
        self.tails.due().into_iter().chain(self.settle_at).min()
    }

    /// Whose mail waits for its quota, and why.
    pub fn waiting(&mut self, now: Duration, full: Duration) -> Vec<Waiting> {
        // Whoever is over it was looked at in the last full look, or is not there any more.
        self.quotas.waiting(now, 2 * full + SETTLING)
    }

    /// How many lanes the last look left for the next ones.
    pub fn left_out(&self) -> usize {
        self.muster.left_out
    }

    /// The idle look: one operation. Follows it up if something changed.
    pub fn look_idle(&mut self, share: &dyn Share, node: &mut Node, now: Duration) -> Result<Found> {
        self.slot_next = !self.slot_next;
        if self.slot_next {
            let found = share.stat(&layout::open_slot(node.instance()))?;
            if found == self.slot {
                return Ok(Found::default());
            }
            return self.look_slot(share, node, now);
        }
        let found = share.stat(&layout::bell(node.instance()))?;
        if found == self.bell {
            return Ok(Found::default());
        }
        self.bell = found;
        let mut found = self.look_lanes(share, node, now, false)?;
        if !found.changed.mailbox {
            // The bell rang and no length changed: the listing is stale, or the reason is not ours to see.
            found = self.look_lanes(share, node, now, true)?;
        }
        found.changed.mailbox = true;
        Ok(found)
    }

    /// Whether a full look is due because a tail may have settled or traffic has ceased.
    pub fn is_due(&self, now: Duration) -> bool {
        self.due().is_some_and(|at| at <= now)
    }

    /// The full look: everything is read.
    pub fn look_full(&mut self, share: &dyn Share, node: &mut Node, now: Duration) -> Result<Found> {
        self.settle_at = None;
        self.bell = share.stat(&layout::bell(node.instance()))?;
        let mut found = self.look_lanes(share, node, now, true)?;
        // Somebody emptied the mailbox, or Windows keeps a removed one for as long as we watch it.
        self.missing |= self.bell.is_none();
        // What is read now needs no second look.
        self.settle_at = None;
        let slot = self.look_slot(share, node, now)?;
        self.tails.all_met(now);
        found.join(slot);
        Ok(found)
    }

    /// Looks at the open slot and takes in what is new. Cost: 1 stat, and a read if it changed or has a tail.
    pub fn look_slot(&mut self, share: &dyn Share, node: &mut Node, now: Duration) -> Result<Found> {
        let path = layout::open_slot(node.instance());
        let mut found = Found::default();
        let before = std::mem::replace(&mut self.slot, share.stat(&path)?);
        let cursor = self.cursor(node, SLOT)?.unwrap_or_default();
        let Some(meta) = self.slot.filter(|meta| !meta.folder) else { return Ok(found) };
        if meta.len == cursor.offset && before == self.slot {
            self.tails.forget(SLOT);
            return Ok(found);
        }
        self.read_on(share, node, now, (SLOT, &path, Via::Slot), cursor, false, &mut found)?;
        Ok(found)
    }

    /// Reads a file from its cursor to its end and takes in what it holds; returns the cursor it came to.
    #[expect(clippy::too_many_arguments, reason = "the seam, the node, the time, which file, from where")]
    fn read_on(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        (lane, path, via): (&str, &SharePath, Via),
        mut cursor: Cursor,
        sealed: bool,
        found: &mut Found,
    ) -> Result<Cursor> {
        let limit = usize::try_from(node.config.limits.message.0).unwrap_or(CHUNK);
        // UTF-16 doubles a line; a chunk without a newline must be over the limit for sure.
        let max = CHUNK.max(limit * 2 + 1024);
        let us = node.instance().clone();
        let source = match &via {
            Via::Lane { peer, .. } => quota::source_of(node, peer)?,
            _ => quota::SLOT.to_owned(),
        };
        let (mut restarted, mut asked) = (false, false);
        let mut turns = 0;
        loop {
            if !self.quotas.admits(node, &source, now)? {
                break;
            }
            turns += 1;
            if turns > TURNS {
                self.more = true;
                break;
            }
            let bytes = match tail::read(share, path, &cursor, max)? {
                Tail::Bytes(bytes) => bytes,
                Tail::Missing => break,
                Tail::Replaced => {
                    if via != Via::Slot && self.incidents.len() < PROBLEMS {
                        let what = "shrank or was replaced; it is read again, and what is known dropped";
                        self.incidents.push(format!("{path} {what}"));
                    }
                    cursor = Cursor { segment: cursor.segment, ..Cursor::default() };
                    restarted = true;
                    continue;
                }
            };
            if bytes.is_empty() && !restarted {
                self.tails.forget(lane);
                break;
            }
            let still = self.tails.still(lane, cursor.offset + bytes.len() as u64, now);
            let at_end = bytes.len() < max;
            let read = |node: &Node| {
                let known = Known::new(&node.db, node.clock.wall_ms());
                let keys = |name: &str| known.keys(name);
                let open = |sealed: &[u8]| {
                    let mut plain = vec![];
                    self.identities.open(&mut &*sealed, limit as u64, &mut plain).map(|_| plain)
                };
                let (via, source) = (via.clone(), path.as_str());
                let reading = Reading {
                    lane,
                    source,
                    via,
                    us: &us,
                    limit,
                    room: node.config.limits.quarantine.0,
                    at_end,
                    sealed,
                    still,
                    restarted,
                    keys: &keys,
                    open: &open,
                };
                let outcome = intake::read(&reading, &cursor, &bytes);
                known.done().map(|()| outcome)
            };
            let mut outcome = read(node)?;
            if let (true, Via::Lane { peer, .. }) = (outcome.doubtful && !asked, &via) {
                // Its sender may have been seen by nobody yet, or have another key since we last looked.
                asked = true;
                if beat::look_again(share, node, peer)? {
                    outcome = read(node)?;
                }
            }
            let Outcome { intake, waiting, .. } = outcome;
            self.tails.note(lane, cursor.offset + (bytes.len() - waiting) as u64, waiting, now);
            let Some(mut intake) = intake else { break };
            let mut time =
                |node: &mut Node, peer: &str, exactly| beat::their_time(share, node, peer, exactly);
            self.stranger |= judge(node, &mut intake, &mut time)?;
            self.tasks |= intake.arrivals.iter().any(|arrival| {
                let broadcast = &arrival.envelope.broadcast;
                arrival.envelope.kind == TASK || broadcast.as_ref().is_some_and(|it| it.any.is_some())
            });
            let mail = intake.arrivals.iter().filter(|arrival| arrival.envelope.kind != RECEIPT).count();
            let read = usize::try_from(intake.cursor.offset.saturating_sub(cursor.offset)).unwrap_or(max);
            self.quotas.took(&source, mail + intake.quarantined.len(), read, now);
            self.taken += 1;
            found.add(node.db.take_in(&intake, node.clock.wall_ms())?, &via);
            cursor = intake.cursor;
            self.cursors.insert(lane.to_owned(), cursor.clone());
            restarted = false;
            // What was set aside as damage may have hidden whole lines behind it.
            let all_there = at_end && still < Still::Damaged;
            if all_there || waiting == bytes.len() {
                break;
            }
        }
        Ok(cursor)
    }

    fn cursor(&mut self, node: &Node, lane: &str) -> Result<Option<Cursor>> {
        if let Some(cursor) = self.cursors.get(lane) {
            return Ok(Some(cursor.clone()));
        }
        let cursor = node.db.cursor(lane)?;
        if let Some(cursor) = &cursor {
            self.cursors.insert(lane.to_owned(), cursor.clone());
        }
        Ok(cursor)
    }
}

/// The time by a peer's clock, exactly or about; `None` if that is not known.
pub type TheirTime<'a> = dyn FnMut(&mut Node, &str, bool) -> Result<Option<i64>> + 'a;

/// Decides, from what we know of the senders, what arrives too late, wakes the agent, and gets receipts; returns whether a
/// sender whom nobody knows wrote into a lane.
pub fn judge(node: &mut Node, intake: &mut Intake, their_time: &mut TheirTime) -> Result<bool> {
    let mut clocks: HashMap<String, Option<i64>> = HashMap::new();
    let wakes = node.config.wake.is_on();
    let in_lane = intake.via.lane().is_some();
    let mut stranger = false;
    for arrival in &mut intake.arrivals {
        let peer = node.db.peer(&arrival.peer)?;
        let beat = peer.as_ref().and_then(|peer| Some((peer, peer.heartbeat.as_ref()?)));
        stranger |= beat.is_none() && in_lane;
        arrival.receipt = in_lane || (beat.is_some() && arrival.envelope.id.is_some());
        arrival.policy = node.config.policy(&arrival.peer, arrival.verdict);
        if in_lane {
            let attachments = attachment::of(&arrival.envelope.rest).unwrap_or_default();
            arrival.refused = node.config.files.refusal(&attachments);
        }
        arrival.wake = wakes && ![RECEIPT, EXEC, RESULT].contains(&arrival.envelope.kind.as_str());
        let Some(expires) = arrival.envelope.expires else { continue };
        // A command is not to run late, whatever that costs.
        let exactly = arrival.envelope.kind == EXEC;
        let theirs = match clocks.get(&arrival.peer).filter(|_| !exactly) {
            Some(theirs) => *theirs,
            None => {
                let theirs = their_time(node, &arrival.peer, exactly)?;
                clocks.insert(arrival.peer.clone(), theirs);
                theirs
            }
        };
        // Unknown is in time.
        arrival.expired = theirs.is_some_and(|theirs| expires.timestamp_millis() <= theirs);
    }
    Ok(stranger)
}

/// The keys of names as the store has them, each looked up once.
pub struct Known<'a> {
    db: &'a Db,
    now: i64,
    seen: RefCell<HashMap<String, Rc<Keys>>>,
    failed: Cell<Option<Error>>,
}

impl Known<'_> {
    /// None looked up yet.
    pub fn new(db: &Db, now: i64) -> Known<'_> {
        Known { db, now, seen: RefCell::default(), failed: Cell::default() }
    }

    /// The keys of a name, by its fold; none if the store fails, which [`Known::done`] tells.
    pub fn keys(&self, name: &str) -> Rc<Keys> {
        if let Some(keys) = self.seen.borrow().get(name) {
            return keys.clone();
        }
        let keys = self.db.keys(name, self.now).unwrap_or_else(|error| {
            self.failed.set(Some(error));
            Keys::default()
        });
        let keys = Rc::new(keys);
        self.seen.borrow_mut().insert(name.to_owned(), keys.clone());
        keys
    }

    /// Whether all was looked up.
    ///
    /// # Errors
    /// The local store's.
    pub fn done(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}
