//! Work on the share by a command: an engine pass when no daemon runs, or `init`.
//!
//! A dead mount hangs its caller for minutes and can't be cancelled, so the work has a thread of its own and the
//! command gives up on it when one call hangs for [`stall::AFTER`]. The thread goes on until its call returns or the
//! process ends; it holds the local lock for so long, and this process starts no second pass beside it. Nothing is
//! lost: what a pass did is in the store, and what it was kept from waits there.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crate::app::share::reach;
use crate::engine::login::Asks;
use crate::engine::node::Node;
use crate::engine::porter::Porter;
use crate::engine::{Engine, Hints, Role, Step, stall};
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::sys::clock::{Clock, pause};
use crate::sys::flock::LocalLock;
use crate::sys::share::Share;
use crate::sys::watched::{Calls, WatchedShare};

/// How long to wait for another command's pass, or for a lockfile, in all.
const PATIENCE: Duration = Duration::from_secs(3);
/// The time between two looks whether a call hangs.
const STEP: Duration = Duration::from_millis(100);

/// What came of asking for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It ran.
    Done,
    /// A daemon runs and does the same by itself.
    DaemonRuns,
}

/// The passes of one process, which may be asked for from several threads: one runs at a time.
#[derive(Clone, Default)]
pub struct Passes {
    hung: Arc<Mutex<Option<Work<()>>>>,
}

impl Passes {
    /// Runs one pass under the local lock; `role` names the command to whoever finds it held.
    ///
    /// # Errors
    /// The share is away, hangs or refuses (then the mail waits in the spool), or the local store fails.
    pub fn pass(&self, node: &Node, role: &str) -> Result<Passed> {
        self.pass_telling(node, role, &mut || {})
    }

    /// The same; `glance` is called now and then while it lasts.
    ///
    /// # Errors
    /// As for [`Passes::pass`].
    pub fn pass_telling(&self, node: &Node, role: &str, glance: &mut dyn FnMut()) -> Result<Passed> {
        let deadline = node.clock.now() + PATIENCE;
        let mut last = self.turn(node, deadline)?;
        if let Some(hung) = last.take() {
            // Its lock is ours; whatever it comes to, another pass may say it better.
            if hung.is_running() {
                let error = hung.error();
                *last = Some(hung);
                return Err(error);
            }
        }
        let Some(lock) = lock(node, role, deadline)? else { return Ok(Passed::DaemonRuns) };
        let own = Node::open(node.config.clone(), node.clock.clone())?;
        let holder = node.db.meta("holder")?.unwrap_or_default();
        let share = reach(&node.config, node.root()?, &holder, &node.clock, Asks::Automatically)?.share;
        let work = Work::start(share, node.clock.clone(), move |share| {
            let _lock = lock;
            run(share, own, deadline)
        })?;
        match work.wait_telling(glance) {
            Some(passed) => passed.map(|()| Passed::Done),
            None => {
                let error = work.error();
                *last = Some(work);
                Err(error)
            }
        }
    }

    /// Waits for the pass of another thread to end.
    fn turn(&self, node: &Node, deadline: Duration) -> Result<MutexGuard<'_, Option<Work<()>>>> {
        loop {
            match self.hung.try_lock() {
                Ok(last) => return Ok(last),
                Err(TryLockError::Poisoned(last)) => return Ok(last.into_inner()),
                Err(TryLockError::WouldBlock) if node.clock.now() >= deadline => {
                    let cause = "another call of this process is at work on the share, or hangs with it";
                    let state = node.config.state.display();
                    return Err(
                        Error::new(Kind::Busy, "work on the state folder", state, cause).next("try again")
                    );
                }
                Err(TryLockError::WouldBlock) => pause(Duration::from_millis(20)),
            }
        }
    }
}

