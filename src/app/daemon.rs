//! `lanpost run`: the daemon. Six threads at work, and a shell around them that never blocks.
//!
//! - The engine's thread moves mail. It blocks on the share and may hang with it.
//! - The waker's thread decides about wakes and about commands of peers, from the local store alone: both go on while
//!   the share hangs.
//! - The courier's thread hands mail to peers' daemons, and speaks to their gateways; the reception's takes theirs in. Both
//!   do so from the local store alone, too.
//! - The porter's thread carries what is attached to mail (`porter`). It may hang with the share, too.
//! - The watchdog's thread notices that the engine hangs, and says so in the log and in `status`. It alone tells the
//!   service manager that the daemon lives: as long as the engine does its work, or is known to wait for the share.
//!
//! Each has a store connection of its own. Nobody waits for the engine's thread longer than a stop's short grace.
//! Errors are sorted here, in one place: the share's are reported and tried again, the local store's stop the daemon
//! only if trying again can't help.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::adapt::a2a::A2a;
use crate::adapt::direct::client::Client;
use crate::adapt::exec::Programs;
use crate::adapt::service::Keeper;
use crate::adapt::wake::Adapter;
use crate::adapt::watch::{Places, Seen};
use crate::app::asker::Asker;
use crate::app::direct::{self, Call};
use crate::app::door;
use crate::app::log::{Log, MENDED};
use crate::app::porter;
use crate::app::share;
use crate::app::shell::{Nudge, Said, Shell};
use crate::app::signal::{Hearer, Signal, queue};
use crate::engine::courier::Courier;
use crate::engine::envoy::Envoy;
use crate::engine::exec::{ExecResult, Runner};
use crate::engine::login::Asks;
use crate::engine::node::Node;
use crate::engine::porter::Porter;
use crate::engine::pulse::Pulse;
use crate::engine::reception::Reception;
use crate::engine::stall::{self, Change, Watchdog};
use crate::engine::wake::{WakeResult, Waker};
use crate::engine::{Action, Engine, Hints, Role};
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::envelope::format_time;
use crate::sys::clock::{Clock, SystemClock, pause};
use crate::sys::flock::LocalLock;
use crate::sys::watched::{Calls, WatchedShare};

/// How long a thread rests after the local store failed.
const STORE_FAILED: Duration = Duration::from_secs(2);
/// The time between two looks of the watchdog.
const WATCHDOG: Duration = Duration::from_secs(1);

/// Runs the daemon until it, or its service manager, is asked to stop.
///
/// # Errors
/// Another process holds the state folder, or the local store can't be used.
pub fn run(config: Config, config_path: &Path, keeper: Keeper) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let node = Node::open(config, clock.clone())?;
    let _lock = lock(&node)?;
    let log = Log::open(clock, keeper, &node.config.state, &node.config.log);
    end(work(node, config_path, &log, Asker::Process, || {}), &log)
}

/// Runs the daemon within another program, until that asks it to stop, or forgets it; calls `started` once it is at work.
/// The standard error, the signals and the service manager of the process stay the program's; the log is in its file.
///
/// # Errors
/// As of [`run`].
pub fn run_within(config: Config, asked: oneshot::Receiver<()>, started: impl FnOnce()) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let path = config.file.clone();
    let node = Node::open(config, clock.clone())?;
    let _lock = lock(&node)?;
    let log = Log::open(clock, Keeper::of_nobody(), &node.config.state, &node.config.log).quietly();
    end(work(node, &path, &log, Asker::Program(asked), started), &log)
}

/// Has the end in the log.
fn end(ended: Result<()>, log: &Log) -> Result<()> {
    if let Err(error) = &ended {
        log.failure(error);
    }
    log.flush();
    ended
}

