//! Which files of our mailbox a look asks about, however many there are.
//!
//! Names that are no lane's are stepped over while the folder is listed: they cost neither memory nor a question. Up to
//! `limits.lanes` lanes are all looked at. Of more than that, each look takes as many as the limit says, half of them
//! of peers that we know, the other half of everybody else's, and goes on behind them in the next look: ten thousand
//! lanes of made-up senders cost no peer its turn, and no lane is left out for good. Then the order of one sender's
//! leases is not kept, and a look is two or more rounds of questions.

use std::collections::{BTreeSet, HashSet};

use crate::error::Result;
use crate::model::layout::{self, LaneFile, SharePath};
use crate::model::name::Name;
use crate::sys::share::{Meta, Share};

/// How many files that are none are told of.
const ODD: usize = 10;

/// What is remembered between looks. All of it may be lost.
#[derive(Default)]
pub struct Muster {
    crowded: bool,
    turns: [Turn; 2],
    /// How many lanes were not asked about in the last look.
    pub left_out: usize,
    /// Some of those that are no regular files, and so nobody's lanes.
    pub odd: Vec<SharePath>,
}

/// One half of the looks: where the last one ended.
#[derive(Default)]
struct Turn {
    after: Option<LaneFile>,
}

impl Muster {
    /// The lanes to look at, with their lengths, in no order; `None` if the mailbox is not there. `known` says who the
    /// peers are; it is asked only when it matters. Cost: 1 list and a stat per lane; if there are too many, another
    /// list, and a stat for each of `most` lanes.
    pub fn lanes(
        &mut self,
        share: &dyn Share,
        us: &Name,
        most: usize,
        known: &dyn Fn() -> Result<HashSet<String>>,
    ) -> Result<Option<Vec<(LaneFile, u64)>>> {
        let mailbox = layout::mailbox(us);
        self.odd.clear();
        if !self.crowded {
            let mut count = 0;
            let found = share.list_those(&mailbox, &mut |name| {
                let lane = layout::parse_lane(name).is_some();
                count += usize::from(lane);
                lane && count <= most
            })?;
            let Some(found) = found else { return Ok(None) };
            if count <= most {
                self.left_out = 0;
                let lanes = found.into_iter().filter_map(|entry| {
                    let file = layout::parse_lane(&entry.name)?;
                    self.length(us, &file, entry.meta).map(|len| (file, len))
                });
                return Ok(Some(lanes.collect()));
            }
            self.crowded = true;
        }
        self.take_turns(share, us, most, &known()?)
    }

    fn take_turns(
        &mut self,
        share: &dyn Share,
        us: &Name,
        most: usize,
        known: &HashSet<String>,
    ) -> Result<Option<Vec<(LaneFile, u64)>>> {
        let mut queues = self.turns.each_ref().map(|turn| Queue::new(turn.after.clone(), most / 2));
        let mut count = 0;
        let found = share.list_those(&layout::mailbox(us), &mut |name| {
            if let Some(file) = layout::parse_lane(name) {
                count += 1;
                queues[usize::from(!known.contains(&file.from.fold()))].offer(file);
            }
            false
        })?;
        if found.is_none() {
            return Ok(None);
        }
        self.crowded = count > most;
        let mut lanes = vec![];
        for (turn, queue) in queues.into_iter().enumerate() {
            let chosen = queue.chosen();
            self.turns[turn].after = chosen.last().cloned();
            for file in chosen {
                let meta = share.stat(&layout::lane(us, &file))?;
                let len = meta.and_then(|meta| self.length(us, &file, meta));
                lanes.extend(len.map(|len| (file, len)));
            }
        }
        self.left_out = count - lanes.len().min(count);
        Ok(Some(lanes))
    }

    /// How long a lane's file is, if it is a file.
    fn length(&mut self, us: &Name, file: &LaneFile, meta: Meta) -> Option<u64> {
        if !meta.regular && self.odd.len() < ODD {
            self.odd.push(layout::lane(us, file));
        }
        meta.regular.then_some(meta.len)
    }
}

/// The next few of many, in order, going round; holds no more than it will give.
struct Queue {
    after: Option<LaneFile>,
    most: usize,
    next: BTreeSet<LaneFile>,
    first: BTreeSet<LaneFile>,
}

impl Queue {
    fn new(after: Option<LaneFile>, most: usize) -> Queue {
        Queue { after, most, next: BTreeSet::new(), first: BTreeSet::new() }
    }

    fn offer(&mut self, file: LaneFile) {
        let passed = self.after.as_ref().is_some_and(|after| file <= *after);
        let half = if passed { &mut self.first } else { &mut self.next };
        half.insert(file);
        if half.len() > self.most {
            half.pop_last();
        }
    }

    fn chosen(self) -> Vec<LaneFile> {
        self.next.into_iter().chain(self.first).take(self.most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(n: u64) -> LaneFile {
        LaneFile { from: Name::parse("x").unwrap(), lease: 1, segment: n }
    }

    #[test]
    fn everybody_has_a_turn_and_no_more_is_held_than_is_given() {
        let (mut after, mut seen) = (None, vec![]);
        for _ in 0..5 {
            let mut queue = Queue::new(after.clone(), 3);
            for n in [9, 2, 7, 4, 1, 8, 3, 5, 6] {
                queue.offer(file(n));
                assert!(queue.next.len().max(queue.first.len()) <= 3);
            }
            let chosen = queue.chosen();
            after = chosen.last().cloned();
            seen.push(chosen.into_iter().map(|file| file.segment).collect::<Vec<_>>());
        }
        assert_eq!(seen, [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9], vec![1, 2, 3], vec![4, 5, 6]]);
    }
}
