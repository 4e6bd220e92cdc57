//! The writer of a lane, in a peer's mailbox, or of our log of task events: segments of JSONL, appended by us alone.
//!
//! Writer: the holder of the lease in the file's name. Readers take no lock.
//! Grammar: `segment := line*`, `line := json-object '\n'`; the newline commits the line.
//! After a crash, or an append that failed: the segment's end is unknown. A writer goes on in a segment only if its
//! length is what the store remembers; otherwise it begins the next one and never appends to a torn tail. If what it
//! finds there are lines that it never wrote, then somebody else writes under the same lease: a copy of the state
//! folder, or this one before it was restored from a backup. Then the lease is no fence, and nothing is written.

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::model::layout::{self, SharePath};
use crate::store::db::Position;
use crate::sys::share::{Append, Share};

/// When a segment is full.
#[derive(Clone, Copy, Debug)]
pub struct Roll {
    /// Bytes.
    pub size: u64,
    /// Milliseconds.
    pub age: i64,
}

/// Segments in the way that are stepped over; a crash leaves one at a time, and a stranger as many as he likes.
const IN_THE_WAY: u64 = 100;

/// How much of what we don't remember is looked at: more than a batch.
const UNKNOWN: usize = 4 << 20;

/// A lane open for writing. Dropped after an error, never used again.
pub struct LaneWriter {
    file: Box<dyn Append>,
    position: Position,
}

