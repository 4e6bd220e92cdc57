//! The engine: one step at a time, blocking, without threads, clocks or tokio of its own.
//!
//! A step looks for mail, takes it in, sends what waits, and beats; then it says how long it may rest. Wakes are the
//! [`Waker`](crate::engine::wake::Waker)'s, beside it: a step may hang with the share.
//!
//! Hints shorten the rest and carry nothing else. What the share refuses is reported in the step and tried
//! again; only the local store's failures are errors.
//!
//! Before anything of the share is believed or written, its identity must have been seen; every heartbeat, and after
//! every failure, it is looked at again. An unmounted mount point is no empty mailbox.

mod look;
mod scan;
mod told;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::condition::{self, Condition};
use crate::engine::deliver::Outbox;
use crate::engine::gate::{self, Gate, Verdict};
use crate::engine::hint::{Action, Hints, Role, Step};
use crate::engine::node::Node;
use crate::engine::pulse::Pulse;
use crate::engine::recall::Recall;
use crate::engine::receive::Mailbox;
use crate::engine::sweep::Sweep;
use crate::engine::tasks::Tasks;
use crate::engine::tenure::Tenure;
use crate::engine::{beat, due, offers, ops};
use crate::error::{Kind, Result};
use crate::model::envelope::format_time;
use crate::model::heartbeat::Activity;
use crate::model::pace::{Intervals, Pace};
use crate::model::sign::Signer;
use crate::sys::root::Choice;
use crate::sys::share::Share;

/// A hinted look at the heartbeats happens at most this often: a hundred peers beat all the time.
const SCANS: Duration = Duration::from_secs(2);

/// Where a pass leaves its unfinished ends.
const TAILS: &str = "tails";
/// How often the whole share is walked.
const CENSUS: Duration = Duration::from_secs(86_400);
/// Messages that the index of words may be behind, and how many it takes in at once.
const BEHIND: u64 = 256;
const INDEXED: u32 = 1_000;

/// One instance at work on one share.
pub struct Engine {
    share: Arc<dyn Share>,
    node: Node,
    signer: Signer,
    role: Role,
    tenure: Tenure,
    recall: Recall,
    mailbox: Mailbox,
    outbox: Outbox,
    tasks: Tasks,
    /// When their logs were last looked at for work that is offered.
    tasks_asked: Option<Duration>,
    pace: Pace,
    condition: Condition,
    gate: Gate,
    /// By which path the share is there, as it was last told.
    told: Option<Choice>,
    /// What was said of the mount's options.
    harms: Vec<String>,
    next_look: Duration,
    next_full: Duration,
    next_beat: Duration,
    next_census: Duration,
    next_round: Duration,
    sweep: Sweep,
    last_scan: Option<Duration>,
    status_hinted: bool,
    alone: bool,
    /// The last heartbeat could not be written, which stays a trouble until one can.
    silent: bool,
    /// The first failure of this step that holds up mail of ours.
    hindrance: Option<String>,
}