/// Takes the local lock; `None` if a daemon holds it.
fn lock(node: &Node, role: &str, deadline: Duration) -> Result<Option<LocalLock>> {
    let state = &node.config.state;
    loop {
        if let Some(lock) = LocalLock::try_acquire(state, role, format_time(node.clock.wall()))? {
            return Ok(Some(lock));
        }
        let holder = LocalLock::holder(state);
        if holder.as_ref().is_some_and(|holder| holder.is_daemon()) {
            return Ok(None);
        }
        if node.clock.now() >= deadline {
            let cause = match holder {
                Some(holder) => format!(
                    "`lanpost {}` (process {}) is at work on it since {}, or hangs with the share",
                    holder.role, holder.pid, holder.since
                ),
                None => "another command is at work on it".into(),
            };
            let error = Error::new(Kind::Busy, "work on the state folder", state.display(), cause);
            return Err(error.next("try again"));
        }
        pause(Duration::from_millis(20));
    }
}

/// One pass, on its thread.
fn run(share: Arc<dyn Share>, node: Node, deadline: Duration) -> Result<()> {
    let mut porter = Porter::new(Node::open(node.config.clone(), node.clock.clone())?)?;
    let mut engine = Engine::new(share.clone(), node, Role::Pass)?;
    let mut hints = Hints { everything: true, ..Hints::default() };
    loop {
        let mut step = engine.step(&hints)?;
        hints = Hints::default();
        if step.rest > Duration::ZERO && step.problems.is_empty() && carry(&mut porter, &*share, &mut step)? {
            continue;
        }
        if !step.problems.is_empty() {
            engine.end_pass()?;
            return Err(step.problems.swap_remove(0));
        }
        let now = engine.node().clock.now();
        let waits_for_lockfile = engine.node().db.spooled()? > 0 && now + step.rest < deadline;
        match step.rest {
            Duration::ZERO => {}
            rest if waits_for_lockfile => pause(rest),
            _ => return engine.end_pass(),
        }
    }
}

/// Moves all files that can be moved now; whether there is more to send then, or to tell.
fn carry(porter: &mut Porter, share: &dyn Share, step: &mut Step) -> Result<bool> {
    let mut ready = false;
    loop {
        let mut carried = porter.step(share)?;
        ready |= carried.ready;
        if !carried.rest.is_zero() || !carried.problems.is_empty() {
            step.problems.append(&mut carried.problems);
            return Ok(ready && step.problems.is_empty());
        }
    }
}

/// Work on a share that may hang, on a thread of its own.
pub struct Work<T> {
    share: String,
    calls: Calls,
    ended: Receiver<Result<T>>,
}

impl<T: Send + 'static> Work<T> {
    /// Starts `work` on `share`.
    ///
    /// # Errors
    /// The machine has no thread left.
    pub fn start(
        share: Arc<dyn Share>,
        clock: Arc<dyn Clock>,
        work: impl FnOnce(Arc<dyn Share>) -> Result<T> + Send + 'static,
    ) -> Result<Work<T>> {
        let describe = share.describe();
        let share = WatchedShare::new(share, clock);
        let calls = share.calls();
        let (end, ended) = channel();
        let body = move || drop(end.send(work(Arc::new(share))));
        let spawned = std::thread::Builder::new().name("pass".into()).spawn(body);
        spawned.map_err(|error| Error::new(Kind::Io, "start a thread", "", error))?;
        Ok(Work { share: describe, calls, ended })
    }

    /// Waits for its end; `None` if one of its calls hangs.
    pub fn wait(&self) -> Option<Result<T>> {
        self.wait_telling(&mut || {})
    }

    fn wait_telling(&self, glance: &mut dyn FnMut()) -> Option<Result<T>> {
        loop {
            glance();
            match self.ended.recv_timeout(STEP) {
                Ok(ended) => return Some(ended),
                Err(RecvTimeoutError::Disconnected) => {
                    let cause = "its thread ended without a word";
                    return Some(Err(Error::new(Kind::Io, "use the share", &self.share, cause)));
                }
                Err(RecvTimeoutError::Timeout) if self.calls.hanging(stall::AFTER).is_some() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What is told instead of an end.
    pub fn error(&self) -> Error {
        stall::error(&self.share, self.calls.running().as_ref())
    }

    fn is_running(&self) -> bool {
        matches!(self.ended.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout))
    }
}