impl LaneWriter {
    /// Opens the lane whose segments lie at `path` where the store says it stands, or at its next segment.
    /// `wrote` tells whether a line of this id is one that we wrote there. The folder must exist. Cost: 1 open;
    /// after a crash an open and a read for each segment that holds what the store doesn't remember.
    ///
    /// # Errors
    /// [`Kind::LeaseLost`]: the lane holds lines that are not ours.
    pub fn open(
        share: &dyn Share,
        path: &dyn Fn(u64) -> SharePath,
        at: Position,
        roll: Roll,
        now: i64,
        wrote: &dyn Fn(&str) -> Result<bool>,
    ) -> Result<LaneWriter> {
        let fresh_enough = at.size < roll.size && now.saturating_sub(at.opened) < roll.age;
        if at.segment > 0
            && fresh_enough
            && let Some(file) = open(share, &path(at.segment))?
        {
            if file.len() == at.size {
                return Ok(LaneWriter { file, position: at });
            }
            refuse_foreign(share, &path(at.segment), at.size, wrote)?;
        }
        // A number that already holds something is what a crash left; its lines are known or will be written again.
        let mut segment = at.segment + 1;
        loop {
            if let Some(file) = open(share, &path(segment))? {
                if file.is_empty() {
                    return Ok(LaneWriter { file, position: Position { segment, size: 0, opened: now } });
                }
                refuse_foreign(share, &path(segment), 0, wrote)?;
            }
            segment += 1;
            if segment > at.segment + IN_THE_WAY || segment > layout::LAST {
                let cause =
                    format!("{IN_THE_WAY} segments of it are there that this state folder did not write");
                let error = Error::new(Kind::LeaseLost, "go on in the lane", path(segment - 1), cause);
                return Err(error.next("lanpost goes on under a new lease"));
            }
        }
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the segment is full and the next one is due.
    pub fn is_full(&self, roll: Roll, now: i64) -> bool {
        self.position.size >= roll.size || now.saturating_sub(self.position.opened) >= roll.age
    }

    /// Appends whole lines in one write, durable when it returns. Cost: 1 write, 1 sync.
    pub fn append(&mut self, lines: &[u8]) -> Result<Position> {
        self.file.append(lines)?;
        self.position.size = self.file.len();
        Ok(self.position)
    }
}

/// Opens a segment; `None` if a folder, a link, a pipe or the like stands in its place, which anybody can put there.
fn open(share: &dyn Share, path: &SharePath) -> Result<Option<Box<dyn Append>>> {
    share.open_append(path).map(Some).or_else(|error| match share.stat(path) {
        Ok(Some(meta)) if !meta.regular => Ok(None),
        _ => Err(error),
    })
}

/// Looks at what stands in a segment from `from` on. A torn line is nobody's.
fn refuse_foreign(
    share: &dyn Share,
    path: &SharePath,
    from: u64,
    wrote: &dyn Fn(&str) -> Result<bool>,
) -> Result<()> {
    let bytes = share.read(path, from, UNKNOWN)?.unwrap_or_default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let id = serde_json::from_slice::<Value>(line).ok();
        let id = id.as_ref().and_then(|line| line.get("id")?.as_str());
        if id.is_some_and(|id| !id.is_empty()) && !wrote(id.unwrap_or_default())? {
            let cause = "it holds lines that this state folder did not write: the folder was restored from a backup, \
                         or a copy of it is in use";
            return Err(Error::new(Kind::LeaseLost, "go on in the lane", path, cause).next(
                "lanpost goes on under a new lease; see that no second copy of the state folder is in use",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::LaneFile;
    use crate::model::name::Name;
    use crate::sys::memory::MemoryShare;

    const ROLL: Roll = Roll { size: 10, age: 1_000 };

    /// A share with a mailbox, and no lane in it.
    fn mailbox() -> MemoryShare {
        let share = MemoryShare::new();
        share.make_folder(&layout::messages()).unwrap();
        share.make_folder(&layout::mailbox(&Name::parse("b").unwrap())).unwrap();
        share
    }

    /// The segments of the lane from `a` to `b`.
    fn path(segment: u64) -> SharePath {
        let (from, to) = (Name::parse("a").unwrap(), Name::parse("b").unwrap());
        layout::lane(&to, &LaneFile { from, lease: 1, segment })
    }

    #[test]
    fn a_writer_goes_on_only_where_it_stopped() {
        let share = mailbox();
        let open = |at| LaneWriter::open(&share, &path, at, ROLL, 0, &|_| Ok(true)).unwrap();
        let at = open(Position::default()).append(b"{}\n").unwrap();
        assert_eq!(at, Position { segment: 1, size: 3, opened: 0 });
        let at = open(at).append(b"{}\n").unwrap();
        assert_eq!(at.size, 6);
        let torn = open(Position { size: 3, ..at }).append(b"{}\n").unwrap();
        assert_eq!((torn.segment, torn.size), (2, 3), "the end is not where we left it");
        let full = open(Position { size: 10, ..at }).append(b"{}\n").unwrap();
        assert_eq!((full.segment, full.size), (3, 3), "segment 2 is taken");
    }

    #[test]
    fn a_folder_in_the_way_is_stepped_over() {
        let share = mailbox();
        let open = |at| LaneWriter::open(&share, &path, at, ROLL, 0, &|_| Ok(true));
        share.make_folder(&path(1)).unwrap();
        let at = open(Position::default()).unwrap().append(b"{}\n").unwrap();
        assert_eq!((at.segment, at.size), (2, 3));
        share.remove(&path(2)).unwrap();
        share.make_folder(&path(2)).unwrap();
        assert_eq!(open(at).unwrap().position.segment, 3, "in the place of the one that was written");
        for segment in 3..200 {
            share.remove(&path(segment)).unwrap();
            share.make_folder(&path(segment)).unwrap();
        }
        assert_eq!(open(at).err().unwrap().kind(), Kind::LeaseLost, "too many");
    }

    #[test]
    fn a_lane_with_lines_that_are_not_ours_is_not_gone_on_with() {
        let share = mailbox();
        let open = |at, ids: &'static [&str]| {
            LaneWriter::open(&share, &path, at, ROLL, 0, &move |id| Ok(ids.contains(&id)))
        };
        open(Position::default(), &[]).unwrap().append(b"{\"id\":\"x\"}\n{\"id\":\"y").unwrap();
        assert_eq!(open(Position::default(), &["x"]).unwrap().position.segment, 2, "ours, and a torn line");
        let refused = open(Position::default(), &["y"]).err().unwrap();
        assert_eq!(refused.kind(), Kind::LeaseLost);
    }
}
