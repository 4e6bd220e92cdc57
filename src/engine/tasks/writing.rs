//! Our own log of task events: `tasks/<instance>.<lease>-<segment>.jsonl`, written as a lane is.
//!
//! Writer: the holder of the lease in its name. An append that failed ends the segment; the same events go into the next
//! one, and are known by their ids. Signed as they are written; when our key is another one, what concerns unfinished tasks
//! is written again, since who joins later knows the new key alone.

use super::{Tasks, home, logs};
use crate::engine::gate;
use crate::engine::node::Node;
use crate::engine::tenure::Tenure;
use crate::error::{Kind, Result};
use crate::model::layout::{self, LaneFile};
use crate::model::sign::Signer;
use crate::model::task::{Deed, Event};
use crate::store::claims;
use crate::store::db::{Cursor, Position, QueuedEvent};
use crate::store::lane::{LaneWriter, Roll};
use crate::sys::share::Share;

/// Events in one write.
const BATCH: usize = 256;
/// The key that the log is signed with.
const KEY: &str = "task key";

/// Our log, open for writing under one lease.
pub(super) struct Writer {
    lease: u64,
    lane: LaneWriter,
}

impl Tasks {
    /// Writes what waits; returns whether there is more, and whether something was written. Cost: nothing if nothing waits;
    /// else a stat for the lease and one for each claim that is spoken of, a write and a sync, a setattr for the bell; a read,
    /// a stat and an open more where the log is not open yet.
    pub(super) fn write(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        signer: &Signer,
    ) -> Result<(bool, bool)> {
        rewrite_under_new_key(node, signer)?;
        let Some(lease) = tenure.number() else { return Ok((false, false)) };
        let queued = node.db.queued_task_events(BATCH)?;
        if queued.is_empty() {
            return Ok((false, false));
        }
        if !self.is_open(node, lease) {
            gate::look(share, node)?;
            if self.verify(share, node)? > 0 {
                return Ok((true, false));
            }
        }
        let mut writer = self.open(share, node, tenure, lease)?;
        tenure.check(share, node)?;
        let fenced = fenced(share, node, &queued)?;
        if !fenced.is_empty() {
            // Others of these events were made on the strength of them, and are numbered anew.
            let wall = node.clock.wall_ms();
            node.db.fence_task_events(&home(node), &fenced, wall)?;
            self.writer = Some(writer);
            self.look = true;
            return Ok((true, false));
        }
        let lines: Vec<u8> =
            queued.iter().flat_map(|event| Event::to_line(&event.object, lease, signer)).collect();
        let before = writer.lane.position();
        let position = writer.lane.append(&lines)?;
        let rows: Vec<i64> = queued.iter().map(|event| event.n).collect();
        let read = LaneFile { from: node.instance().clone(), lease, segment: position.segment };
        let (key, cursor) = (logs::key(&read), read_up_to(node, &logs::key(&read), before, &lines)?);
        let at = (lease, position.segment, position.size, position.opened);
        let at = serde_json::to_string(&at).unwrap_or_default();
        node.db.task_events_written(&rows, &at, cursor.as_ref().map(|cursor| (key.as_str(), cursor)))?;
        self.writer = Some(writer);
        // The bell only shortens a wait.
        self.rang = true;
        share.touch(&layout::task_bell())?;
        Ok((queued.len() == BATCH, true))
    }

    /// Looks whether what we wrote last is there, whatever lease that was under; if not, a backup of the share was restored,
    /// or somebody deleted it, and all of it is written again. Returns how much that is. Cost: 1 stat; a read and a stat more if
    /// it seems to be gone.
    pub(super) fn verify(&mut self, share: &dyn Share, node: &mut Node) -> Result<usize> {
        let Some((file, size)) = written(node)? else { return Ok(0) };
        let is_there = || Ok(share.stat(&layout::task_log(&file))?.is_some_and(|meta| meta.len >= size));
        if is_there()? {
            return Ok(0);
        }
        // It is away with the whole share, perhaps.
        gate::look(share, node)?;
        if is_there()? {
            return Ok(0);
        }
        self.writer = None;
        node.db.rewrite_task_events(&node.instance().fold(), false)
    }

    /// Whether the log is open and goes on in its segment.
    fn is_open(&mut self, node: &Node, lease: u64) -> bool {
        let (roll, wall) = (roll(node), node.clock.wall_ms());
        self.writer.take_if(|open| open.lease != lease || open.lane.is_full(roll, wall));
        self.writer.is_some()
    }

