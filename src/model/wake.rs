//! The wake policy: what a message calls for, and when a wake may fire. Pure; times are wall-clock milliseconds.
//!
//! - A rule may say `never`, or `now`, which passes the batch window as urgent mail does.
//! - An exchange of automatic answers that went on for too long without a person wakes nobody any more.
//! - The same words again, within the dedupe time of the wake for the first, wait until it is over.
//! - A wake waits for the pause after a failure, the batch window, the budget of an hour, quiet hours, and a hold by hand.
//!   Urgent mail passes the window, has the last tenth of the budget to itself, and passes quiet hours if the config
//!   says so.
//! - A letter whose wakes fail shares the next ones with fewer and fewer others ([`together`]).
//! - Mail that anybody may have written is never urgent, and all of it together has half of the budget at most.
//!
//! A moment in the future at which something happened (the clock was set back) holds nothing up.

pub mod rules;
pub mod told;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::WakeConfig;
use super::name::Address;
use super::report::NOT_WOKEN;
use super::retry;

/// Automatic answers that may lead to a broadcast: somebody asks, somebody answers, and that one tells all. Each answer to
/// a broadcast could be one to everybody, and there would be as many as there are members to the power of that.
pub const BROADCASTS: u64 = 2;
/// The time in which the budget counts, in milliseconds.
pub const HOUR: i64 = 3_600_000;
/// The longest pause that another side is granted, however long a one it asks for.
pub const PATIENCE: i64 = HOUR;

/// Whose mail it is if the sender's name is none.
pub const UNKNOWN: &str = "unknown";

/// A sender as wakes know it, however its name is written: those without a name are one.
pub fn sender_of(from: &str) -> String {
    let Ok(Address { instance, agent }) = from.parse::<Address>() else { return UNKNOWN.to_owned() };
    match agent {
        Some(agent) => format!("{}/{}", instance.fold(), agent.fold()),
        None => instance.fold(),
    }
}

/// When mail of some kind wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Past the batch window.
    Now,
    /// With what else arrives within the window.
    Batch,
    /// It waits until somebody looks.
    Never,
}

/// How soon a wake is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// With the next batch.
    Batch,
    /// Past the window: a rule says so.
    Now,
    /// Past the window, and more: its sender says so.
    Urgent,
}

/// What the policy looks at of a message.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// What the rules say of it.
    pub class: Class,
    /// Its sender, who is known, wants attention at once.
    pub urgent: bool,
    /// Automatic answers that led to it.
    pub hops: u64,
    /// It went to several.
    pub broadcast: bool,
    /// It was woken for before, and nobody read it.
    pub again: bool,
    /// When somebody was last woken for the same words.
    pub twin: Option<i64>,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It calls for a wake.
    Wake(Urgency),
    /// Nobody is woken for it.
    Never,
    /// Nobody is woken for it, and both sides are told why.
    Stopped(String),
    /// It calls for one from then on.
    Later(i64),
}

/// What becomes of a letter at `now`.
pub fn judge(config: &WakeConfig, letter: &Letter, now: i64) -> Verdict {
    if letter.class == Class::Never {
        return Verdict::Never;
    }
    if let Some(why) = circles(config, letter) {
        return Verdict::Stopped(why);
    }
    let urgency = match (letter.urgent, letter.class) {
        (true, _) => Urgency::Urgent,
        (_, Class::Now) => Urgency::Now,
        _ => Urgency::Batch,
    };
    match letter.twin.filter(|_| !letter.urgent && !letter.again) {
        Some(twin) if left(twin, config.dedupe, now) > 0 => {
            Verdict::Later(twin.saturating_add(millis(config.dedupe)))
        }
        _ => Verdict::Wake(urgency),
    }
}

/// Why an exchange is taken for one in circles, if it is.
fn circles(config: &WakeConfig, letter: &Letter) -> Option<String> {
    let hops = letter.hops;
    if letter.broadcast && hops > BROADCASTS {
        return Some(format!("not woken: {hops} automatic answers led to it, and it went to several"));
    }
    // A round is there and back.
    if hops >= config.rounds.saturating_mul(2) {
        let advice = "what a person types at a terminal begins anew";
        let rounds = hops / 2;
        return Some(format!("{NOT_WOKEN}agents answered each other for {rounds} rounds; {advice}"));
    }
    (hops > config.hops).then(|| format!("not woken: {hops} automatic answers led to it"))
}

