//! The part of the daemon that never blocks: signals, notifications and wakes, around the threads that do the work.
//!
//! It touches no share itself: even setting a watcher up hangs on a dead mount, so that has a thread of its own each
//! time. A crash of it leaves nothing: what is due lies in the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::adapt::a2a::A2a;
use crate::adapt::direct::client::Client;
use crate::adapt::exec::Programs;
use crate::adapt::wake::Adapter;
use crate::adapt::watch::{Places, Seen, Watch};
use crate::app::direct::Call;
use crate::app::log::Log;
use crate::app::share::Reached;
use crate::app::signal::{Signal, Teller};
use crate::engine::Mounted;
use crate::engine::courier::{Post, Probe};
use crate::engine::envoy::EnvoyOrder;
use crate::engine::exec::{ExecOrder, ExecResult};
use crate::engine::wake::{WakeOrder, WakeResult};
use crate::error::{Error, Kind, Result};
use crate::model::mount::Announcer;
use crate::sys::mount;
use crate::sys::root::Root;

/// How long a stop waits for the engine's last heartbeat.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long a stop waits for wakes that have ended to be seen as ended (longer than their output is drained).
const LAST_LOOK: Duration = Duration::from_millis(250);

/// How often it is tried again to watch what no thread could be had for.
const RETRY: Duration = Duration::from_secs(60);

/// What the waker's thread is told.
pub enum Nudge {
    /// Something may have changed in the local store.
    Look,
    /// A wake ended.
    Woken(WakeResult),
    /// A program that a peer had run ended.
    Ran(Box<ExecResult>),
    /// Write down what ended, and stop.
    Stop,
}

