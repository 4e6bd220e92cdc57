//! The next wake, decided from what lies in the store: whose turn it is, whether it may fire, and what goes into it.
//!
//! Anybody may have written mail that is not verified, so it can't make itself urgent, and not all of the budget is for it.
//! Where no name has a key that counts nothing is verified, and all mail is equal.

use std::fmt;

use chrono::Local;
use serde::Serialize;
use serde_json::Value;

use super::turn::{Turn, turns};
use super::{WakeOrder, hold};
use crate::engine::node::Node;
use crate::error::Result;
use crate::model::config::Telling;
use crate::model::envelope::{Priority, format_time};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::wake::{self, HOUR, Moment, Urgency, Verdict, Why, judge, slow, together, waits};
use crate::model::{notice, quiet};
use crate::store::db::{Failures, Head, Message, Sorted, WAITS};
use crate::sys::process;

/// How many messages of one turn, and how many turns, are looked at, at once.
const LOOKED_AT: usize = 1_000;

/// What is to be done about wakes now.
#[derive(Debug)]
pub(super) enum Decision {
    /// Nothing waits.
    Idle,
    /// Something waits; look again in so many milliseconds.
    In(i64),
    /// Start this one.
    Fire(WakeOrder),
}

/// Wakes that wait for something other than the agent: shown by `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The messages that wait.
    pub messages: u64,
    /// Until when (wall-clock milliseconds); `None`: until somebody ends it.
    #[serde(skip)]
    pub until_ms: Option<i64>,
    /// The same as a time (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.messages == 1 { " waits" } else { "s wait" };
        let (messages, why) = (self.messages, &self.why);
        match &self.until {
            Some(until) => write!(f, "{messages} message{plural} until {until} ({why})"),
            None => write!(f, "{messages} message{plural} until `lanpost wake resume` ({why})"),
        }
    }
}

/// What holds for all turns at a moment.
struct Common {
    now: i64,
    recent: Vec<i64>,
    unverified: Vec<i64>,
    /// No name has a key that counts: all senders are taken for known.
    trusting: bool,
    quiet: Option<i64>,
    held: Option<i64>,
}

/// What a turn's mail calls for, as far as it calls for a wake.
struct Call {
    urgency: Urgency,
    /// Some of it is by a known sender.
    known: bool,
}

impl Common {
    fn at(node: &Node) -> Result<Common> {
        let now = node.clock.wall_ms();
        let config = &node.config.wake;
        let ends = match config.zone {
            Some(zone) => quiet::ends(&config.quiet, &zone, node.clock.wall()),
            None => quiet::ends(&config.quiet, &Local, node.clock.wall()),
        };
        let held = hold::load(&node.db, now)?.map(|hold| hold.until.unwrap_or(i64::MAX));
        let recent = node.db.wake_times(now.saturating_sub(HOUR), now)?;
        let unverified = node.db.unverified_wake_times(now.saturating_sub(HOUR), now)?;
        let (trusting, quiet) = (!node.db.knows_anybody()?, ends.map(|end| end.timestamp_millis()));
        Ok(Common { now, recent, unverified, trusting, quiet, held })
    }

