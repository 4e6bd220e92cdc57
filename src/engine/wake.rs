//! Wakes: orders to the adapters in `adapt/wake`, and what follows from their results. When a wake may fire, and for what,
//! is decided by the rules of `model/wake` (`decide`).
//!
//! - One wake is in flight at a time; just before it fires, what was read meanwhile is dropped from it.
//! - A wake is for the mail of one sender, if each has a session of its own with the agent: then failures, pauses and the
//!   batch window are each sender's own, and one that is busy holds up nobody else.
//! - A temporary failure is retried with doubling, capped pauses. Each message has the configured number of attempts, the
//!   last ones with fewer and fewer others; after them, or a permanent failure, its sender is told.
//! - A wake that was accepted is not one that was seen: as long as nobody reads the mail it is repeated, with growing
//!   pauses; after the configured number of them the senders are told.
//! - What was given up is due again when a later wake works, when a person says so, or when agents are woken in another way;
//!   what failed for now also at each start, and after a long pause ([`slow`]). Nobody is told of it twice.
//! - What is due lies in the store, so a restart takes an unfinished wake up again and never repeats a finished one.

mod decide;
mod hold;
mod turn;
mod way;

use std::time::Duration;

use crate::engine::due;
use crate::engine::node::Node;
use crate::error::Result;
use crate::model::envelope::format_time;
use crate::model::retry;
use crate::model::wake::told::Mark;
use crate::model::wake::{PATIENCE, slow};
use crate::store::db::{Ended, Message, Retry};

pub use decide::{Held, held};
pub(super) use hold::{Hold, hold};

use decide::{Decision, decide};

/// The longest rest of a waker: mail that came in and was never announced is found by then.
const IDLE: Duration = Duration::from_secs(5);

/// An order to wake an agent.
#[derive(Clone, Debug)]
pub struct WakeOrder {
    /// Its number in the store, from 1; the result names it. 0: a test, in no store.
    pub wake: i64,
    /// Which attempt in a row, from 1.
    pub attempt: u32,
    /// The number of the first of them.
    pub first: i64,
    /// The agent; empty for the instance itself.
    pub agent: String,
    /// Whose mail it is, as wakes know senders; empty: anybody's.
    pub sender: String,
    /// What it is woken for.
    pub messages: Vec<Message>,
    /// What it is told: their contents, framed as foreign words, or how many there are.
    pub text: String,
    /// How much there is, in words that are ours alone.
    pub note: String,
}

impl WakeOrder {
    /// Whether there is no mail: it is tried out how agents are woken.
    pub fn is_test(&self) -> bool {
        self.wake == 0
    }

    /// Its mail as texts of ours name it.
    pub fn marks(&self) -> Vec<Mark<'_>> {
        self.messages.iter().map(Message::mark).collect()
    }
}

/// How an adapter fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent has it.
    Done,
    /// It is queued where the agent will find it; whether the agent looks, is not known.
    Accepted,
    /// Try again later.
    Temporary,
    /// Trying again is of no use.
    Permanent,
}

/// The result of a [`WakeOrder`].
#[derive(Clone, Debug)]
pub struct WakeResult {
    /// The order's number.
    pub wake: i64,
    /// How it went.
    pub outcome: Outcome,
    /// Whether the other side may have heard of it. What never got there started nobody, and costs no budget.
    pub reached: bool,
    /// The pause that the other side asked for before the next attempt.
    pub retry_after: Option<Duration>,
    /// The same in our words; the senders are told them when waking failed.
    pub detail: String,
    /// What the other side said to it: for this PC's log, and for nobody else.
    pub said: String,
}

impl WakeResult {
    /// How it went and what the other side said, for this PC's log.
    pub fn in_full(&self) -> String {
        match self.said.as_str() {
            "" => self.detail.clone(),
            said => format!("{}; it said: {said}", self.detail),
        }
    }
}