impl Engine {
    /// Takes `node` to work on `share`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(share: Arc<dyn Share>, mut node: Node, role: Role) -> Result<Engine> {
        let signer = ops::own_key(&mut node)?;
        if role == Role::Pass {
            // No daemon runs, which alone speaks to gateways.
            node.db.clear_gateways()?;
        }
        let look = &node.config.look;
        let intervals = Intervals { busy: look.busy, idle: look.idle, rest: look.rest };
        let condition = Condition { missed_events: 0, lease_lost_to: None, ..condition::load(&node.db)? };
        let tenure = Tenure::load(&node, role)?;
        let recall = Recall::load(&node)?;
        let now = node.clock.now();
        let identities = ops::own_seal(&mut node)?;
        let mut mailbox = match node.db.meta(TAILS)?.filter(|_| role == Role::Pass) {
            Some(tails) => Mailbox::taken_over(&tails, now, node.clock.wall_ms()),
            None => Mailbox::default(),
        };
        mailbox.identities = identities;
        Ok(Engine {
            share,
            signer,
            role,
            tenure,
            recall,
            mailbox,
            outbox: Outbox::default(),
            tasks: Tasks::default(),
            tasks_asked: None,
            pace: Pace::new(intervals),
            condition,
            gate: Gate::default(),
            told: None,
            harms: vec![],
            next_look: now,
            next_full: now,
            next_beat: now,
            next_census: now,
            next_round: now,
            sweep: Sweep::default(),
            last_scan: None,
            status_hinted: false,
            alone: true,
            silent: false,
            hindrance: None,
            node,
        })
    }

    /// The node at work, for looking at it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The node at work, for operations between steps.
    pub fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    /// Gives the node back.
    pub fn into_node(self) -> Node {
        self.node
    }

    /// Whether the share could not be used in the last step.
    pub fn share_away(&self) -> Option<&str> {
        self.condition.share_away.as_deref()
    }

    /// One step.
    ///
    /// # Errors
    /// The local store's alone: nothing can be promised without it.
    pub fn step(&mut self, hints: &Hints) -> Result<Step> {
        let mut step = Step::default();
        self.hindrance = None;
        if let Some(mount) = &hints.mount {
            self.note_mount(mount, &mut step);
        }
        let now = self.node.clock.now();
        if self.node.db.meta("key")?.is_none_or(|key| key != self.signer.key().to_string()) {
            // Rotated by a command.
            self.signer = ops::own_key(&mut self.node)?;
            self.mailbox.identities = ops::own_seal(&mut self.node)?;
        }
        self.pace.event(now, hints.places());
        let usable = self.usable(now, &mut step)?;
        let knows_itself = !usable || self.ask_of_past(&mut step)?;
        if knows_itself && !self.recall.is_due() {
            // What a restored store has as waiting may have gone, and arrived in time, and what it has as unread may have been read.
            due::outgoing(&mut self.node)?;
            due::incoming(&mut self.node)?;
            self.report_abandoned()?;
        }
        let more = usable && knows_itself && self.work(now, hints, &mut step)?;
        let more = self.mend_folders(now, &mut step)? || more;
        self.note_condition(&mut step)?;
        let more = more || self.role == Role::Daemon && self.index()?;
        step.rest = match more {
            true => Duration::ZERO,
            false => self.rest(now).min(due::next(&self.node)?.unwrap_or(Duration::MAX)),
        };
        Ok(step)
    }

    /// Tells whoever asked for what was read here and then forgotten. A pass comes too seldom to judge that.
    fn report_abandoned(&mut self) -> Result<()> {
        let after = self.node.config.ask.abandoned_after.filter(|_| self.role == Role::Daemon);
        let told = after.map(|after| self.node.db.tell_abandoned(after, self.node.clock.wall_ms()));
        told.transpose().map(drop)
    }

    /// Ends a pass: what it saw unfinished is handed on to the next one, which alone may see that it stood still.
    pub fn end_pass(&mut self) -> Result<()> {
        self.index()?;
        let tails = self.mailbox.hand_on(self.node.clock.now(), self.node.clock.wall_ms());
        match tails.as_str() {
            "{}" if self.node.db.meta(TAILS)?.is_none() => Ok(()),
            _ => self.node.db.set_meta(TAILS, &tails),
        }
    }

    /// Has words found quickly that arrived by now; returns whether there are more. A few may wait: a search looks at them
    /// itself.
    fn index(&mut self) -> Result<bool> {
        Ok(self.node.db.unindexed()? >= BEHIND && self.node.db.index(INDEXED)?)
    }

    /// The same beside a courier, which hands mail over as long as it comes round.
    #[must_use]
    pub fn beside(mut self, courier: Pulse) -> Engine {
        self.outbox.beside(courier);
        self
    }

    /// The last heartbeat, which says that the daemon stopped. Tries once.
    pub fn stop(&mut self, reason: &str) -> Result<()> {
        if !self.gate.is_open() || self.lease_lost() {
            return Ok(());
        }
        let lease = self.tenure.number().unwrap_or_default();
        gate::look(&*self.share, &mut self.node)?;
        beat::write(&*self.share, &mut self.node, &self.signer, Activity::Stopped, Some(reason), lease)
    }

    /// Whether the share may be used. When it is back, everything is looked at, and a heartbeat is due.
    fn usable(&mut self, now: Duration, step: &mut Step) -> Result<bool> {
        let beats = self.beats(now)?;
        let writing = beats || now >= self.next_round || self.tenure.number().is_none();
        match self.gate.judge(&*self.share, &mut self.node, now, writing)? {
            Verdict::Open => {
                if let Some(cause) = self.condition.share_away.take() {
                    let since = chrono::DateTime::from_timestamp_millis(self.condition.share_since);
                    let since = since.map(format_time).unwrap_or_default();
                    step.incidents.push(format!("the share was away from {since} on: {cause}"));
                    self.next_round = now;
                    self.sweep.postpone(now);
                    // What was mounted before, or nothing, is what the watcher watches.
                    step.actions.push(Action::Rearm);
                    (self.next_full, self.next_beat, self.next_look) = (now, now, now);
                }
                self.note_place(step);
                Ok(true)
            }
            Verdict::Closed(why) => {
                if let Some(error) = why {
                    self.outbox.reset();
                    self.tasks.reset();
                    self.condition.share_away = Some(error.to_string());
                    step.problems.push(error);
                }
                Ok(false)
            }
        }
    }

    /// Asks the share, once, whether this store went back in time; `false` if there was no answer.
    fn ask_of_past(&mut self, step: &mut Step) -> Result<bool> {
        if !self.recall.asks() {
            return Ok(true);
        }
        let asked = self.recall.ask(&*self.share, &mut self.node, &mut self.tenure);
        Ok(self.sort(asked, step)?.is_some())
    }

    /// Everything that is done on the share. Each part's trouble is its own: a heartbeat that can't be written
    /// holds up no mail. Returns whether there is more to do at once.
    fn work(&mut self, now: Duration, hints: &Hints, step: &mut Step) -> Result<bool> {
        if self.lease_lost() {
            return Ok(false);
        }
        let taken = self.tenure.take(&*self.share, &mut self.node);
        self.sort(taken, step)?;
        if self.recall.is_due() && self.tenure.number().is_some() {
            // Nothing is found on another share, too, and that would be believed.
            let recalled = gate::look(&*self.share, &mut self.node)
                .and_then(|()| self.recall.look(&*self.share, &mut self.node));
            let Some(what) = self.sort(recalled, step)? else { return Ok(false) };
            step.incidents.push(what);
        }
        let scanned = self.scan(now, hints, step);
        if let Some(Some(left_out)) = self.sort_strange(scanned, step)? {
            self.condition.unadmitted = left_out;
        }
        // A lease that can't be taken leaves the share in doubt: it is tried again when that is due to be looked at.
        let Some(lease) = self.tenure.number() else { return Ok(false) };
        // What failed may mean that another share is there by now; if not, a stranger's broken file holds up no mail.
        if !self.gate.is_open() && !self.usable(now, step)? {
            return Ok(false);
        }
        if self.beats(now)? {
            self.next_beat = now + self.node.config.look.heartbeat;
            let (state, reason) = match self.role {
                Role::Daemon => (Activity::Online, None),
                Role::Pass => (Activity::Stopped, Some("no daemon runs")),
            };
            let (share, signer) = (&*self.share, &self.signer);
            let beaten = self.tenure.check(share, &self.node);
            let beaten =
                beaten.and_then(|()| beat::write(share, &mut self.node, signer, state, reason, lease));
            self.silent = self.sort(beaten, step)?.is_none();
        }
        let found = self.look(now, hints);
        let found = self.sort(found, step)?;
        if std::mem::take(&mut self.mailbox.tasks) {
            self.tasks.hint();
        }
        let problems = std::mem::take(&mut self.mailbox.problems);
        step.incidents.append(&mut self.mailbox.incidents);
        if found.is_none() || !problems.is_empty() {
            self.mailbox.doubt();
        }
        for problem in problems {
            self.sort_strange::<()>(Err(problem), step)?;
        }
        let found = found.unwrap_or_default();
        if self.pace.take_rearm() {
            step.actions.push(Action::Rearm);
        }
        if std::mem::take(&mut self.mailbox.missing) {
            let mended = self.mend_mailbox();
            if self.sort(mended, step)?.is_some() {
                step.incidents
                    .push("our mailbox was gone from the share, or its bell; it was made again".into());
                step.actions.push(Action::Rearm);
            }
        }
        if found.taken.new > 0 && self.role == Role::Daemon {
            // The agent, and what a peer asks to have run, first; receipts and mail go in the next step.
            step.actions.push(Action::Mail);
            let config = &self.node.config;
            if config.wake.is_on() || !config.commands.is_empty() {
                return Ok(true);
            }
        }
        if !beat::is_announced(&self.node, self.signer.key())? {
            // Nobody could know by which key to verify what is sent.
            return Ok(false);
        }
        let round =
            self.outbox.send(&*self.share, &mut self.node, &mut self.tenure, &self.signer, self.role, now)?;
        step.incidents.extend(round.incidents);
        for problem in round.problems {
            self.sort::<()>(Err(problem), step)?;
        }
        let (tasks, role) = (&mut self.tasks, self.role);
        let worked = tasks.step(&*self.share, &mut self.node, &mut self.tenure, &self.signer, role, now)?;
        step.incidents.extend(worked.incidents);
        for problem in worked.problems.into_iter().chain(worked.aside) {
            self.sort_strange::<()>(Err(problem), step)?;
        }
        if worked.more {
            return Ok(true);
        }
        if worked.mail && self.role == Role::Daemon {
            // Some of it may be for an agent here.
            step.actions.push(Action::Mail);
        }
        let offers = offers::step(&mut self.node, self.role)?;
        if offers.unknown && self.tasks_asked.is_none_or(|at| now.saturating_sub(at) >= offers::ASK) {
            self.tasks_asked = Some(now);
            self.tasks.hint();
        }
        if offers.mail {
            step.actions.push(Action::Mail);
        }
        if offers.more {
            return Ok(true);
        }
        if self.role == Role::Daemon && now >= self.next_census && !round.more {
            self.next_census = now + CENSUS;
            let census = condition::census(&*self.share);
            self.condition.census = self.sort(census, step)?.or(self.condition.census.take());
        }
        if self.role == Role::Daemon && !round.more {
            let swept = self.sweep.step(&*self.share, &mut self.node, &mut self.tenure, now);
            let swept = self.sort(swept, step)?.unwrap_or_default();
            if let Some(problem) = swept.problem {
                self.sort::<()>(Err(problem), step)?;
            }
            return Ok(swept.more);
        }
        Ok(round.more)
    }

    /// Sorts a failure: the local store's ends the step, the share's is reported, and the share looked at again
    /// before anything more is believed.
    fn sort<T>(&mut self, result: Result<T>, step: &mut Step) -> Result<Option<T>> {
        if let Err(error) = &result {
            self.hindrance.get_or_insert_with(|| error.to_string());
        }
        self.sort_strange(result, step)
    }

    /// The same for what others put on the share: mail of ours goes out all the same.
    fn sort_strange<T>(&mut self, result: Result<T>, step: &mut Step) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_in_store() => Err(error),
            Err(error) => {
                if error.kind() == Kind::LeaseLost {
                    self.outbox.reset();
                } else {
                    self.gate.doubt();
                }
                step.problems.push(error);
                Ok(None)
            }
        }
    }

    /// Whether a heartbeat is due: a daemon's by time, and anybody's whose key is not announced yet.
    fn beats(&self, now: Duration) -> Result<bool> {
        if self.role == Role::Daemon && now >= self.next_beat {
            return Ok(true);
        }
        Ok(!beat::is_announced(&self.node, self.signer.key())?)
    }

    fn lease_lost(&self) -> bool {
        self.tenure.lost_to().is_some()
    }
}