    /// The log, open for writing: the one kept open, or opened anew where the store says it stands.
    fn open(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        lease: u64,
    ) -> Result<Writer> {
        if let Some(writer) = self.writer.take().filter(|open| open.lease == lease) {
            return Ok(writer);
        }
        let at = position(node)?.filter(|(last, _)| *last == lease).map(|(_, at)| at).unwrap_or_default();
        let us = node.instance().clone();
        let path = |segment| layout::task_log(&LaneFile { from: us.clone(), lease, segment });
        let wrote = |id: &str| node.db.has_task_event(&us.fold(), id);
        let opened = match LaneWriter::open(share, &path, at, roll(node), node.clock.wall_ms(), &wrote) {
            Err(error) if error.is_not_found() => {
                // The share is the right one; nobody had a task there yet.
                share.make_folder(&layout::tasks())?;
                LaneWriter::open(share, &path, at, roll(node), node.clock.wall_ms(), &wrote)
            }
            other => other,
        };
        if opened.as_ref().is_err_and(|error| error.kind() == Kind::LeaseLost) {
            // Somebody writes under it, too: a new one is taken in the next step.
            tenure.abandon();
        }
        Ok(Writer { lease, lane: opened? })
    }
}

/// When a segment of it is full.
fn roll(node: &Node) -> Roll {
    let age = i64::try_from(node.config.limits.segment_age.as_millis()).unwrap_or(i64::MAX);
    Roll { size: node.config.limits.segment.0, age }
}

/// Where our log stood after the last write, and under which lease.
fn position(node: &Node) -> Result<Option<(u64, Position)>> {
    let at: Option<(u64, u64, u64, i64)> =
        node.db.task_position()?.and_then(|json| serde_json::from_str(&json).ok());
    Ok(at.map(|(lease, segment, size, opened)| (lease, Position { segment, size, opened })))
}

/// Which file we wrote last, and how long it was then.
pub(super) fn written(node: &Node) -> Result<Option<(LaneFile, u64)>> {
    let file = |(lease, at): (u64, Position)| {
        (LaneFile { from: node.instance().clone(), lease, segment: at.segment }, at.size)
    };
    Ok(position(node)?.map(file))
}

/// The events that speak for a holder whose claim was passed, and that nobody can have read. Cost: a stat for each task.
fn fenced<'a>(share: &dyn Share, node: &Node, queued: &'a [QueuedEvent]) -> Result<Vec<&'a QueuedEvent>> {
    let mut asked: Vec<(&Event, bool)> = vec![];
    let mut fenced = vec![];
    for waiting in queued {
        let event = &waiting.event;
        // To give something up is never too late: the claim that passed this one may be nobody's, left by a crash.
        let speaks = matches!(
            event.deed,
            Deed::Claim { .. }
                | Deed::Progress { .. }
                | Deed::Fail { .. }
                | Deed::Done { by_hand: false, .. }
        );
        if !speaks || event.token == 0 || waiting.again {
            continue;
        }
        let known = asked.iter().find(|(other, _)| (&other.task, other.token) == (&event.task, event.token));
        let passed = match known {
            Some((_, passed)) => *passed,
            None => {
                let passed = claims::is_passed(share, &layout::task_claims(&event.task), event.token)?
                    && !is_newer_ours(node, event)?;
                asked.push((event, passed));
                passed
            }
        };
        fenced.extend(passed.then_some(waiting));
    }
    Ok(fenced)
}

/// Whether we claimed the task again ourselves since: then the earlier claim was over by our own word.
fn is_newer_ours(node: &Node, event: &Event) -> Result<bool> {
    let kept = node.db.task(&event.task)?;
    let held = kept.and_then(|kept| kept.task.holder);
    Ok(held.is_some_and(|held| held.token > event.token && held.by.instance.same_as(node.instance())))
}

/// Where our own reading goes on, if it stood where this was written: what we wrote we know.
fn read_up_to(node: &Node, key: &str, before: Position, lines: &[u8]) -> Result<Option<Cursor>> {
    let cursor = node.db.cursor(key)?.unwrap_or_default();
    Ok(Some(cursor).filter(|cursor| cursor.offset == before.size).map(|cursor| cursor.advanced(lines)))
}

fn rewrite_under_new_key(node: &mut Node, signer: &Signer) -> Result<()> {
    let key = signer.key().to_string();
    match node.db.meta(KEY)? {
        Some(known) if known == key => return Ok(()),
        Some(_) => drop(node.db.rewrite_task_events(&node.instance().fold(), true)?),
        None => {}
    }
    node.db.set_meta(KEY, &key)
}
