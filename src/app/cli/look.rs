//! Looking at the share from a command: a running daemon does it all the time; without one the command runs a pass.
//!
//! Invariants: a command never touches the share while a daemon runs; a pass that fails is told on standard error and
//! fails no command that can answer from the local store.

use std::time::Duration;

use super::Cx;
use crate::app::pass::Passed;
use crate::engine::node::Node;
use crate::error::Result;
use crate::sys::clock;

/// How often a command that waits without a daemon looks at the share.
const EVERY: Duration = Duration::from_secs(1);

/// One pass if no daemon runs, before or after an answer from the local store. Returns what it told, if it failed.
pub fn refresh(cx: &mut Cx, node: &mut Node, role: &str) -> Option<String> {
    let cause = try_pass(cx, node, role)?;
    cx.note(&cause);
    Some(cause)
}

/// Like [`refresh`], and says why the pass failed instead of telling it.
fn try_pass(cx: &mut Cx, node: &mut Node, role: &str) -> Option<String> {
    if node.daemon_runs() {
        return None;
    }
    cx.out.flush();
    match cx.passes.pass(node, role) {
        Ok(Passed::Done | Passed::DaemonRuns) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Waits for the local store to change; without a daemon it looks at the share meanwhile.
pub struct Watch {
    role: &'static str,
    step: Duration,
    version: i64,
    looked: Duration,
    told: Option<String>,
    /// When its caller stops to wait.
    until: Option<Duration>,
    /// How long the last pass took.
    took: Duration,
}

impl Watch {
    /// Begins to watch, before the caller's first look at the store. `step` is the time between two glances.
    pub fn new(node: &Node, role: &'static str, step: Duration) -> Result<Watch> {
        let (version, looked) = (node.db.data_version()?, node.clock.now());
        Ok(Watch { role, step, version, looked, told: None, until: None, took: Duration::ZERO })
    }

    /// Its caller waits until then, and a pass `took` so long: none is begun that would end later.
    #[must_use]
    pub fn until(self, until: Duration, took: Duration) -> Watch {
        Watch { until: Some(until), took, ..self }
    }

    /// What hinders was told already: it is not told again until it changes.
    #[must_use]
    pub fn told(self, cause: Option<String>) -> Watch {
        Watch { told: cause, ..self }
    }

    /// Waits one step; whether the store may have changed.
    ///
    /// # Errors
    /// Nobody waits for it any more; the local store's.
    pub fn step(&mut self, cx: &mut Cx, node: &mut Node) -> Result<bool> {
        clock::pause(self.step);
        cx.ear.still_there()?;
        let mut passed = false;
        let now = node.clock.now();
        let in_time = self.until.is_none_or(|until| now.saturating_add(self.took) <= until);
        if now.saturating_sub(self.looked) >= EVERY && in_time {
            let cause = try_pass(cx, node, self.role);
            if let Some(cause) = cause.as_ref().filter(|cause| self.told.as_ref() != Some(cause)) {
                cx.note(cause);
            }
            self.told = cause;
            self.looked = node.clock.now();
            self.took = self.looked.saturating_sub(now);
            passed = true; // what this process wrote itself is not in `data_version`
        }
        let version = node.db.data_version()?;
        let changed = version != self.version;
        self.version = version;
        Ok(changed || passed)
    }
}
