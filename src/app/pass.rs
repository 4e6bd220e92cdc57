//! One engine pass by a command, when no daemon runs: looks, takes mail in, sends what waits.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::node::Node;
use crate::engine::{Engine, Hints, Role};
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::sys::clock::pause;
use crate::sys::disk::DiskShare;
use crate::sys::flock::LocalLock;

/// How long to wait for another command's pass, or for a lockfile, in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came of asking for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It ran.
    Done,
    /// A daemon runs and does the same by itself.
    DaemonRuns,
}

/// Runs one pass under the local lock; `role` names the command to whoever finds it held.
///
/// # Errors
/// The share is away or refuses (then the mail waits in the spool), or the local store fails.
pub fn pass(node: &mut Node, role: &str) -> Result<Passed> {
    let state = node.config.state.clone();
    let deadline = node.clock.now() + PATIENCE;
    let _lock = loop {
        if let Some(lock) = LocalLock::try_acquire(&state, role, format_time(node.clock.wall()))? {
            break lock;
        }
        if LocalLock::holder(&state).is_some_and(|holder| holder.role == "daemon") {
            return Ok(Passed::DaemonRuns);
        }
        if node.clock.now() >= deadline {
            let cause = "another command is at work on it";
            return Err(
                Error::new(Kind::Busy, "work on the state folder", state.display(), cause).next("try again")
            );
        }
        pause(Duration::from_millis(20));
    };
    let holder = node.db.meta("holder")?.unwrap_or_default();
    let share = Arc::new(DiskShare::new(&node.config.share.path, &holder));
    let own = Node::open(node.config.clone(), node.clock.clone())?;
    let mut engine = Engine::new(share, own, Role::Pass)?;
    let mut hints = Hints { everything: true, ..Hints::default() };
    loop {
        let mut step = engine.step(&hints)?;
        hints = Hints::default();
        if !step.problems.is_empty() {
            engine.end_pass()?;
            return Err(step.problems.swap_remove(0));
        }
        let waits_for_lockfile = engine.node().db.spooled()? > 0 && node.clock.now() + step.rest < deadline;
        match step.rest {
            Duration::ZERO => {}
            rest if waits_for_lockfile => pause(rest),
            _ => {
                engine.end_pass()?;
                return Ok(Passed::Done);
            }
        }
    }
}