/// Why a wake waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// For what else arrives in the batch window.
    Window,
    /// After a failed attempt.
    Retry,
    /// After one whose other side wants no further one before.
    Asked,
    /// Unverified mail has used up its part of the budget.
    Unverified,
    /// The budget of wakes per hour is used up.
    Budget,
    /// For the end of quiet hours.
    Quiet,
    /// `lanpost wake hold`.
    Hold,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Window => "the batch window",
            Why::Retry => "the pause after a failed attempt",
            Why::Asked => "the other side asked for it",
            Why::Unverified => "unverified mail has used up its half of the budget of wakes per hour",
            Why::Budget => "the budget of wakes per hour is used up",
            Why::Quiet => "quiet hours",
            Why::Hold => "held by hand",
        })
    }
}

/// The pause between attempts at mail that was given up because of failures for now, in milliseconds.
pub fn slow(config: &WakeConfig) -> i64 {
    millis(config.again_max).max(HOUR)
}

/// How many letters go into one wake with one that was in so many that failed, if each is given up after `attempts`: half as
/// many each time, and the last time it is alone. So a letter that makes the agent fail fails by itself in the end, and
/// those that came with it do not.
pub fn together(failures: u32, attempts: u32) -> usize {
    match failures {
        0 => usize::MAX,
        _ => 1 << attempts.saturating_sub(1).saturating_sub(failures).min(30),
    }
}

/// What the policy looks at of the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment<'a> {
    /// When the last wake of this agent, and for this sender if each has its own, that did not fail began.
    pub last: Option<i64>,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When the last of them ended.
    pub failed: i64,
    /// The other side wants none before.
    pub not_before: Option<i64>,
    /// When wakes of all agents began within the last hour, oldest first.
    pub recent: &'a [i64],
    /// Those of them that were for unverified mail alone, if this one would be, too.
    pub unverified: Option<&'a [i64]>,
    /// When the quiet hours that are now end.
    pub quiet: Option<i64>,
    /// Until when wakes are held by hand.
    pub held: Option<i64>,
}

/// Until when a wake waits at `now`, and why; `None`: it may fire. Several reasons: the one that holds longest.
pub fn waits(config: &WakeConfig, urgency: Urgency, moment: &Moment, now: i64) -> Option<(i64, Why)> {
    let mut until = vec![];
    let mut wait = |left: i64, why: Why| until.extend((left > 0).then(|| (now.saturating_add(left), why)));
    if moment.failures > 0 {
        let pause = retry::backoff(config.retry, config.retry_max, moment.failures);
        wait(left(moment.failed, pause, now), Why::Retry);
        let asked = moment.not_before.map_or(0, |until| until.saturating_sub(now).min(PATIENCE));
        // Set back, a clock would make a minute a year.
        wait(if moment.failed > now { 0 } else { asked }, Why::Asked);
    } else if let Some(last) = moment.last.filter(|_| urgency == Urgency::Batch) {
        wait(left(last, config.window, now), Why::Window);
    }
    let spare = if urgency == Urgency::Urgent { 0 } else { config.budget / 10 };
    wait(over(moment.recent, config.budget.saturating_sub(spare), now), Why::Budget);
    if let Some(recent) = moment.unverified {
        wait(over(recent, (config.budget / 2).max(1), now), Why::Unverified);
    }
    if let Some(end) = moment.quiet.filter(|_| !(config.quiet_urgent && urgency == Urgency::Urgent)) {
        wait(end.saturating_sub(now), Why::Quiet);
    }
    if let Some(end) = moment.held {
        wait(end.saturating_sub(now), Why::Hold);
    }
    until.into_iter().max()
}

/// How long so many wakes within the last hour are too many, if no more than `most` may be.
fn over(recent: &[i64], most: usize, now: i64) -> i64 {
    let Some(over) = recent.len().checked_sub(most) else { return 0 };
    // Until all but `most - 1` of them are an hour old.
    recent.get(over).map_or(HOUR, |at| at.saturating_add(HOUR).saturating_sub(now)).max(1)
}

/// What is left of a pause that began at `since`.
fn left(since: i64, pause: Duration, now: i64) -> i64 {
    if since > now { 0 } else { since.saturating_add(millis(pause)).saturating_sub(now).max(0) }
}

fn millis(pause: Duration) -> i64 {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
