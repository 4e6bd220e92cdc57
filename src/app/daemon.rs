//! `lanpost run`: the daemon. A thin shell: the engine on its own thread, and around it signals, watchers and wakes.
//!
//! The engine's thread blocks on the share and may hang with it; this shell never waits for it longer than
//! [`GRACE`]. Errors are sorted here, in one place: the share's are reported and tried again, the local store's stop
//! the daemon only if trying again can't help.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::adapt::signals;
use crate::adapt::wake::command::WakeCommand;
use crate::adapt::watch::{Places, Seen, Watch};
use crate::app::log::Log;
use crate::engine::node::Node;
use crate::engine::wake::{self, WakeResult};
use crate::engine::{Action, Engine, Hints, Role};
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::envelope::format_time;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::disk::DiskShare;
use crate::sys::flock::LocalLock;

/// How long a stop waits for the engine's last heartbeat.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long a stop waits for wakes that have ended to be seen as ended (longer than their output is drained).
const LAST_LOOK: Duration = Duration::from_millis(250);
/// How long the engine rests after the local store failed.
const STORE_FAILED: Duration = Duration::from_secs(2);

/// What the shell tells the engine's thread.
enum Signal {
    Seen(Seen),
    Woken(WakeResult),
    Stop(&'static str),
}

/// What the engine's thread tells the shell.
enum Said {
    Act(Action),
    Ended(Result<()>),
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// Another process holds the state folder, or the local store can't be used.
pub fn run(config: Config, config_path: &Path) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = Log::new(clock.clone());
    let node = Node::open(config, clock.clone())?;
    let _lock = lock(&node)?;
    let places = Places {
        share: node.config.look.notify.then(|| node.config.share.path.clone()),
        state: node.config.state.clone(),
        instance: node.instance().clone(),
    };
    let wake = WakeCommand {
        argv: node.config.wake.command.clone(),
        timeout: node.config.wake.timeout,
        instance: node.instance().to_string(),
        config: config_path.to_owned(),
    };
    let hello = format!(
        "lanpost {} runs instance {} on {}",
        env!("CARGO_PKG_VERSION"),
        node.instance(),
        node.config.share.path.display()
    );
    let holder = node.db.meta("holder")?.unwrap_or_default();
    let share = Arc::new(DiskShare::new(&node.config.share.path, &holder));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Io, "start", "the daemon", error))?;
    // Before the engine says that we live: from then on a stop has to end with the last heartbeat.
    let stop = runtime.block_on(async { signals::listen() });
    let stop = stop.map_err(|error| Error::new(Kind::Io, "listen for", "signals", error))?;
    let engine = Engine::new(share, node, Role::Daemon)?;
    log.info(&hello);
    let (to_engine, from_shell) = channel();
    let (to_shell, from_engine) = unbounded_channel();
    let worker_log = log.clone();
    let worker = std::thread::Builder::new().name("engine".into()).spawn(move || {
        let ended = work(engine, &from_shell, &to_shell, &worker_log);
        let _ = to_shell.send(Said::Ended(ended));
    });
    worker.map_err(|error| Error::new(Kind::Io, "start the engine's thread", "", error))?;
    let shell = Shell { log, places, wake: Arc::new(wake), to_engine };
    let ended = runtime.block_on(shell.run(stop, from_engine));
    // A wake's blocking leftovers must not hold up a stop.
    runtime.shutdown_background();
    ended
}

/// Takes the state folder, waiting a little for a command's engine pass.
fn lock(node: &Node) -> Result<LocalLock> {
    let state = &node.config.state;
    for _ in 0..250 {
        let since = format_time(node.clock.wall());
        if let Some(lock) = LocalLock::try_acquire(state, "daemon", since)? {
            return Ok(lock);
        }
        if LocalLock::holder(state).is_some_and(|holder| holder.role == "daemon") {
            break;
        }
        crate::sys::clock::pause(Duration::from_millis(20));
    }
    let cause = match LocalLock::holder(state) {
        Some(holder) => format!("a {} holds it: process {} since {}", holder.role, holder.pid, holder.since),
        None => "another process holds it".into(),
    };
    Err(Error::new(Kind::Busy, "work on the state folder", state.display(), cause)
        .next("stop that one first, or give each instance a state folder of its own"))
}