/// The wakes of one instance, a step at a time. It works on the local store alone, through a node of its own, so that
/// wakes go on while the engine hangs with the share.
pub struct Waker {
    node: Node,
    in_flight: bool,
}

/// What a step of the waker came to.
#[derive(Debug)]
pub struct WakeStep {
    /// Wake this agent; the result goes into a later step.
    pub order: Option<WakeOrder>,
    /// How long to rest, unless mail comes in, a wake ends, or a command rings the local bell.
    pub rest: Duration,
}

impl Waker {
    /// Takes `node`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(mut node: Node) -> Result<Waker> {
        // The agent may have been woken: it has the time to read that it has after a wake that was accepted.
        node.db.interrupt_wakes(node.config.wake.again, node.clock.wall_ms())?;
        way::remember(&mut node)?;
        node.db.wake_slowly(true, slow(&node.config.wake), node.clock.wall_ms())?;
        Ok(Waker { node, in_flight: false })
    }

    /// Writes down how wakes went, and starts none. After an error it may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn note(&mut self, results: &[WakeResult]) -> Result<()> {
        for result in results {
            ended(&mut self.node, result)?;
            self.in_flight = false;
        }
        Ok(())
    }

    /// Writes down how wakes went before the daemon ends, and that it cuts off the one in flight: it is due at the next
    /// start. A server that was asked may have taken it, whatever we cut off: then it is as after a crash. After an error
    /// it may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn stop(&mut self, results: &[WakeResult]) -> Result<()> {
        self.note(results)?;
        let Node { db, config, clock, .. } = &mut self.node;
        match config.wake.asks_a_server() {
            true => db.interrupt_wakes(config.wake.again, clock.wall_ms()),
            false => db.withdraw_wakes(clock.wall_ms()),
        }
    }

    /// One step; `results` are of the wakes that ended since the last one. After an error the same step may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, results: &[WakeResult]) -> Result<WakeStep> {
        self.note(results)?;
        if self.in_flight || !self.node.config.wake.is_on() || self.node.db.is_to_recall()? {
            return Ok(WakeStep { order: None, rest: IDLE });
        }
        due::incoming(&mut self.node)?;
        Ok(match decide(&mut self.node)? {
            Decision::Idle => WakeStep { order: None, rest: IDLE },
            // No longer than when idle: the wall clock may be set.
            Decision::In(ms) => {
                WakeStep { order: None, rest: Duration::from_millis(ms.unsigned_abs()).min(IDLE) }
            }
            Decision::Fire(order) => {
                self.in_flight = true;
                WakeStep { order: Some(order), rest: IDLE }
            }
        })
    }
}

/// Writes down how a wake went.
fn ended(node: &mut Node, result: &WakeResult) -> Result<()> {
    let config = node.config.wake.clone();
    let now = node.clock.wall_ms();
    let attempts = node.db.attempt_of_wake(result.wake)?;
    let (ended, detail) = match result.outcome {
        Outcome::Done if !config.until_read => (Ended::Done, result.detail.clone()),
        Outcome::Done | Outcome::Accepted => (Ended::Accepted, result.detail.clone()),
        Outcome::Permanent => (Ended::Failed, result.detail.clone()),
        Outcome::Temporary => {
            let asked = result.retry_after.and_then(|pause| i64::try_from(pause.as_millis()).ok());
            let not_before = asked.map(|pause| now.saturating_add(pause.min(PATIENCE)));
            let until = not_before.and_then(chrono::DateTime::from_timestamp_millis).map(format_time);
            let asked = until.map(|until| format!(", none before {until}: the other side asked for it"));
            let detail = format!("{} (attempt {attempts}{})", result.detail, asked.unwrap_or_default());
            let again_at = now.saturating_add(slow(&config));
            (Ended::Retry(Retry { not_before, attempts: config.attempts, again_at }), detail)
        }
    };
    let again = |wakes| retry::backoff(config.again, config.again_max, wakes);
    node.db.end_wake(result.wake, ended, result.reached, &detail, again, now)
}
