//! The page of tasks: what people did there by hand becomes events, and what became of tasks is rendered into it.
//!
//! A daemon acts on a page only when it has stood still for [`STILL`] on our clock: an editor may be in the middle of saving.
//! The page is read first and the logs after it, so that we know at least what whoever rendered it knew; what stands there
//! otherwise than lanpost wrote it was done by a person. Those events are in our log before the page shows them.
//!
//! Every daemon may render, and all write the same. The one whose own events changed something does so at once, the others
//! see at their next full look whether something is left to do.
//!
//! Cost: 1 stat with each full look; a read, and a look at the logs, if the page changed; the swap's 3 operations and 3 stats
//! if something is to be rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::home;
use super::logs::Logs;
use crate::engine::gate;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::layout;
use crate::model::retry;
use crate::model::task::page::{Change, changes, is_of_line, render};
use crate::model::task::{Board, Deed, Details, Edit, Event, Task, TaskId};
use crate::model::text::{Encoding, decode_document, encode};
use crate::store::page::{self, GONE, Swapped};
use crate::sys::share::{Meta, Share};

/// For how long a page must stand still before anything is done with it.
const STILL: Duration = Duration::from_secs(2);
/// For how long what is over stays in the page, in milliseconds.
const SHOWN: i64 = 7 * 86_400_000;
/// For how long a task that is over may still be the one of a line that bears no mark yet, in milliseconds: it was made of that
/// line, and done before anybody rendered it. Later the same text is another task.
const SETTLING: i64 = 3_600_000;
/// Pauses after the page could not be rendered: somebody has it open, say.
const TROUBLE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// What the page held that we put aside last, and that is in the next one; [`OPEN`] before that is known.
const ASIDE: &str = "task page aside";
const OPEN: &str = "open";

/// What is remembered of the page. All of it may be lost.
#[derive(Default)]
pub(super) struct Page {
    /// The page as it was last seen, and since when.
    seen: Option<(Meta, Duration)>,
    /// As it was when nothing was left to do with it.
    done: Option<Meta>,
    /// As it was when it could not be read as one text.
    unfit: Option<Meta>,
    /// Since when there is none.
    missing: Option<Duration>,
    /// When it is to be looked at.
    due: Option<Duration>,
    /// Tasks changed since it was rendered.
    stale: bool,
    /// What was made of its lines here and is not marked there yet.
    fresh: Vec<TaskId>,
    /// Tasks, young ones, that were known when nothing was left to do with it: a line without a mark is none of them.
    settled: BTreeSet<TaskId>,
    failures: u32,
    /// What failed last, until it goes well.
    trouble: Option<String>,
}

impl Page {
    /// It is time for a look.
    pub(super) fn look(&mut self, now: Duration) {
        self.due.get_or_insert(now);
    }

    /// Tasks changed: by others, or by somebody here, whose matter the page then is.
    pub(super) fn changed(&mut self, ours: bool, now: Duration) {
        self.stale = true;
        if ours {
            self.due = Some(self.due.map_or(now, |due| due.min(now)));
        }
    }

    /// Why it can't be rendered, while it can't.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When it is to be looked at next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Looks at the page if that is due; returns whether events of ours wait to be written for it.
    ///
    /// # Errors
    /// The share's: it is tried again after a pause. The local store's.
    pub(super) fn step(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        logs: &mut Logs,
        now: Duration,
    ) -> Result<bool> {
        if self.due.is_none_or(|due| due > now) {
            return Ok(false);
        }
        self.due = None;
        match self.work(share, node, logs, now) {
            Err(error) if !error.is_in_store() => {
                self.failures += 1;
                self.due = Some(now + retry::backoff(TROUBLE.0, TROUBLE.1, self.failures));
                self.trouble = Some(error.to_string());
                Err(error)
            }
            // What can't be rendered as it stands can't until somebody saved it otherwise.
            other if self.unfit.is_some() && self.unfit == self.done => other,
            other => {
                (self.failures, self.trouble, self.unfit) = (0, None, None);
                other
            }
        }
    }

