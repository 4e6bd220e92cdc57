//! The lanes of our mailbox: lease by lease and segment by segment, so that each sender's order is kept.
//!
//! A segment with a later one beside it is done with, and yet it may grow: anybody can put a file there that bears the
//! next number, and its sender, who knows nothing of that, goes on where it was. So where reading stood in a segment that
//! was left is kept, in a cursor of its own, for as long as the segment is there.
//!
//! To take mail in costs more than to look for it. Where there are more senders than [`ACQUAINTED`], those whom we have
//! known for longest come first in every look, and of the others as many as [`TAKEN`] allows, in turn.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::{Found, Mailbox, PROBLEMS, SETTLING};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::layout::{self, LaneFile};
use crate::model::name::Name;
use crate::store::db::{Cursor, Via};
use crate::sys::share::Share;

/// Senders who have their turn in every look.
const ACQUAINTED: usize = 100;
/// How often a look takes something in, apart from them: each costs the store a transaction, some 5 ms.
const TAKEN: usize = 100;

/// The lanes of one sender: each lease, with its segments and their lengths.
type Lanes = Vec<(u64, Vec<(u64, u64)>)>;
type BySender = BTreeMap<Name, BTreeMap<u64, Vec<(u64, u64)>>>;

impl Mailbox {
    /// Looks at the lanes: those that grew, or with `force` all.
    pub fn look_lanes(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        force: bool,
    ) -> Result<Found> {
        let mut found = Found::default();
        let known = || -> Result<HashSet<String>> {
            let peers = node.db.acquaintances()?.into_iter().filter(|peer| peer.lanpost);
            Ok(peers.map(|peer| peer.fold).collect())
        };
        let Some(files) = self.muster.lanes(share, node.instance(), node.config.limits.lanes, &known)? else {
            self.missing = true;
            return Ok(found);
        };
        for path in self.muster.odd.iter().filter(|_| force) {
            let error = Error::new(Kind::Io, "read", path, "it is not a regular file");
            self.problems.push(error.next("move it away"));
        }
        let mut senders = BySender::new();
        for (LaneFile { from, lease, segment }, len) in files {
            senders.entry(from).or_default().entry(lease).or_default().push((segment, len));
        }
        drop_lookalikes(node, &mut senders)?;
        let senders = senders.into_iter().map(|(from, lanes)| (from, lanes.into_iter().collect()));
        for (index, (from, lanes)) in self.in_turn(node, senders.collect())?.into_iter().enumerate() {
            if index <= ACQUAINTED {
                self.taken = 0;
            } else if self.taken >= TAKEN {
                self.more = true;
                self.turn = Some(from);
                break;
            }
            self.look_sender(share, node, now, (&from, lanes), force, &mut found)?;
        }
        if found.changed.mailbox {
            self.settle_at.get_or_insert(now + SETTLING);
        }
        Ok(found)
    }

    /// The senders in the order in which they are looked at.
    fn in_turn(&mut self, node: &Node, mut senders: Vec<(Name, Lanes)>) -> Result<Vec<(Name, Lanes)>> {
        if senders.len() <= ACQUAINTED {
            return Ok(senders);
        }
        let peers = node.db.acquaintances()?;
        let since: HashMap<String, i64> =
            peers.into_iter().map(|peer| (peer.fold, peer.first_seen)).collect();
        senders.sort_by_cached_key(|(from, _)| since.get(&from.fold()).copied().unwrap_or(i64::MAX));
        let mut others = senders.split_off(ACQUAINTED);
        others.sort_by(|(one, _), (two, _)| one.cmp(two));
        if let Some(turn) = self.turn.take() {
            let passed = others.partition_point(|(from, _)| *from < turn);
            others.rotate_left(passed);
        }
        senders.append(&mut others);
        Ok(senders)
    }

    fn look_sender(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        (from, lanes): (&Name, Lanes),
        force: bool,
        found: &mut Found,
    ) -> Result<()> {
        let newest = lanes.last().map(|(lease, _)| *lease);
        for (lease, mut segments) in lanes {
            segments.sort_unstable();
            // A sender that took its next lease adds nothing to the lane of the one before.
            let closed = newest != Some(lease);
            match self.look_lane(share, node, now, (from, lease), &segments, closed, force, found) {
                // One bad file stops nobody else's mail.
                Err(error) if !error.is_in_store() => {
                    if self.problems.len() < PROBLEMS {
                        self.problems.push(error);
                    }
                    break;
                }
                other => other?,
            }
            if self.tails.has(&lane_key(from, lease)) {
                // The order is kept: what was written under a later lease waits for the end of the earlier one.
                break;
            }
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the seam, the node, the time, which lane, what was listed of it"
    )]
    fn look_lane(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        (from, lease): (&Name, u64),
        segments: &[(u64, u64)],
        closed: bool,
        force: bool,
        found: &mut Found,
    ) -> Result<()> {
        let peer = from.fold();
        let lane = lane_key(from, lease);
        let mut cursor = self.cursor(node, &lane)?.unwrap_or_default();
        self.look_behind(share, node, now, (from, lease), segments, cursor.segment, found)?;
        for (index, (segment, len)) in segments.iter().enumerate() {
            let sealed = closed || index + 1 < segments.len();
            if *segment < cursor.segment {
                continue;
            }
            if *segment > cursor.segment {
                if *len > 0 {
                    self.leave(node, &lane, &cursor, segments)?;
                }
                if *segment > cursor.segment + 1
                    && gap(node, &lane)?.is_none_or(|first| first > cursor.segment)
                {
                    // Those between are gone, their writer deleted them. If they turn up, this was a lie.
                    node.db.set_meta(&gap_key(&lane), &cursor.segment.to_string())?;
                }
                cursor = self.begin(node, &lane, *segment)?;
            }
            if *len == cursor.offset && (sealed || !force) {
                continue;
            }
            let file = LaneFile { from: from.clone(), lease, segment: *segment };
            let path = layout::lane(node.instance(), &file);
            let via = Via::Lane { peer: peer.clone(), lease };
            cursor = self.read_on(share, node, now, (&lane, &path, via), cursor, sealed, found)?;
            if self.tails.has(&lane) {
                // The order is kept: what follows waits for this tail, or for it to be set aside.
                break;
            }
        }
        Ok(())
    }

