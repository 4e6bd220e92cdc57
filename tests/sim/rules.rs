//! Rules of the format that the server itself can see broken, whatever becomes of the mail: nobody appends to a torn
//! tail, no lane has two writers, nobody appends under a lease that was passed before it looked, no living lock is
//! removed, and nothing is written to a share that is not the one.

use std::collections::HashMap;
use std::time::Duration;

use lanpost::model::layout;

use crate::forger::FORGER;
use crate::holders::Holders;

/// A look may be this old: what came about later was not seen, and nobody is to blame.
const OLD: Duration = Duration::from_millis(600);
/// Nobody's lock may be broken sooner.
const LIVING: Duration = Duration::from_secs(60);
/// The twin of node 3 is node 53.
const TWINS: usize = 50;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Rules {
    /// Lockfiles: who made them, and when.
    locks: HashMap<String, (usize, Duration)>,
    writers: HashMap<String, usize>,
    broken: Vec<String>,
    holders: Holders,
}

impl Rules {
    /// Node `by` appends to what stands at `path`.
    pub fn append(&mut self, by: usize, path: &str, before: &[u8]) {
        let lane = path.starts_with("messages/")
            && path.rsplit('/').next().is_some_and(|file| layout::parse_lane(file).is_some());
        if !lane || by == FORGER {
            return;
        }
        if before.last().is_some_and(|last| *last != b'\n') {
            self.broken.push(format!("n{by} appended to the torn tail of {path}"));
        }
        let first = *self.writers.entry(path.to_owned()).or_insert(by);
        if first != by {
            self.broken.push(format!("n{by} and n{first} both wrote to {path}"));
        }
    }

    /// Node `by`, whose last call before this one took effect at `looked`, appends to a lane under a lease that was
    /// passed at `passed`.
    pub fn append_under(&mut self, by: usize, path: &str, looked: Duration, passed: Option<Duration>) {
        if passed.is_some_and(|passed| passed + OLD < looked) {
            self.broken.push(format!("n{by} appended to {path}, whose lease was passed at {passed:?}"));
        }
    }

    pub fn lock(&mut self, by: usize, path: &str, now: Duration) {
        self.locks.insert(path.to_owned(), (by, now));
    }

    /// Node `by`, whose last call before this one took effect at `looked`, removes a lockfile.
    pub fn unlock(&mut self, by: usize, path: &str, looked: Duration, now: Duration) {
        let Some((maker, made)) = self.locks.remove(path) else { return };
        // One that was made after the look took the place of the one that was judged: nobody can see that.
        if maker % TWINS != by % TWINS && made + OLD < looked && now < made + LIVING {
            self.broken.push(format!("n{by} removed {path}, which n{maker} made at {made:?}"));
        }
    }

    /// Files came back, or went: nobody knows whose.
    pub fn forget_locks(&mut self) {
        self.locks.clear();
        self.holders.blind = true;
    }

    /// A file was made or replaced.
    pub fn wrote(&mut self, path: &str, bytes: &[u8], now: Duration) {
        self.broken.extend(self.holders.wrote(path, bytes, now));
    }

    /// Something was appended, as far as it fitted.
    pub fn appended(&mut self, path: &str, bytes: &[u8]) {
        self.holders.appended(path, bytes);
    }

    /// Node `by` writes where it must not.
    pub fn intrude(&mut self, by: usize, verb: &str, path: &str) {
        self.broken.push(format!("a write landed on a wrong share: n{by} {verb} {path}"));
    }

    /// The first rule that was broken.
    pub fn broken(&self) -> Option<&String> {
        self.broken.first()
    }

    /// What was written to set the scene does not count.
    pub fn forget(&mut self) {
        *self = Rules::default();
    }
}
