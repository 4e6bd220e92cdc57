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
use crate::sys::flock::LocalLock;

/// How often a command that waits without a daemon looks at the share.
const EVERY: Duration = Duration::from_secs(1);

/// Whether a daemon works on the state folder.
pub fn daemon_runs(node: &Node) -> bool {
    LocalLock::holder(&node.config.state).is_some_and(|holder| holder.role == "daemon")
}

/// One pass if no daemon runs, before or after an answer from the local store. Returns what it told, if it failed.
pub fn refresh(cx: &mut Cx, node: &mut Node, role: &str) -> Option<String> {
    let cause = try_pass(cx, node, role)?;
    cx.note(&cause);
    Some(cause)
}

/// Like [`refresh`], and says why the pass failed instead of telling it.
fn try_pass(cx: &mut Cx, node: &mut Node, role: &str) -> Option<String> {
    if daemon_runs(node) {
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
}

impl Watch {
    /// Begins to watch, before the caller's first look at the store. `step` is the time between two glances.
    pub fn new(node: &Node, role: &'static str, step: Duration) -> Result<Watch> {
        Ok(Watch { role, step, version: node.db.data_version()?, looked: node.clock.now(), told: None })
    }

    /// What hinders was told already: it is not told again until it changes.
    #[must_use]
    pub fn told(self, cause: Option<String>) -> Watch {
        Watch { told: cause, ..self }
    }

    /// Waits one step; whether the store may have changed.
    pub fn step(&mut self, cx: &mut Cx, node: &mut Node) -> Result<bool> {
        clock::pause(self.step);
        let mut passed = false;
        if node.clock.now().saturating_sub(self.looked) >= EVERY {
            let cause = try_pass(cx, node, self.role);
            if let Some(cause) = cause.as_ref().filter(|cause| self.told.as_ref() != Some(cause)) {
                cx.note(cause);
            }
            self.told = cause;
            self.looked = node.clock.now();
            passed = true; // what this process wrote itself is not in `data_version`
        }
        let version = node.db.data_version()?;
        let changed = version != self.version;
        self.version = version;
        Ok(changed || passed)
    }
}