    fn moment(&self, call: &Call) -> Moment<'_> {
        let unverified = (!call.known).then_some(self.unverified.as_slice());
        Moment { recent: &self.recent, unverified, quiet: self.quiet, held: self.held, ..Moment::default() }
    }

    /// Until when a wake for this turn waits, and why.
    fn waits(
        &self,
        node: &Node,
        turn: &Turn,
        failures: &Failures,
        call: &Call,
    ) -> Result<Option<(i64, Why)>> {
        let moment = Moment {
            last: node.db.last_wake(&turn.agent, &turn.sender)?,
            failures: failures.count,
            failed: failures.last,
            not_before: failures.not_before,
            ..self.moment(call)
        };
        Ok(waits(&node.config.wake, call.urgency, &moment, self.now))
    }

    /// The same as far as it holds for all, for the turn in this place. Anybody can make up many names: of those behind
    /// the first ones no more is looked at while none of them can fire.
    fn holds_up(&self, node: &Node, place: usize, turn: &Turn) -> Option<(i64, Why)> {
        let urgent = turn.verified_urgent || self.trusting && turn.urgent;
        let urgency = if urgent { Urgency::Urgent } else { Urgency::Batch };
        let call = Call { urgency, known: turn.verified || self.trusting };
        let beyond = place >= LOOKED_AT;
        beyond.then(|| waits(&node.config.wake, urgency, &self.moment(&call), self.now)).flatten()
    }

    /// What the rules say of a turn's mail: what calls for a wake, and what is put aside.
    fn sort(&self, node: &Node, heads: &[Head]) -> (Call, Vec<(i64, Sorted)>) {
        let mut call = Call { urgency: Urgency::Batch, known: false };
        let mut sorted = vec![];
        for head in heads {
            let peer = head.sender.parse::<Address>().map(|from| from.instance.fold()).unwrap_or_default();
            let known = head.verified || self.trusting;
            let letter = wake::Letter {
                class: node.config.wakes(&peer, &head.sender, &head.kind),
                urgent: head.urgent && known,
                hops: head.hops,
                broadcast: head.broadcast,
                again: head.accepted > 0,
                twin: head.twin,
            };
            match judge(&node.config.wake, &letter, self.now) {
                Verdict::Wake(urgency) => {
                    call = Call { urgency: call.urgency.max(urgency), known: call.known || known };
                }
                Verdict::Never => sorted.push((head.n, Sorted::Never)),
                Verdict::Stopped(why) => sorted.push((head.n, Sorted::Stopped(why))),
                Verdict::Later(at) => sorted.push((head.n, Sorted::Later(at))),
            }
        }
        (call, sorted)
    }
}

/// Decides about the next wake and, if it fires, writes it down before it does.
pub(super) fn decide(node: &mut Node) -> Result<Decision> {
    let common = Common::at(node)?;
    let now = common.now;
    let longest = i64::try_from(node.config.wake.again_max.as_millis()).unwrap_or(i64::MAX);
    node.db.wake_again(node.config.wake.again_attempts, longest, now)?;
    node.db.wake_slowly(false, slow(&node.config.wake), now)?;
    let longest = i64::try_from(node.config.wake.dedupe.as_millis()).unwrap_or(i64::MAX);
    node.db.wake_sooner(longest.max(WAITS), now)?;
    node.db.drop_answered(LOOKED_AT, now)?;
    let mut soonest = None;
    let sooner = |soonest: Option<i64>, until| Some(soonest.map_or(until, |other| other.min(until)));
    for (place, turn) in turns(node, now)?.into_iter().enumerate() {
        if let Some((until, _)) = common.holds_up(node, place, &turn) {
            soonest = sooner(soonest, until);
            continue;
        }
        let heads = node.db.wake_heads(&turn.pile, now, LOOKED_AT)?;
        let (call, sorted) = common.sort(node, &heads);
        if !sorted.is_empty() {
            node.db.sort_out(&sorted, now)?;
            // Behind them others may wait.
            return Ok(Decision::In(0));
        }
        let failures = failures(node, &turn, &heads)?;
        if let Some((until, _)) = common.waits(node, &turn, &failures, &call)? {
            soonest = sooner(soonest, until);
            continue;
        }
        let Turn { agent, sender, pile, .. } = turn;
        let wake = &node.config.wake;
        let together = |failures| together(failures, wake.attempts);
        let messages = node.db.wake_messages(&pile, now, wake.batch, together)?;
        let attempt = failures.count + 1;
        let again = heads.iter().map(|head| head.accepted).max().unwrap_or_default();
        let reason = reason(attempt, again, call.urgency);
        let wake = node.db.begin_wake(&agent, &sender, &messages, attempt, &reason, now)?;
        let first = failures.first.unwrap_or(wake);
        let (text, note) =
            (text(node, &messages, node.config.wake.text), text(node, &messages, Telling::Count));
        return Ok(Decision::Fire(WakeOrder { wake, attempt, first, agent, sender, messages, text, note }));
    }
    Ok(soonest.map_or(Decision::Idle, |until| Decision::In(until.saturating_sub(now).max(1))))
}

