//! The unfinished ends of the files of our mailbox: where they begin, and for how long they have stood still.
//!
//! A tail is in flight (a share shows a file's size before its data) until it stood still for long enough on our own
//! clock; what is done with it then is decided in [`intake`](super::intake). All of it may be lost: a tail is then
//! waited for anew. A pass, which is too short to see one stand still, hands what it saw on to the next pass.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::engine::intake::Still;

/// How long a hand-written line without its newline must stand still before it is taken.
const COMPLETE: Duration = Duration::from_secs(2);
/// How long half a line, or NUL bytes, must stand still before they are set aside: a slow writer gets this long.
const DAMAGED: Duration = Duration::from_secs(30);

/// The tails of all files, by the name of the file's cursor.
#[derive(Default)]
pub struct Tails(HashMap<String, Tail>);

struct Tail {
    at: u64,
    len: usize,
    since: Duration,
    /// How long it had stood still when an earlier pass handed it on.
    before: Duration,
    due: Duration,
}

impl Tail {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since) + self.before
    }
}

impl Tails {
    /// What one pass hands to the next. `wall` is our own clock in milliseconds; set back or forward, it makes a tail
    /// wait longer or shorter, and nothing worse.
    pub fn hand_on(&self, now: Duration, wall: i64) -> String {
        let since = |tail: &Tail| wall - i64::try_from(tail.age(now).as_millis()).unwrap_or(i64::MAX);
        let tails: BTreeMap<&str, (u64, usize, i64)> =
            self.0.iter().map(|(lane, tail)| (lane.as_str(), (tail.at, tail.len, since(tail)))).collect();
        serde_json::to_string(&tails).unwrap_or_default()
    }

    /// What an earlier pass handed on.
    pub fn taken_over(tails: &str, now: Duration, wall: i64) -> Tails {
        let tails: BTreeMap<String, (u64, usize, i64)> = serde_json::from_str(tails).unwrap_or_default();
        let waiting = |(at, len, since): (u64, usize, i64)| {
            let before = Duration::from_millis(wall.saturating_sub(since).max(0).unsigned_abs());
            Tail { at, len, since: now, before, due: now + COMPLETE }
        };
        Tails(tails.into_iter().map(|(lane, tail)| (lane, waiting(tail))).collect())
    }

    /// When the first of them is to be looked at.
    pub fn due(&self) -> Option<Duration> {
        self.0.values().map(|tail| tail.due).min()
    }

    /// Whether a file has one.
    pub fn has(&self, lane: &str) -> bool {
        self.0.contains_key(lane)
    }

    /// How long a file that ends at `end` has had the tail that was noted.
    pub fn still(&self, lane: &str, end: u64, now: Duration) -> Still {
        let Some(tail) = self.0.get(lane).filter(|tail| tail.at + tail.len as u64 == end) else {
            return Still::No;
        };
        match tail.age(now) {
            still if still >= DAMAGED => Still::Damaged,
            still if still >= COMPLETE => Still::Complete,
            _ => Still::No,
        }
    }

    /// Notes that `len` bytes from `at` on are waited for; none: the file has no tail.
    pub fn note(&mut self, lane: &str, at: u64, len: usize, now: Duration) {
        if len == 0 {
            return self.forget(lane);
        }
        match self.0.get_mut(lane) {
            // Looked at in vain; it gets until it must be damage, and then one look each time that long.
            Some(tail) if (tail.at, tail.len) == (at, len) => {
                if tail.due <= now {
                    let left = DAMAGED.saturating_sub(tail.age(now));
                    tail.due = now + if left.is_zero() { DAMAGED } else { left };
                }
            }
            _ => {
                let tail = Tail { at, len, since: now, before: Duration::ZERO, due: now + COMPLETE };
                self.0.insert(lane.to_owned(), tail);
            }
        }
    }

    /// A file has no tail.
    pub fn forget(&mut self, lane: &str) {
        self.0.remove(lane);
    }

    /// Everything was looked at: a tail that was due and not met went with its file.
    pub fn all_met(&mut self, now: Duration) {
        self.0.retain(|_, tail| tail.due > now);
    }
}