/// The engine's thread.
fn work(
    mut engine: Engine,
    signals: &Receiver<Signal>,
    shell: &UnboundedSender<Said>,
    log: &Log,
) -> Result<()> {
    let mut hints = Hints { everything: true, ..Hints::default() };
    loop {
        let rest = match engine.step(&hints) {
            Ok(step) => {
                step.problems.iter().for_each(|problem| log.problem(&problem.to_string()));
                step.incidents.iter().for_each(|what| log.info(&format!("mended: {what}")));
                for action in step.actions {
                    let _ = shell.send(Said::Act(action));
                }
                hints = Hints::default();
                step.rest
            }
            Err(error) if error.is_retryable() => {
                log.problem(&error.to_string());
                // A wake's result must not be lost to a full disk: the same hints come again.
                STORE_FAILED
            }
            Err(error) => return Err(error),
        };
        if let Some(reason) = wait(signals, rest, &mut hints) {
            // A wake that ended is written down before anything else, or it would be repeated.
            for result in &hints.wakes {
                wake::ended(engine.node_mut(), result)?;
            }
            return engine.stop(reason);
        }
    }
}

/// Rests until something is said or `rest` has passed; returns the reason if it is to stop.
fn wait(signals: &Receiver<Signal>, rest: Duration, hints: &mut Hints) -> Option<&'static str> {
    let mut next = signals.recv_timeout(rest);
    loop {
        match next {
            Ok(Signal::Stop(reason)) => return Some(reason),
            Ok(Signal::Woken(result)) => hints.wakes.push(result),
            Ok(Signal::Seen(Seen::Mailbox)) => hints.mailbox = true,
            Ok(Signal::Seen(Seen::Slot)) => hints.slot = true,
            Ok(Signal::Seen(Seen::Status)) => hints.status = true,
            Ok(Signal::Seen(Seen::Everything)) => hints.everything = true,
            Ok(Signal::Seen(Seen::Local)) => {}
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some("the shell ended"),
        }
        next = signals.recv_timeout(Duration::ZERO);
    }
}

/// The part of the daemon that never blocks.
struct Shell {
    log: Log,
    places: Places,
    wake: Arc<WakeCommand>,
    to_engine: Sender<Signal>,
}

impl Shell {
    async fn run(
        self,
        stop: impl Future<Output = &'static str>,
        mut engine: UnboundedReceiver<Said>,
    ) -> Result<()> {
        let mut watch = self.watch();
        let mut wakes: JoinSet<WakeResult> = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                reason = &mut stop => {
                    // What has ended by now has ended, though nobody looked yet.
                    if !wakes.is_empty() {
                        tokio::time::sleep(LAST_LOOK).await;
                    }
                    while let Some(Ok(result)) = wakes.try_join_next() {
                        let _ = self.to_engine.send(Signal::Woken(result));
                    }
                    return self.stop(reason, engine).await;
                }
                Some(Ok(result)) = wakes.join_next(), if !wakes.is_empty() => {
                    self.log.info(&format!("wake {}: {}", result.wake, result.detail));
                    let _ = self.to_engine.send(Signal::Woken(result));
                }
                said = engine.recv() => match said {
                    Some(Said::Act(Action::Wake(order))) => {
                        self.log.info(&format!("wake {}: {} messages", order.wake, order.messages.len()));
                        let wake = self.wake.clone();
                        wakes.spawn(async move { wake.run(&order).await });
                    }
                    Some(Said::Act(Action::Rearm)) => {
                        drop(watch);
                        watch = self.watch();
                    }
                    Some(Said::Ended(ended)) => return ended,
                    None => return Err(Error::new(Kind::Io, "go on", "", "the engine ended without a word")),
                }
            }
        }
    }

    async fn stop(&self, reason: &'static str, mut engine: UnboundedReceiver<Said>) -> Result<()> {
        self.log.info(&format!("stopping: {reason}"));
        let _ = self.to_engine.send(Signal::Stop(reason));
        let last = tokio::time::timeout(GRACE, async {
            loop {
                match engine.recv().await {
                    Some(Said::Ended(ended)) => return ended,
                    Some(Said::Act(_)) => {}
                    None => return Ok(()),
                }
            }
        });
        match last.await {
            Ok(ended) => {
                // The share may be away; that is no reason for a stop to fail.
                ended.inspect_err(|error| self.log.problem(&error.to_string())).ok();
                self.log.info("stopped");
            }
            Err(_) => self.log.problem("the share does not answer: stopped without a last heartbeat"),
        }
        Ok(())
    }

    fn watch(&self) -> Option<Watch> {
        let to_engine = self.to_engine.clone();
        let (watch, failed) = Watch::start(&self.places, move |seen| {
            let _ = to_engine.send(Signal::Seen(seen));
        });
        failed.iter().for_each(|failure| self.log.problem(failure));
        // Subscribed first, now look: what changed in between is found.
        let _ = self.to_engine.send(Signal::Seen(Seen::Everything));
        watch
    }
}
