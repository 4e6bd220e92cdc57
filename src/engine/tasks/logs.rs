//! Reading the logs of task events of all instances, our own among them: a store that was restored learns so what it did.
//!
//! Each file has a cursor of its own, and files are read in any order: what the events come to does not depend on it. So a
//! torn tail holds up nothing, and a file that somebody puts beside another one hides none. A line with NUL bytes is in
//! flight, and waited for as in a lane.
//!
//! Nothing here is trusted: a line counts if its instance's key signed it for that very log, or if no key is known for a
//! name, and it is bounded how many files, lines and events of one instance are taken.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{home, writing};
use crate::engine::beat;
use crate::engine::intake::Still;
use crate::engine::node::Node;
use crate::engine::tails::Tails;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::LEASE;
use crate::model::json;
use crate::model::layout::{self, LaneFile};
use crate::model::task::{Event, LINE};
use crate::model::trust::{Cause, Policy, Verdict};
use crate::store::db::{Cursor, Quarantined, Refusal, TaskIntake};
use crate::store::tail::{self, Tail};
use crate::sys::share::Share;

/// Files that one look asks about.
const FILES: usize = 10_000;
/// Bytes asked for in one read; more than the longest line.
const CHUNK: usize = 1 << 20;
/// Reads of one file in one look.
const TURNS: u32 = 8;
/// Events of one instance that are kept.
const EVENTS: u64 = 100_000;

/// What is remembered between looks. All of it may be lost.
#[derive(Default)]
pub(super) struct Logs {
    /// How long each file was when it was last read.
    read: HashMap<LaneFile, u64>,
    tails: Tails,
    /// Something was left for the next look.
    pub more: bool,
    /// What we wrote last was not there, or shorter: a backup of the share was restored, or the listing is an old one.
    pub cut: bool,
    /// What went wrong with single files; the others were read all the same.
    pub problems: Vec<Error>,
}

/// What a line is.
enum Line {
    Event(Box<Event>, Map<String, Value>),
    Refused(Refusal, String),
    Aside(String),
    /// Of somebody whose words the config denies.
    Skipped,
}

impl Logs {
    /// When a look is due for a line that may have been given up by now.
    pub fn due(&self) -> Option<Duration> {
        self.tails.due()
    }

    /// Reads what the logs gained; returns how many events are new. With `force` every log is read, because a listing may
    /// show stale lengths. Cost: 1 list, a stat for each log on Linux, a read for each that grew.
    pub fn look(&mut self, share: &dyn Share, node: &mut Node, now: Duration, force: bool) -> Result<usize> {
        let mut room = FILES;
        let found = share.list_those(&layout::tasks(), &mut |name| {
            let wanted = layout::parse_task_log(name).is_some() && room > 0;
            room -= usize::from(wanted);
            wanted
        })?;
        let (mut new, force) = (0, force || std::mem::take(&mut self.more));
        let files = found.into_iter().flatten().filter(|entry| entry.meta.regular);
        let files: Vec<(LaneFile, u64)> =
            files.filter_map(|entry| Some((layout::parse_task_log(&entry.name)?, entry.meta.len))).collect();
        self.cut = writing::written(node)?
            .is_some_and(|(ours, size)| !files.iter().any(|(file, len)| *file == ours && *len >= size));
        for (file, len) in files {
            if self.read.get(&file) == Some(&len) && !force && !self.tails.has(&key(&file)) {
                continue;
            }
            match self.read_on(share, node, now, &file) {
                Ok(count) => {
                    new += count;
                    self.read.insert(file, len);
                }
                Err(error) if error.is_in_store() => return Err(error),
                Err(error) => self.problems.push(error),
            }
        }
        self.tails.all_met(now);
        Ok(new)
    }

    /// Reads one file to its end, as far as its turn allows.
    fn read_on(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        file: &LaneFile,
    ) -> Result<usize> {
        let (key, path, fold) = (key(file), layout::task_log(file), file.from.fold());
        let mut cursor = node.db.cursor(&key)?.unwrap_or_default();
        let mut new = 0;
        for turn in 0.. {
            if turn == TURNS {
                self.more = true;
                break;
            }
            let bytes = match tail::read(share, &path, &cursor, CHUNK)? {
                Tail::Bytes(bytes) => bytes,
                Tail::Missing => break,
                Tail::Replaced => {
                    cursor = Cursor::default();
                    continue;
                }
            };
            let still = self.tails.still(&key, cursor.offset + bytes.len() as u64, now);
            let whole = whole(&bytes, still);
            self.tails.note(&key, cursor.offset + whole as u64, nul_tail(&bytes[whole..]), now);
            if whole == 0 {
                break;
            }
            if node.db.task_events_of(&fold)? >= EVENTS {
                let cause = format!("{EVENTS} task events of {} are kept already", file.from);
                return Err(
                    Error::new(Kind::Full, "read", &path, cause).next("look what that instance is doing")
                );
            }
            let mut intake = TaskIntake {
                lane: key.clone(),
                room: node.config.limits.quarantine.0,
                ..TaskIntake::default()
            };
            let mut at = 0;
            for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
                let offset = cursor.offset + at as u64;
                at += line.len();
                take(share, node, file, (line, offset), &mut intake)?;
            }
            intake.cursor = cursor.advanced(&bytes[..whole]);
            new += node.db.take_task_events(&home(node), &intake, node.clock.wall_ms())?;
            cursor = intake.cursor;
            if bytes.len() < CHUNK {
                break;
            }
        }
        Ok(new)
    }
}

