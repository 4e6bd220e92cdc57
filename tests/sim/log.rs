//! What happened in a run: every line in the order of events, and how often each mishap came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What must happen somewhere in the seeds that CI runs, or the simulator claims more than it does.
pub const MUST: &[&str] = &[
    "EEXIST after success",
    "a call that fails",
    "a call that finds the share away",
    "a call that hangs",
    "a call that is denied",
    "a call that times out",
    "a daemon that a forged lease stopped",
    "a file that is missing while it is replaced",
    "a file that is sent",
    "a file that is whole",
    "a forged heartbeat",
    "a forged lease",
    "a forged line in a lane",
    "a forged line in an open slot",
    "a forged line that is refused",
    "a forged receipt",
    "a full disk",
    "a gap that is asked for again",
    "a lane that is copied",
    "a lane's file that somebody deletes",
    "a line by hand",
    "a message that is written again",
    "a node that dies",
    "a node that does not start again",
    "a node that is cut off",
    "a power cut",
    "a page of tasks that somebody saves",
    "a request",
    "a restored backup",
    "a second daemon",
    "a state folder that is restored",
    "a stranger's append over ours",
    "a stranger's lockfile in the way",
    "a task that somebody wants",
    "a torn append",
    "a true line that is copied",
    "a wake that fails for good",
    "a wake that is accepted",
    "a wake that nobody follows",
    "a wall clock that jumps",
    "a word of a task's holder",
    "an agent that writes back",
    "an answer that is shown",
    "an id that has two contents",
    "an older file that is put back",
    "an order to take mail back",
    "another share, or none, mounted",
    "data before the data that was written before it",
    "mail of a second daemon",
    "mail that is taken back before it left, or too late",
    "steps between two calls of another's step",
    "the older of two daemons says so",
    "the same line by hand again",
];

#[derive(Debug, Default)]
struct Inner {
    lines: Option<Vec<String>>,
    counts: BTreeMap<&'static str, u64>,
}

/// The log of one run; clones write to the same.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Inner>>);

impl Log {
    /// `trace`: lines are kept, too.
    pub fn new(trace: bool) -> Log {
        Log(Arc::new(Mutex::new(Inner { lines: trace.then(Vec::new), ..Inner::default() })))
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0.lock().unwrap().lines {
            lines.push(line());
        }
    }

    /// Something that must happen in many runs.
    pub fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().counts.entry(what).or_default() += 1;
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.take().unwrap_or_default()
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap().counts.clone()
    }
}