    fn work(&mut self, share: &dyn Share, node: &mut Node, logs: &mut Logs, now: Duration) -> Result<bool> {
        let Some(meta) = page::look(share)? else {
            self.make(share, node, now)?;
            return Ok(false);
        };
        self.missing = None;
        let since = self.seen.filter(|(seen, _)| *seen == meta).map_or(now, |(_, since)| since);
        self.seen = Some((meta, since));
        if now.saturating_sub(since) < STILL {
            self.due = Some(since + STILL);
            return Ok(false);
        }
        if self.done == Some(meta) && !self.stale {
            tidy(share, node)?;
            return Ok(false);
        }
        if !node.db.queued_task_events(1)?.is_empty() {
            // What the page would show is not on the share yet.
            self.due = Some(now + STILL);
            return Ok(false);
        }
        let Some(bytes) = page::read(share)? else { return Ok(false) };
        if self.done != Some(meta) {
            logs.look(share, node, now, true)?;
        }
        let Some((text, form)) = decode(&bytes) else {
            (self.done, self.stale, self.unfit) = (Some(meta), false, Some(meta));
            let cause = "its lines are in several encodings, or in none: it is left as it is";
            let error = Error::new(Kind::Corrupt, "render", layout::task_page(), cause);
            return Err(error.next("save it in UTF-8"));
        };
        let (board, at) = known(node)?;
        let wall = node.clock.wall_ms();
        let age = |task: &Task| at.get(&task.id).map_or(i64::MAX, |at| wall.saturating_sub(*at));
        let young = |task: &&Task| age(task) <= SETTLING;
        let ended = board.tasks().filter(young).filter(|task| task.status.is_final() && is_of_line(task));
        let mut fresh: Vec<_> =
            ended.map(|task| task.id.clone()).filter(|id| !self.settled.contains(id)).collect();
        fresh.append(&mut self.fresh.clone());
        let events = events(node, &board, changes(&text, &board, &fresh));
        if !events.is_empty() {
            let added = |event: &Event| matches!(event.deed, Deed::Add(_));
            self.fresh = events.iter().filter(|event| added(event)).map(|event| event.task.clone()).collect();
            node.db.add_task_events(&home(node), &events, &[], node.clock.wall_ms())?;
            (self.stale, self.due) = (true, Some(now));
            return Ok(true);
        }
        let new = render(&text, &board, &fresh, &|task| age(task) > SHOWN);
        let shown = match new == text {
            true => {
                (self.done, self.stale) = (Some(meta), false);
                true
            }
            false => self.swap(share, node, now, &bytes, &encode(&new, form.0, form.1))?,
        };
        if shown {
            self.settled = board.tasks().filter(young).map(|task| task.id.clone()).collect();
        }
        Ok(false)
    }

    /// Makes the first page, or puts one back whose rendering was cut off.
    fn make(&mut self, share: &dyn Share, node: &mut Node, now: Duration) -> Result<()> {
        (self.seen, self.done) = (None, None);
        // What comes back may be older than what was seen.
        self.settled.clear();
        let (board, _) = known(node)?;
        let text = render("", &board, &[], &|_| false);
        if text.is_empty() {
            return Ok(());
        }
        gate::look(share, node)?;
        if page::make(share, text.as_bytes())? {
            (self.stale, self.missing) = (false, None);
            return Ok(());
        }
        let since = *self.missing.get_or_insert(now);
        if now.saturating_sub(since) >= GONE {
            page::restore(share)?;
            self.missing = None;
        }
        self.due = Some(now + GONE);
        Ok(())
    }

    /// Puts the rendered page in the place of the one that was read; whether it is there.
    fn swap(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        read: &[u8],
        new: &[u8],
    ) -> Result<bool> {
        gate::look(share, node)?;
        // Whatever lies aside would be written over, and a store that came from a backup does not know of it.
        let known = node.db.meta(ASIDE)?.and_then(|read| blake3::Hash::from_hex(read).ok());
        tidy_after(share, node, known)?;
        node.db.set_meta(ASIDE, OPEN)?;
        let swapped = page::swap(share, node.instance(), read, new)?;
        match swapped {
            Swapped::Done => {
                node.db.set_meta(ASIDE, blake3::hash(read).to_hex().as_str())?;
                self.stale = false;
                self.fresh.clear();
            }
            Swapped::Changed => {
                node.db.set_meta(ASIDE, "")?;
                self.due = Some(now + STILL);
            }
            Swapped::Raced => self.due = Some(now + STILL),
        }
        Ok(swapped == Swapped::Done)
    }
}