/// How much of it are whole lines that may be read; a line that is longer than any may be is one, too.
fn whole(bytes: &[u8], still: Still) -> usize {
    let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => at + 1,
        None if bytes.len() > LINE => return bytes.len(),
        None => 0,
    };
    match bytes[..end].iter().position(|byte| *byte == 0) {
        // A share shows a file's size before its data.
        Some(hole) if still < Still::Damaged => {
            bytes[..hole].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
        }
        _ => end,
    }
}

/// How much is waited for: half a line is nobody's business, since nothing waits behind it.
fn nul_tail(rest: &[u8]) -> usize {
    if rest.contains(&0) { rest.len() } else { 0 }
}

/// Where a file's cursor is kept. Names hold no blank, so it is no lane's.
pub(super) fn key(file: &LaneFile) -> String {
    format!("tasks {}.{}-{}", file.from, file.lease, file.segment)
}

/// Takes one line.
fn take(
    share: &dyn Share,
    node: &mut Node,
    file: &LaneFile,
    (line, offset): (&[u8], u64),
    intake: &mut TaskIntake,
) -> Result<()> {
    let path = layout::task_log(file);
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut aside =
        |why: String| intake.quarantined.push(Quarantined::new(path.as_str(), offset, line, why, None));
    let value = match parse(line) {
        Ok(value) => value,
        Err(why) => {
            aside(why);
            return Ok(());
        }
    };
    let mut judged = judge(node, file, &value)?;
    if let Line::Refused(Refusal { cause: Cause::Forged | Cause::ChangedKey, .. }, _) = judged
        && beat::look_again(share, node, &file.from.fold())?
    {
        // It may have another key since we last looked.
        judged = judge(node, file, &value)?;
    }
    match judged {
        Line::Event(event, object) => intake.events.push((*event, object)),
        Line::Refused(refusal, why) => {
            aside(why);
            intake.refusals.push(refusal);
        }
        Line::Aside(why) => aside(why),
        Line::Skipped => {}
    }
    Ok(())
}

/// The one object of a line.
fn parse(line: &[u8]) -> std::result::Result<Map<String, Value>, String> {
    if line.len() > LINE {
        return Err(format!("{} bytes long; at most {LINE} are taken", line.len()));
    }
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let limits = json::Limits { objects: 1, ..json::Limits::default() };
    match json::parse(text, limits).map_err(|reject| reject.to_string())?.pop() {
        Some(Value::Object(object)) => Ok(object),
        _ => Err("not a JSON object".to_owned()),
    }
}

/// Whose an object is, and what it says.
fn judge(node: &Node, file: &LaneFile, object: &Map<String, Value>) -> Result<Line> {
    let fold = file.from.fold();
    let refused = |cause: Cause| {
        let source = layout::task_log(file).to_string();
        Line::Refused(Refusal { peer: fold.clone(), cause, source }, cause.reason().to_owned())
    };
    let verdict = match node.db.keys(&fold, node.clock.wall_ms())?.judge(object) {
        Ok(verdict) => verdict,
        Err(cause) => return Ok(refused(cause)),
    };
    if verdict == Verdict::Verified && object.get(LEASE).and_then(Value::as_u64) != Some(file.lease) {
        return Ok(refused(Cause::Copied));
    }
    let ours = file.from.same_as(node.instance());
    if !ours && node.config.policy(&fold, verdict) != Policy::Allow {
        return Ok(Line::Skipped);
    }
    Ok(match Event::from_value(Value::Object(object.clone())) {
        Ok(event) if event.instance().same_as(&file.from) => Line::Event(Box::new(event), object.clone()),
        Ok(event) => Line::Aside(format!("in the log of {}, but from {}", file.from, event.from)),
        Err(why) => Line::Aside(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_read_and_what_is_in_flight_waits() {
        assert_eq!(whole(b"a\nb\nc", Still::No), 4);
        assert_eq!(whole(b"abc", Still::Damaged), 0, "half a line never becomes one");
        assert_eq!(whole(b"a\n\0\0\nc\n", Still::No), 2);
        assert_eq!(whole(b"a\n\0\0\nc\n", Still::Damaged), 7);
        assert_eq!(whole(&[b'x'; LINE + 1], Still::No), LINE + 1, "no line gets that long");
        assert_eq!((nul_tail(b"\0"), nul_tail(b"half")), (1, 0));
    }
}