    /// Reads on in segments that were left and grew since, and in those that turned up after they were taken for deleted.
    #[expect(
        clippy::too_many_arguments,
        reason = "the seam, the node, the time, which lane, what was listed of it"
    )]
    fn look_behind(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        (from, lease): (&Name, u64),
        segments: &[(u64, u64)],
        current: u64,
        found: &mut Found,
    ) -> Result<()> {
        if segments.first().is_none_or(|(first, _)| *first >= current) {
            return Ok(());
        }
        let lane = lane_key(from, lease);
        let gap = gap(node, &lane)?;
        for (segment, len) in segments.iter().filter(|(segment, _)| *segment < current) {
            let key = left_key(&lane, *segment);
            let left = match self.cursor(node, &key)? {
                Some(left) => left,
                None if gap.is_some_and(|before| *segment > before) => self.begin(node, &lane, *segment)?,
                None => continue,
            };
            if left.offset == *len {
                continue;
            }
            let path =
                layout::lane(node.instance(), &LaneFile { from: from.clone(), lease, segment: *segment });
            let via = Via::Lane { peer: from.fold(), lease };
            // As one that is done with: an end that is torn must not hold up what follows for good.
            self.read_on(share, node, now, (&key, &path, via), left, true, found)?;
            if self.tails.has(&key) {
                // The order is kept here, too.
                break;
            }
        }
        Ok(())
    }

    /// Keeps where reading stands in a segment that is left, and drops that of segments which are gone.
    fn leave(&mut self, node: &mut Node, lane: &str, cursor: &Cursor, segments: &[(u64, u64)]) -> Result<()> {
        let (kin, key) = (left_key(lane, 0), left_key(lane, cursor.segment));
        let there: Vec<u64> = segments.iter().map(|(segment, _)| *segment).collect();
        if !there.contains(&cursor.segment) || self.cursor(node, &key)?.as_ref() == Some(cursor) {
            return Ok(());
        }
        // A look that left files out knows of none that it is gone.
        let there = (self.muster.left_out == 0).then_some(there);
        node.db.leave_segment(&kin, &key, cursor, there.as_deref())?;
        if let Some(there) = there {
            self.cursors.retain(|other, cursor| !other.starts_with(&kin) || there.contains(&cursor.segment));
        }
        self.cursors.insert(key, cursor.clone());
        Ok(())
    }

    /// Where reading of a segment begins: where it was left, if it was.
    fn begin(&mut self, node: &mut Node, lane: &str, segment: u64) -> Result<Cursor> {
        let left = self.cursor(node, &left_key(lane, segment))?;
        Ok(left.unwrap_or(Cursor { segment, ..Cursor::default() }))
    }
}

/// Leaves one of the lanes whose names differ in upper and lower case alone, which a share that tells these apart has room
/// for: that which is spelled as its sender is. All of them would be read with one cursor.
fn drop_lookalikes(node: &Node, senders: &mut BySender) -> Result<()> {
    let mut spellings: BTreeMap<(String, u64), Vec<Name>> = BTreeMap::new();
    for (from, lanes) in senders.iter() {
        for lease in lanes.keys() {
            spellings.entry((from.fold(), *lease)).or_default().push(from.clone());
        }
    }
    for ((fold, lease), names) in spellings.into_iter().filter(|(_, names)| names.len() > 1) {
        let spelled = node.db.peer(&fold)?.map(|peer| peer.name);
        let kept = spelled.filter(|name| names.contains(name)).unwrap_or_else(|| names[0].clone());
        for name in names.iter().filter(|name| **name != kept) {
            senders.get_mut(name).map(|lanes| lanes.remove(&lease));
        }
    }
    Ok(())
}

/// After which segment of a lane there are such as were never seen.
fn gap(node: &Node, lane: &str) -> Result<Option<u64>> {
    Ok(node.db.meta(&gap_key(lane))?.and_then(|segment| segment.parse().ok()))
}

/// Where that is kept.
fn gap_key(lane: &str) -> String {
    format!("gap {lane}")
}

/// The name of a lane's cursor and of its tail.
fn lane_key(from: &Name, lease: u64) -> String {
    format!("{}.{lease}", from.fold())
}

/// The cursor of a segment that was left; of number 0, what those of one lane begin with. Names hold no blank, so it is no
/// lane's.
fn left_key(lane: &str, segment: u64) -> String {
    match segment {
        0 => format!("{lane} "),
        _ => format!("{lane} {segment}"),
    }
}