/// What the threads tell the shell.
pub enum Said {
    /// Wake an agent.
    Wake(WakeOrder),
    /// Run a program for a peer.
    Run(Box<ExecOrder>),
    /// Hand lines to a peer's daemon.
    Post(Post),
    /// Ask whether it is there.
    Probe(Probe),
    /// Ask a peer's gateway.
    Ask(Box<EnvoyOrder>),
    /// Set the watcher up anew: it missed something.
    Rearm,
    /// A thread ended, so.
    Ended(&'static str, Result<()>),
}

/// The shell.
pub struct Shell {
    /// Where it says what it does.
    pub log: Log,
    /// The share's root.
    pub root: Root,
    /// The way to it, which may need a login before a watcher touches it.
    pub reached: Reached,
    /// What is watched.
    pub places: Places,
    /// How agents are woken.
    pub wake: Arc<Adapter>,
    /// How programs are run for peers.
    pub programs: Arc<Programs>,
    /// The way to the engine's thread.
    pub to_engine: Teller,
    /// The way to the waker's thread.
    pub to_waker: Sender<Nudge>,
    /// The way to the courier's thread.
    pub to_courier: Sender<Call>,
    /// How lines are handed over.
    pub client: Client,
    /// How gateways are asked.
    pub a2a: A2a,
}

impl Shell {
    /// Runs until `stop`, or until a thread ends.
    ///
    /// # Errors
    /// What ended that thread.
    pub async fn run(
        self,
        stop: impl Future<Output = &'static str>,
        mut threads: UnboundedReceiver<Said>,
    ) -> Result<()> {
        let (armed, mut watches) = unbounded_channel();
        self.arm(None, &armed);
        // While a watcher is being set up there is none, and a wish for a new one waits.
        let (mut watch, mut arming, mut again) = (None, true, false);
        let mut retry = tokio::time::interval(RETRY);
        let mut wakes: JoinSet<WakeResult> = JoinSet::new();
        let mut programs: JoinSet<ExecResult> = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                reason = &mut stop => {
                    // What has ended by now has ended, though nobody looked yet.
                    if !wakes.is_empty() || !programs.is_empty() {
                        tokio::time::sleep(LAST_LOOK).await;
                    }
                    while let Some(Ok(result)) = wakes.try_join_next() {
                        let _ = self.to_waker.send(Nudge::Woken(result));
                    }
                    while let Some(Ok(result)) = programs.try_join_next() {
                        let _ = self.to_waker.send(Nudge::Ran(Box::new(result)));
                    }
                    return self.stop(reason, threads).await;
                }
                Some(Ok(result)) = wakes.join_next(), if !wakes.is_empty() => {
                    self.log.info(&format!("wake {}: {}", result.wake, result.in_full()));
                    let _ = self.to_waker.send(Nudge::Woken(result));
                }
                Some(Ok(result)) = programs.join_next(), if !programs.is_empty() => {
                    self.log.info(&format!("exec {}: {}", result.question.id, result.answer.outcome()));
                    let _ = self.to_waker.send(Nudge::Ran(Box::new(result)));
                }
                Some(new) = watches.recv() => {
                    (watch, arming) = (new, false);
                    if std::mem::take(&mut again) {
                        self.arm(watch.take(), &armed);
                        arming = true;
                    }
                }
                _ = retry.tick() => match &watch {
                    Some(watch) => Watch::retry(watch),
                    None if arming => {}
                    None => {
                        self.arm(None, &armed);
                        arming = true;
                    }
                },
                said = threads.recv() => match said {
                    Some(Said::Wake(order)) => {
                        self.log.info(&format!("wake {}: {} messages", order.wake, order.messages.len()));
                        let wake = self.wake.clone();
                        wakes.spawn(async move { wake.run(&order).await });
                    }
                    Some(Said::Run(order)) => {
                        let ExecOrder { question, command, .. } = &*order;
                        self.log.info(&format!("exec {}: runs {command} for {}", question.id, question.peer));
                        let run = self.programs.clone();
                        programs.spawn(async move { run.run(*order).await });
                    }
                    Some(Said::Post(post)) => {
                        let (client, to_courier) = (self.client.clone(), self.to_courier.clone());
                        tokio::spawn(async move { drop(to_courier.send(Call::Ended(client.post(post).await))) });
                    }
                    Some(Said::Probe(probe)) => {
                        let (client, to_courier) = (self.client.clone(), self.to_courier.clone());
                        tokio::spawn(async move { drop(to_courier.send(Call::Ended(client.probe(probe).await))) });
                    }
                    Some(Said::Ask(order)) => {
                        let (a2a, to_courier) = (self.a2a.clone(), self.to_courier.clone());
                        tokio::spawn(async move { drop(to_courier.send(Call::Heard(a2a.ask(*order).await))) });
                    }
                    Some(Said::Rearm) if arming => again = true,
                    Some(Said::Rearm) => {
                        self.arm(watch.take(), &armed);
                        arming = true;
                    }
                    Some(Said::Ended(_, ended)) => return ended,
                    None => return Err(Error::new(Kind::Io, "go on", "", "all threads ended without a word")),
                }
            }
        }
    }

    /// Gives the threads a short time to end.
    async fn stop(&self, reason: &'static str, mut threads: UnboundedReceiver<Said>) -> Result<()> {
        self.log.keeper().stopping(reason);
        self.log.milestone(&format!("stopping: {reason}"));
        let _ = self.to_waker.send(Nudge::Stop);
        let _ = self.to_courier.send(Call::Stop);
        self.to_engine.tell(Signal::Stop(reason));
        let mut waits_for = vec!["engine", "waker", "courier"];
        let last = tokio::time::timeout(GRACE, async {
            while !waits_for.is_empty() {
                let Some(said) = threads.recv().await else { return };
                if let Said::Ended(thread, ended) = said {
                    // The share may be away; that is no reason for a stop to fail.
                    ended.inspect_err(|error| self.log.problem(&error.to_string())).ok();
                    waits_for.retain(|waited| *waited != thread);
                }
            }
        });
        match last.await {
            Ok(()) => self.log.milestone("stopped"),
            Err(_) if waits_for.contains(&"engine") => {
                self.log.problem("the share does not answer: stopped without a last heartbeat");
            }
            Err(_) => self.log.problem("the local store does not answer: stopped without a last note"),
        }
        Ok(())
    }

    /// Sets a watcher up in place of `old`, on a thread of its own; it comes back through `armed`.
    fn arm(&self, old: Option<Watch>, armed: &UnboundedSender<Option<Watch>>) {
        let (root, mut places, reached) = (self.root.clone(), self.places.clone(), self.reached.clone());
        let (log, armed) = (self.log.clone(), armed.clone());
        let (to_engine, to_courier) = (self.to_engine.clone(), self.to_courier.clone());
        let unarmed = armed.clone();
        let body = move || {
            drop(old);
            match reached.ensure() {
                Ok(()) => root.settle(),
                // The engine says why, and asks for a new watcher when the share is there.
                Err(_) => places.share = None,
            }
            let root = root.path();
            let mount = mount::of(&root);
            places.share = places.share.map(|_| root);
            let announcer = if places.share.is_some() { mount.announcer } else { Announcer::Nobody };
            let mounted = Mounted { mount, announcer, deaf: vec![] };
            to_engine.tell(Signal::Mount(mounted.clone()));
            let deaf = Mutex::new(BTreeMap::<PathBuf, String>::new());
            let tell = to_engine.clone();
            let complain = move |folder: &Path, why: Option<&str>| {
                let mut deaf = deaf.lock().unwrap_or_else(PoisonError::into_inner);
                match why {
                    Some(why) => {
                        let why = format!("no notifications of {}: {why}", folder.display());
                        log.problem(&why);
                        deaf.insert(folder.to_owned(), why);
                    }
                    None => drop(deaf.remove(folder)),
                }
                let deaf = deaf.values().cloned().collect();
                tell.tell(Signal::Mount(Mounted { deaf, ..mounted.clone() }));
            };
            let ring = to_engine.clone();
            let hint = move |seen| {
                if seen == Seen::Local {
                    // What is to be handed over is in the greatest hurry; the waker hears of it from the courier.
                    let _ = to_courier.send(Call::Bell);
                }
                to_engine.tell(Signal::Seen(seen));
            };
            let watch = Some(Watch::start(&places, announcer, hint, Arc::new(complain)));
            // Subscribed first, now look: what changed in between is found.
            ring.tell(Signal::Seen(Seen::Everything));
            let _ = armed.send(watch);
        };
        if let Err(error) = std::thread::Builder::new().name("watch".into()).spawn(body) {
            self.log.problem(&format!("no notifications: no thread could be started: {error}"));
            // So that it is tried again.
            let _ = unarmed.send(None);
        }
    }
}