/// Ends what our last rendering left, if the store knows of one; there is a page.
fn tidy(share: &dyn Share, node: &mut Node) -> Result<()> {
    match node.db.meta(ASIDE)?.filter(|read| !read.is_empty()) {
        Some(read) => tidy_after(share, node, blake3::Hash::from_hex(read).ok()),
        None => Ok(()),
    }
}

/// The same, of one that had read `read`. What it put aside may be the only copy of what people wrote.
fn tidy_after(share: &dyn Share, node: &mut Node, read: Option<blake3::Hash>) -> Result<()> {
    if page::look(share)?.is_none() {
        return Ok(());
    }
    let wall = node.clock.wall_ms();
    let kept = page::tidy(share, node.instance(), read.as_ref().map(blake3::Hash::as_bytes), wall)?;
    node.db.set_meta(ASIDE, "")?;
    match kept {
        None => Ok(()),
        Some(kept) => {
            let what = "somebody saved the page of tasks while it was rendered; what was saved is in";
            node.db.record("task-page-kept", "", Some(&format!("{what} {kept}")), wall)
        }
    }
}

/// The text of a page, and how it is written: its encoding, with a BOM or without. `None`: it would not come out the same.
fn decode(bytes: &[u8]) -> Option<(String, (Encoding, bool))> {
    let document = decode_document(bytes).ok()?;
    let same = |bom| encode(&document.text, document.encoding, bom) == bytes;
    let form = [false, true].into_iter().find(|bom| same(*bom)).map(|bom| (document.encoding, bom));
    form.map(|form| (document.text, form))
}

/// All tasks, and when each last changed here.
fn known(node: &Node) -> Result<(Board, BTreeMap<TaskId, i64>)> {
    let all = node.db.tasks()?;
    let at = all.iter().map(|kept| (kept.task.id.clone(), kept.at)).collect();
    Ok((Board::new(all.into_iter().map(|kept| kept.task)), at))
}

/// What people did, as events of ours.
fn events(node: &Node, board: &Board, changes: Vec<Change>) -> Vec<Event> {
    let us = || node.instance().clone().into();
    let say = |id: &TaskId, deed| board.get(id).map(|task| ops::task_event(node, us(), task, deed));
    let mut events: Vec<Event> = vec![];
    for change in changes {
        let event = match change {
            Change::Add { id, title, body } => {
                let details = Details { title, body, by_hand: true, ..Details::default() };
                Some(ops::first_task_event(node, us(), id, details))
            }
            Change::Tick(id) => say(&id, Deed::Done { result: None, by_hand: true }),
            Change::Untick(id) => say(&id, Deed::Reopen),
            Change::Retitle(id, title) => {
                say(&id, Deed::Edit(Edit { title: Some(title), ..Edit::default() }))
            }
        };
        // Of one task several things may be said at once, the later ones after the earlier ones.
        events.extend(event.map(|event| {
            let before = events.iter().filter(|other| other.task == event.task).count() as u64;
            Event { version: event.version + before, ..event }
        }));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_comes_out_as_it_was_written_or_is_left_alone() {
        for (encoding, bom) in [
            (Encoding::Utf8, false),
            (Encoding::Utf8Bom, true),
            (Encoding::Utf16Le, true),
            (Encoding::Utf16Be, true),
            (Encoding::Gb18030, false),
        ] {
            let bytes = encode("# 任务\r\n\r\n- [ ] 编译整个项目，然后发布\r\n", encoding, bom);
            let (text, form) = decode(&bytes).unwrap();
            assert_eq!(encode(&text, form.0, form.1), bytes, "{encoding:?}");
            assert!(text.starts_with("# 任务"), "{text}");
        }
        let mixed = [
            encode("任务任务任务\n", Encoding::Gb18030, false),
            encode("编译整个项目\n", Encoding::Utf8, false),
        ];
        assert_eq!(decode(&mixed.concat()), None);
        assert_eq!(decode(b"\xff\xfe\0"), None);
    }
}
