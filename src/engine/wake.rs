//! When to wake the agent, and for what. The adapters that do it live in `adapt/wake`.
//!
//! - The first mail after a quiet spell wakes at once; what follows within the window is batched into the next wake.
//! - Urgent mail passes the window.
//! - One wake is in flight at a time; just before it fires, what was read meanwhile is dropped from it.
//! - A temporary failure is retried with doubling, capped pauses; after the configured attempts, or a permanent
//!   failure, the senders are told.
//! - What is due lies in the store, so a restart takes an unfinished wake up again and never repeats a finished one.

use std::time::Duration;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::config::WakeConfig;
use crate::model::name::Address;
use crate::model::retry;
use crate::store::db::{Due, Ended, Message};

/// The longest rest of a waker: mail that came in and was never announced is found by then.
const IDLE: Duration = Duration::from_secs(5);
/// How many messages that need no wake any more are marked at once.
const LOOKED_AT: usize = 1_000;

/// An order to wake an agent.
#[derive(Clone, Debug)]
pub struct WakeOrder {
    /// Its number in the store; the result names it.
    pub wake: i64,
    /// Which attempt in a row, from 1.
    pub attempt: u32,
    /// The agent; empty for the instance itself.
    pub agent: String,
    /// What it is woken for.
    pub messages: Vec<Message>,
}

/// How an adapter fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent has it.
    Done,
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
    /// The agent it was for.
    pub agent: String,
    /// How it went.
    pub outcome: Outcome,
    /// The same in words.
    pub detail: String,
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
        node.db.interrupt_wakes(node.clock.wall_ms())?;
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

    /// One step; `results` are of the wakes that ended since the last one. After an error the same step may be repeated.
    ///
    /// # Errors
    /// The local store's.
    pub fn step(&mut self, results: &[WakeResult]) -> Result<WakeStep> {
        self.note(results)?;
        if self.in_flight || self.node.config.wake.command.is_empty() || self.node.db.is_to_recall()? {
            return Ok(WakeStep { order: None, rest: IDLE });
        }
        Ok(match decide(&mut self.node)? {
            Decision::Idle => WakeStep { order: None, rest: IDLE },
            Decision::In(ms) => WakeStep { order: None, rest: Duration::from_millis(ms.unsigned_abs()) },
            Decision::Fire(order) => {
                self.in_flight = true;
                WakeStep { order: Some(order), rest: IDLE }
            }
        })
    }
}

/// What is to be done about wakes now.
#[derive(Debug)]
enum Decision {
    /// Nothing waits.
    Idle,
    /// Something waits; look again in so many milliseconds.
    In(i64),
    /// Start this one.
    Fire(WakeOrder),
}

/// When a wake for `due` may fire: the milliseconds from `now` on, 0 for at once. Times are wall-clock milliseconds;
/// one that lies in the future (the clock was set back) holds nothing up.
fn pause(config: &WakeConfig, urgent: bool, last: Option<i64>, failures: (u32, i64), now: i64) -> i64 {
    let left = |since: i64, pause: Duration| {
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        if since > now { 0 } else { since.saturating_add(pause).saturating_sub(now).max(0) }
    };
    if failures.0 > 0 {
        return left(failures.1, retry::backoff(config.retry, config.retry_max, failures.0));
    }
    match last {
        Some(last) if !urgent => left(last, config.window),
        _ => 0,
    }
}

/// Decides about the next wake and, if it fires, writes it down before it does.
fn decide(node: &mut Node) -> Result<Decision> {
    let now = node.clock.wall_ms();
    let answered = node.db.wake_messages(None, LOOKED_AT)?;
    if !answered.is_empty() {
        node.db.wake_not_needed(&answered, now)?;
    }
    let config = node.config.wake.clone();
    let mut soonest = None;
    for (agent, due) in agents(node.db.wakes_due()?) {
        let urgent = due.iter().any(|due| due.urgent);
        let failures = node.db.wake_failures(&agent)?;
        let wait = pause(&config, urgent, node.db.last_wake(&agent)?, failures, now);
        if wait > 0 {
            soonest = Some(soonest.map_or(wait, |other: i64| other.min(wait)));
            continue;
        }
        let recipients: Vec<String> = due.into_iter().map(|due| due.recipient).collect();
        let messages = node.db.wake_messages(Some(&recipients), config.batch)?;
        let attempt = failures.0 + 1;
        let wake = node.db.begin_wake(&agent, &messages, attempt, now)?;
        return Ok(Decision::Fire(WakeOrder { wake, attempt, agent, messages }));
    }
    Ok(soonest.map_or(Decision::Idle, Decision::In))
}

/// Writes down how a wake went.
fn ended(node: &mut Node, result: &WakeResult) -> Result<()> {
    let attempts = node.db.wake_failures(&result.agent)?.0 + 1;
    let (ended, detail) = match result.outcome {
        Outcome::Done => (Ended::Done, result.detail.clone()),
        Outcome::Permanent => (Ended::Failed, result.detail.clone()),
        Outcome::Temporary if attempts >= node.config.wake.attempts => {
            (Ended::Failed, format!("{} (attempt {attempts}, the last one)", result.detail))
        }
        Outcome::Temporary => (Ended::Retry, format!("{} (attempt {attempts})", result.detail)),
    };
    node.db.end_wake(result.wake, ended, &detail, node.clock.wall_ms())
}

/// The agents that mail waits for, in the order of their oldest; one may be written in several ways.
fn agents(due: Vec<Due>) -> Vec<(String, Vec<Due>)> {
    let mut agents: Vec<(String, Vec<Due>)> = vec![];
    for due in due {
        let to = due.recipient.parse::<Address>().ok();
        let agent = to.and_then(|to| to.agent).map(|agent| agent.to_string()).unwrap_or_default();
        match agents.iter_mut().find(|(known, _)| *known == agent) {
            Some((_, of_agent)) => of_agent.push(due),
            None => agents.push((agent, vec![due])),
        }
    }
    agents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wakes_at_once_and_the_next_waits_for_the_window() {
        let config = WakeConfig { window: Duration::from_secs(1), ..WakeConfig::default() };
        let cases = [
            ((false, None, (0, 0)), 0),
            ((false, Some(9_700), (0, 0)), 700),
            ((true, Some(9_700), (0, 0)), 0),
            ((false, Some(9_000), (0, 0)), 0),
            ((false, Some(99_000), (0, 0)), 0), // the clock was set back
        ];
        for ((urgent, last, failures), expected) in cases {
            assert_eq!(
                pause(&config, urgent, last, failures, 10_000),
                expected,
                "{urgent} {last:?} {failures:?}"
            );
        }
    }

    #[test]
    fn a_failed_wake_backs_off_urgent_or_not() {
        let config = WakeConfig::default();
        let first = pause(&config, true, None, (1, 10_000), 10_000);
        assert_eq!(first, i64::try_from(config.retry.as_millis()).unwrap());
        assert_eq!(pause(&config, true, None, (2, 10_000), 10_000), 2 * first);
        assert_eq!(pause(&config, true, None, (1, 10_000), 10_000 + first), 0);
    }
}