/// Does the daemon's work, in a state folder that is this process's own.
fn work(mut node: Node, config_path: &Path, log: &Log, asker: Asker, started: impl FnOnce()) -> Result<()> {
    let clock = node.clock.clone();
    let keeper = log.keeper().clone();
    let (config, of) = (node.config.clone(), clock.clone());
    let another = || Node::open(config.clone(), of.clone());
    let (peers, reception) =
        ((Courier::new(another()?)?, Envoy::new(another()?)?), Reception::new(another()?)?);
    let porter = Porter::new(another()?)?;
    let (waker, runner, mut watchman) = (Waker::new(another()?)?, Runner::new(another()?)?, another()?);
    let watchdog = Watchdog::new(&mut watchman)?;
    let places = Places {
        // Where it is, is looked up each time that the watcher is set up.
        share: node.config.look.notify.then(|| node.config.share.path.clone()),
        // Without it commands are heard when the threads look by themselves.
        bell: node.hang_bell().inspect_err(|error| log.problem(&error.to_string())).ok(),
        instance: Some(node.instance().clone()),
    };
    let root = node.root()?;
    let wake = Adapter::new(&node.config, config_path, clock.clone());
    let programs = Programs { instance: node.instance().to_string(), config: config_path.to_owned() };
    let hello = format!(
        "lanpost {} runs instance {} on {}",
        env!("CARGO_PKG_VERSION"),
        node.instance(),
        node.config.share.path.display()
    );
    let holder = node.db.meta("holder")?.unwrap_or_default();
    let reached = share::reach(&node.config, root.clone(), &holder, &clock, Asks::ByHand)?;
    let share = WatchedShare::new(reached.share.clone(), clock.clone());
    let calls = share.calls();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Io, "start", "the daemon", error))?;
    // Before the engine says that we live: from then on a stop has to end with the last heartbeat.
    let stop = runtime.block_on(async { asker.listen(&keeper) })?;
    let (to_courier, for_courier) = channel();
    let (to_reception, for_reception) = sync_channel(direct::WAITING);
    // Before the first heartbeat, which says where.
    let door = door::listen(&mut node, &runtime, (&to_reception, &to_courier), log)?;
    let engine = Engine::new(Arc::new(share), node, Role::Daemon)?.beside(peers.0.pulse());
    log.milestone(&hello);

    let (to_engine, for_engine) = queue();
    let (to_waker, for_waker) = channel();
    let (to_shell, for_shell) = tokio::sync::mpsc::unbounded_channel();
    let (said, noted, tell, nudge) = (to_shell.clone(), log.clone(), to_engine.clone(), to_waker.clone());
    spawn("courier", &to_shell, move || {
        direct::see_to_peers(peers, &for_courier, &said, (&tell, &nudge), &noted)
    })?;
    let (noted, call, nudge) = (log.clone(), to_courier.clone(), to_waker.clone());
    spawn("reception", &to_shell, move || {
        direct::take_in(reception, &for_reception, (&call, &nudge), &noted)
    })?;
    if let Some(door) = door {
        door.serve(&runtime, &to_courier, log);
    }
    let (to_porter, for_porter) = channel();
    let (share, tell, nudge, noted) =
        (reached.share.clone(), to_engine.clone(), to_waker.clone(), log.clone());
    spawn("porter", &to_shell, move || porter::carry(porter, &share, &for_porter, (&tell, &nudge), &noted))?;
    let nudge = (to_waker.clone(), to_courier.clone(), to_porter);
    let (said, noted) = (to_shell.clone(), log.clone());
    let pulse = Pulse::new(clock);
    let beat = pulse.clone();
    spawn("engine", &to_shell, move || move_mail(engine, &for_engine, &said, &nudge, &noted, &beat))?;
    let (said, noted) = (to_shell.clone(), log.clone());
    spawn("waker", &to_shell, move || see_to_work(waker, runner, &for_waker, &said, &noted))?;
    let noted = log.clone();
    let (at_work, until) = channel();
    spawn("watchdog", &to_shell, move || watch_engine(watchdog, watchman, &calls, (&noted, &pulse), &until))?;
    keeper.ready(&hello);
    started();

    let shell = Shell {
        log: log.clone(),
        root,
        reached,
        places,
        wake: Arc::new(wake),
        programs: Arc::new(programs),
        to_engine,
        to_waker,
        to_courier,
        client: Client::default(),
        a2a: A2a::default(),
    };
    let ended = runtime.block_on(shell.run(stop, for_shell));
    // Until here: the reception is to be there, though nobody may knock.
    drop((to_reception, at_work));
    // A wake's blocking leftovers must not hold up a stop.
    runtime.shutdown_background();
    ended
}

