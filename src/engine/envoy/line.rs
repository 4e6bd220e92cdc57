//! The way to one gateway: what is on its way there, and when the next request may be made.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::EnvoyOrder;
use crate::model::a2a::{MINUTE, REQUESTS};
use crate::model::circuit::Circuit;
use crate::model::config::A2aConfig;
use crate::store::db::{Errand, Message};

/// The pauses between questions about a task.
const ASK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Requests of a minute that we leave unused: its minute may begin at another moment than ours.
pub(super) const SPARE: usize = 2;
/// How long a request may take. A gateway that just started takes its time.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a probe may.
const PROBE: Duration = Duration::from_secs(3);

/// The way to one gateway.
pub(super) struct Line {
    pub gateway: A2aConfig,
    pub after_direct: bool,
    /// Whether it is the only route.
    pub alone: bool,
    pub circuit: Circuit,
    /// What is on its way.
    pub asked: Option<Asked>,
    /// When requests were made within the last minute.
    pub made: VecDeque<Duration>,
    /// What to ask about what was taken, by message.
    pub questions: BTreeMap<i64, Question>,
    /// No request before.
    pub quiet_until: Duration,
    /// It was a message's turn last time.
    pub handed: bool,
    /// What it did to mail, and when: it stands until something is taken, since no probe disproves it.
    pub refusal: Option<(String, i64)>,
    /// Why it was found to be out of use, until a probe goes well.
    pub outage: Option<(String, i64)>,
    /// Since when it is usable, or not.
    pub since: i64,
}

/// A question that is asked until there is an end.
#[derive(Debug)]
pub(super) struct Question {
    /// When it is time for it.
    pub at: Duration,
    /// The pause before that.
    pub pause: Duration,
    /// Why the last answer was none.
    pub trouble: Option<String>,
}

pub(super) enum Asked {
    /// To take a message.
    Take(Box<Message>),
    /// How far it is with one.
    About(Box<Errand>),
    /// Whether it is ready.
    Ready,
}

impl Line {
    pub fn order(&self, peer: &str, request: Option<Value>) -> EnvoyOrder {
        let timeout = if request.is_some() { TIMEOUT } else { PROBE };
        EnvoyOrder { peer: peer.to_owned(), gateway: self.gateway.clone(), request, timeout }
    }

    pub fn ask(&mut self, asked: Asked, now: Duration) {
        self.handed = matches!(asked, Asked::Take(_));
        self.asked = Some(asked);
        self.made.push_back(now);
    }

    /// When to ask about the message `n`, which is taken.
    pub fn due(&mut self, n: i64, now: Duration) -> Duration {
        let first = || Question { at: now.saturating_add(ASK.0), pause: ASK.0, trouble: None };
        self.questions.entry(n).or_insert_with(first).at
    }

    /// Asks about it again, after a longer pause than before.
    pub fn ask_later(&mut self, n: i64, now: Duration, trouble: Option<String>) {
        let pause = self.questions.get(&n).map_or(ASK.0, |question| (question.pause * 2).min(ASK.1));
        self.questions.insert(n, Question { at: now.saturating_add(pause), pause, trouble });
    }

    /// What stands against it, and when that was seen last.
    pub fn trouble(&self) -> Option<&(String, i64)> {
        self.outage.as_ref().filter(|_| !self.circuit.is_usable()).or(self.refusal.as_ref())
    }

    /// Why no request is made for now, and until when.
    pub fn rest(&mut self, now: Duration) -> Option<(&'static str, Duration)> {
        let free = self.free_at(now);
        let why = match free == self.quiet_until {
            true => "it asked for a pause",
            false => "it serves no more in this minute",
        };
        (free > now && self.circuit.is_usable()).then_some((why, free))
    }

    /// When the next request may be made.
    pub fn free_at(&mut self, now: Duration) -> Duration {
        let minute = Duration::from_millis(MINUTE.unsigned_abs());
        while self.made.front().is_some_and(|made| made.saturating_add(minute) <= now) {
            self.made.pop_front();
        }
        let full = self.made.len() >= REQUESTS - SPARE;
        let oldest = self.made.front().filter(|_| full).map(|made| made.saturating_add(minute));
        oldest.unwrap_or_default().max(self.quiet_until)
    }
}
