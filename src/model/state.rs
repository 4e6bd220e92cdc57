//! The states of a message and the only moves between them.
//!
//! ```text
//! scheduled -> queued -> sent -> delivered -> read -> processed | failed
//!        \________\_______\_________\_______\_____> failed | cancelled
//!         \________\_______\_________\_____________> expired
//! scheduled -> attaching -> queued -> sent -> fetching -> delivered        with attachments, which may end so, too
//! ```
//! States only move forward: a late receipt changes nothing, a doubled one changes nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In the sender's store, until its time comes.
    Scheduled,
    /// In the sender's store, on stable storage, and its attachments are on their way to the share.
    Attaching,
    /// In the sender's store, on stable storage.
    Queued,
    /// On the share (or in the recipient's open slot), synced.
    Sent,
    /// In the recipient's store, whose attachments are on their way there: nobody is shown it yet.
    Fetching,
    /// In the recipient's store, on stable storage, with all that is attached to it.
    Delivered,
    /// Shown to the agent or a person by `read`.
    Read,
    /// The agent said that it is done.
    Processed,
    /// The agent, or lanpost, said that it can't be done; the outcome says why.
    Failed,
    /// Its time ran out before it was delivered, or before anybody read it.
    Expired,
    /// Its sender took it back.
    Cancelled,
}

/// All states, in order, for help texts and tests.
pub const ALL: [State; 11] = [
    State::Scheduled,
    State::Attaching,
    State::Queued,
    State::Sent,
    State::Fetching,
    State::Delivered,
    State::Read,
    State::Processed,
    State::Failed,
    State::Expired,
    State::Cancelled,
];

impl State {
    /// The word used in the store, on the wire and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Attaching => "attaching",
            State::Queued => "queued",
            State::Sent => "sent",
            State::Fetching => "fetching",
            State::Delivered => "delivered",
            State::Read => "read",
            State::Processed => "processed",
            State::Failed => "failed",
            State::Expired => "expired",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, State::Processed | State::Failed | State::Expired | State::Cancelled)
    }

    /// Whether `self -> to` is a move forward.
    pub fn may_become(self, to: State) -> bool {
        !self.is_final() && to > self && !(to == State::Expired && self >= State::Read)
    }

    /// Whether a sender who waits for `wanted` has what it waits for: reached, or overtaken.
    pub fn reached(self, wanted: State) -> bool {
        match self {
            State::Failed | State::Expired | State::Cancelled => self == wanted,
            _ => self >= wanted,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<State, String> {
        ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let words: Vec<_> = ALL.iter().map(|state| state.as_str()).collect();
            format!("{text:?} is no state; it is one of {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_only_move_forward() {
        for from in ALL {
            for to in ALL {
                let legal = from.may_become(to);
                assert!(!(legal && to.may_become(from)), "{from} <-> {to}");
                assert!(!(legal && from.is_final()), "{from} -> {to}");
            }
        }
        assert!(State::Queued.may_become(State::Processed), "receipts may overtake each other");
        assert!(State::Delivered.may_become(State::Expired), "nobody read it in time");
        assert!(!State::Read.may_become(State::Expired), "what was read no longer expires");
    }

    #[test]
    fn words_round_trip() {
        for state in ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("done".parse::<State>().unwrap_err().contains("processed"));
    }

    #[test]
    fn waiting_for_delivered_is_over_when_read_but_not_when_failed() {
        assert!(State::Read.reached(State::Delivered));
        assert!(!State::Failed.reached(State::Delivered));
        assert!(State::Failed.reached(State::Failed));
    }
}