/// Takes the state folder, waiting a little for a command's engine pass.
fn lock(node: &Node) -> Result<LocalLock> {
    let state = &node.config.state;
    for turn in 0..250 {
        let since = format_time(node.clock.wall());
        if let Some(lock) = LocalLock::try_acquire(state, "daemon", since)? {
            return Ok(lock);
        }
        // A daemon that was killed is gone in a moment; any other stays.
        if turn >= 50 && LocalLock::holder(state).is_some_and(|holder| holder.is_daemon()) {
            break;
        }
        pause(Duration::from_millis(20));
    }
    let cause = match LocalLock::holder(state) {
        Some(holder) => format!("a {} holds it: process {} since {}", holder.role, holder.pid, holder.since),
        None => "another process holds it".into(),
    };
    Err(Error::new(Kind::Busy, "work on the state folder", state.display(), cause)
        .next("stop that one first, or give each instance a state folder of its own"))
}

/// Starts a thread that tells the shell how it ended, even if it panicked.
fn spawn(
    name: &'static str,
    shell: &UnboundedSender<Said>,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<()> {
    let shell = shell.clone();
    let body = move || {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let lost = |_| Err(Error::new(Kind::Io, "go on", "", format!("the {name} ended without a word")));
        let _ = shell.send(Said::Ended(name, ended.unwrap_or_else(lost)));
    };
    let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
    spawned.map(drop).map_err(|error| Error::new(Kind::Io, "start the thread of the", name, error))
}

/// The engine's thread.
fn move_mail(
    mut engine: Engine,
    signals: &Hearer,
    shell: &UnboundedSender<Said>,
    (waker, courier, porter): &(Sender<Nudge>, Sender<Call>, Sender<()>),
    log: &Log,
    pulse: &Pulse,
) -> Result<()> {
    let mut hints = Hints { everything: true, ..Hints::default() };
    let mut failed = None;
    loop {
        pulse.works();
        let rest = match engine.step(&hints) {
            Ok(step) => {
                step.problems.iter().for_each(|problem| log.problem(&problem.to_string()));
                step.notes.iter().for_each(|note| log.info(note));
                step.incidents.iter().for_each(|what| log.info(&format!("{MENDED}{what}")));
                step.over.iter().chain(&failed.take()).for_each(|what| log.over(what));
                for action in step.actions {
                    match action {
                        Action::Mail => drop(waker.send(Nudge::Look)),
                        Action::Rearm => drop(shell.send(Said::Rearm)),
                    }
                }
                // What it took in may be owed a receipt, which goes directly.
                let _ = courier.send(Call::Look);
                // And may have files.
                let _ = porter.send(());
                hints = Hints::default();
                step.rest
            }
            Err(error) if error.is_retryable() => {
                log.problem(&error.to_string());
                failed = Some(error.to_string());
                // The same hints come again.
                STORE_FAILED
            }
            Err(error) => return Err(error),
        };
        pulse.rests(rest);
        if let Some(reason) = rest_until(signals, rest, &mut hints) {
            return engine.stop(reason);
        }
    }
}

/// Rests until something is said or `rest` has passed; returns the reason if it is to stop.
fn rest_until(signals: &Hearer, rest: Duration, hints: &mut Hints) -> Option<&'static str> {
    let mut next = signals.hear(rest);
    loop {
        match next {
            Ok(Signal::Stop(reason)) => return Some(reason),
            Ok(Signal::Mount(found)) => hints.mount = Some(found),
            Ok(Signal::Seen(Seen::Mailbox)) => hints.mailbox = true,
            Ok(Signal::Seen(Seen::Slot)) => hints.slot = true,
            Ok(Signal::Seen(Seen::Status)) => hints.status = true,
            Ok(Signal::Seen(Seen::Everything)) => hints.everything = true,
            Ok(Signal::Seen(Seen::Local)) => {}
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some("the shell ended"),
        }
        next = signals.hear(Duration::ZERO);
    }
}