/// The failed attempts whose pause a turn waits for: none, if what failed was given up and all that is due is new.
fn failures(node: &Node, turn: &Turn, heads: &[Head]) -> Result<Failures> {
    let row = node.db.wake_failures(&turn.agent, &turn.sender)?;
    let begun = heads.iter().any(|head| head.failures > 0);
    Ok(if row.over && !begun { Failures::default() } else { row })
}

/// What holds wakes up now, other than the window and the pause after a failure, for whom most mail waits.
///
/// # Errors
/// The local store's.
pub fn held(node: &Node) -> Result<Option<Held>> {
    let common = Common::at(node)?;
    let mut most: Option<Held> = None;
    let mut messages = 0;
    for (place, turn) in turns(node, common.now)?.into_iter().enumerate() {
        let waits = match common.holds_up(node, place, &turn) {
            Some(waits) => Some(waits),
            None => {
                let heads = node.db.wake_heads(&turn.pile, common.now, LOOKED_AT)?;
                let (call, _) = common.sort(node, &heads);
                let failures = failures(node, &turn, &heads)?;
                common.waits(node, &turn, &failures, &call)?
            }
        };
        let Some((until, why)) = waits.filter(|(_, why)| !matches!(why, Why::Window | Why::Retry)) else {
            continue;
        };
        messages += turn.count;
        if most.as_ref().is_none_or(|held| held.until_ms.is_some_and(|other| other < until)) {
            most = Some(shown(until, why));
        }
    }
    // A hold is worth a word even while nothing waits.
    let most = most.or_else(|| common.held.map(|until| shown(until, Why::Hold)));
    Ok(most.map(|held| Held { messages, ..held }))
}

fn shown(until: i64, why: Why) -> Held {
    let until_ms = (until != i64::MAX).then_some(until);
    let time = until_ms.and_then(chrono::DateTime::from_timestamp_millis);
    Held { messages: 0, until_ms, until: time.map(format_time), why }
}

/// Why a wake is made, for `wake log`.
fn reason(attempt: u32, again: u32, urgency: Urgency) -> String {
    let why = match (again, urgency) {
        (1.., _) => format!("unread after {again} accepted wakes"),
        (_, Urgency::Urgent) => "urgent mail".to_owned(),
        (_, Urgency::Now) => "mail that a rule says wakes now".to_owned(),
        (_, Urgency::Batch) => "new mail".to_owned(),
    };
    if attempt > 1 { format!("{why}, attempt {attempt}") } else { why }
}

/// What the agent is told.
fn text(node: &Node, messages: &[Message], telling: Telling) -> String {
    let bodies: Vec<String> = messages.iter().map(body).collect();
    let letters: Vec<notice::Letter> = messages
        .iter()
        .zip(&bodies)
        .map(|(message, body)| notice::Letter {
            mark: message.mark(),
            kind: &message.kind,
            thread: message.thread.as_deref(),
            group: message.broadcast.as_ref().map(|broadcast| broadcast.group.as_str()),
            answers: message.in_reply_to.as_ref().map(MessageId::as_str),
            files: message.attachments.len(),
            urgent: message.priority == Priority::Urgent,
            body,
        })
        .collect();
    let most = usize::try_from(node.config.wake.text_max.0).unwrap_or(usize::MAX);
    // A command's environment names the config; a gateway's does not.
    let lanpost = match node.config.wake.openclaw {
        Some(_) => process::called(&node.config.file),
        None => "lanpost".to_owned(),
    };
    match telling {
        Telling::Full => notice::full(&letters, &lanpost, most),
        Telling::Count => notice::count(&letters, &lanpost, most),
    }
}

/// A content as text: JSON indented, as `lanpost read` shows it.
fn body(message: &Message) -> String {
    match &message.content {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