/// The waker's thread: agents to wake, commands of peers to run.
fn see_to_work(
    mut waker: Waker,
    mut runner: Runner,
    nudges: &Receiver<Nudge>,
    shell: &UnboundedSender<Said>,
    log: &Log,
) -> Result<()> {
    let (mut woken, mut ran): (Vec<WakeResult>, Vec<ExecResult>) = (vec![], vec![]);
    let mut stopping = false;
    loop {
        let wakes = match stopping {
            true => waker.stop(&woken).map(|()| None),
            false => waker.step(&woken).map(Some),
        };
        let wakes = wakes.map(|step| {
            woken.clear();
            let step = step?;
            step.order.into_iter().for_each(|order| drop(shell.send(Said::Wake(order))));
            Some(step.rest)
        });
        let programs = match stopping {
            true => runner.note(&ran).map(|()| None),
            false => runner.step(&ran).map(Some),
        };
        let programs = programs.map(|step| {
            ran.clear();
            let step = step?;
            step.refused.iter().for_each(|refused| log.info(refused));
            step.order.into_iter().for_each(|order| drop(shell.send(Said::Run(Box::new(order)))));
            Some(step.rest)
        });
        if stopping && wakes.is_ok() && programs.is_ok() {
            return Ok(());
        }
        let mut rest = Duration::MAX;
        for done in [wakes, programs] {
            rest = rest.min(match done {
                Ok(rested) => rested.unwrap_or(STORE_FAILED),
                Err(error) if error.is_retryable() => {
                    log.problem(&error.to_string());
                    // A result must not be lost to a full disk: the same ones come again.
                    STORE_FAILED
                }
                Err(error) => return Err(error),
            });
        }
        let mut next = nudges.recv_timeout(rest);
        loop {
            match next {
                Ok(Nudge::Look) => {}
                Ok(Nudge::Woken(result)) => woken.push(result),
                Ok(Nudge::Ran(result)) => ran.push(*result),
                // What ended is written down before anything else, or it would be repeated.
                Ok(Nudge::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    stopping = true;
                    break;
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
            next = nudges.recv_timeout(Duration::ZERO);
        }
    }
}

/// The watchdog's thread. It ends when nobody holds the other end of `until`.
fn watch_engine(
    mut watchdog: Watchdog,
    mut node: Node,
    calls: &Calls,
    (log, pulse): (&Log, &Pulse),
    until: &Receiver<()>,
) -> Result<()> {
    let keeper = log.keeper();
    let mut told = node.clock.now();
    loop {
        let now = node.clock.now();
        if let Some(patience) = keeper.patience()
            && now.saturating_sub(told) >= patience / 3
            && pulse.is_alive(calls.running().is_some(), calls.last(), patience / 3)
        {
            keeper.alive();
            told = now;
        }
        match watchdog.look(&mut node, calls.hanging(stall::AFTER)) {
            Ok(None) => {}
            Ok(Some(Change::Hangs(stall))) => {
                let words = format!("the share is {stall}");
                keeper.status(&words);
                log.problem(&words);
            }
            Ok(Some(Change::Answers(after))) => {
                let words = format!("the share answers again, after {} s", after.as_secs());
                keeper.status(&words);
                log.info(&words);
            }
            Err(error) => log.problem(&error.to_string()),
        }
        if until.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
    }
}
