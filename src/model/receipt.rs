//! Receipts: what a recipient tells a sender, as the content of an envelope of type `receipt` in its own lane.
//!
//! ```text
//! receipt := {"delivered": lane?, "items": [item…]?, "restored": [lane…]?}
//! lane    := {"lease": n, "up_to": seq, "missing": [seq…]}
//! item    := {"id", "state": "delivered" | "read" | "processed" | "failed" | "expired" | "wake_failed" | "abandoned",
//!            "at", "reason" | "sealed"?}
//! ```
//! `delivered` is cumulative over one lane; `missing` asks for a gap again. An item speaks of one message: the
//! later states, and `delivered` for what came through an open slot and so has no seq. Receipts get no receipts,
//! and a state that a newer version adds is stepped over.
//!
//! `restored` is said once by a recipient whose store went back in time: how far it has the addressee's lanes, the newest
//! of them; what came under later leases, it does not have. What is not on the share for it to read again, and it is told to
//! have taken, only its sender can bring.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::MessageId;
use super::report::REFUSED;
use super::state::State;

/// The word in `state` that reports a wake which failed for good; it changes no state of the message.
pub const WAKE_FAILED: &str = "wake_failed";

/// The word that reports a request about which nobody says anything any more; it changes no state either.
pub const ABANDONED: &str = "abandoned";

/// What one receipt envelope says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// How far one lane of the addressee was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// Single messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// All that a store which went back in time has of the addressee's lanes, by lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Vec<Delivered>>,
}

/// Everything of `lease` up to and with `up_to` is in the recipient's store, but for `missing`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The lease in the lane's file name.
    pub lease: u64,
    /// The highest seq taken in.
    pub up_to: u64,
    /// Numbers below `up_to` that never came; the sender sends them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
}

impl Delivered {
    /// The same with at most `most` missing numbers; what follows the last of them is for a later receipt.
    #[must_use]
    pub fn within(mut self, most: usize) -> Delivered {
        self.missing.sort_unstable();
        if let Some(first) = self.missing.get(most) {
            self.up_to = self.up_to.min(first.saturating_sub(1));
            self.missing.truncate(most);
        }
        self
    }
}

/// One message's new state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Which message.
    pub id: MessageId,
    /// Its new state, a word of [`State`], [`WAKE_FAILED`] or [`ABANDONED`].
    pub state: String,
    /// When, on the recipient's clock (RFC 3339).
    pub at: String,
    /// Why, for `failed` and its like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same, sealed, of a message that was sealed ([`super::seal`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The reason may not be written down unsealed.
    #[serde(skip)]
    pub private: bool,
}

impl Item {
    /// The state it reports, if it is one that this version knows.
    pub fn state(&self) -> Option<State> {
        self.state.parse().ok()
    }

    /// Bytes that it takes in a receipt, at most; what is sealed takes a third more, and age's header.
    pub fn size(&self) -> usize {
        let plain = serde_json::to_vec(self).map_or(0, |json| json.len() + 1);
        let reason = self.reason.as_ref().filter(|_| self.private).map_or(0, |reason| reason.len() / 3 + 600);
        plain + reason
    }

    /// The same in at most `room` bytes, as far as its reason is what takes more.
    #[must_use]
    pub fn within(mut self, room: usize) -> Item {
        if self.size() > room
            && let Some(reason) = &mut self.reason
        {
            // A character may take six bytes in JSON.
            let end = (0..=reason.len().min(room / 8)).rev().find(|at| reason.is_char_boundary(*at));
            reason.truncate(end.unwrap_or_default());
        }
        if self.size() > room && self.private {
            self.reason = None;
        }
        self
    }

    /// Whether the message never entered the inbox: this must be known before `delivered` counts its number in.
    pub fn is_undelivered(&self) -> bool {
        match self.state() {
            Some(State::Expired) => true,
            Some(State::Failed) => self.reason.as_deref().is_some_and(|why| why.starts_with(REFUSED)),
            _ => false,
        }
    }
}

impl Receipt {
    /// Reads an envelope's content; `None` if it is not a receipt's.
    pub fn from_content(content: &Value) -> Option<Receipt> {
        serde_json::from_value(content.clone()).ok()
    }

    /// The content of the envelope that carries it.
    pub fn to_content(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_round_trips_and_steps_over_what_it_does_not_know() {
        let content = serde_json::json!({"delivered": {"lease": 7, "up_to": 12}, "colour": "red",
            "items": [{"id": "a", "state": "pondered", "at": "2026-02-14T18:40:00Z"}]});
        let receipt = Receipt::from_content(&content).unwrap();
        assert_eq!(receipt.delivered, Some(Delivered { lease: 7, up_to: 12, missing: vec![] }));
        assert_eq!(receipt.items[0].state(), None);
        assert_eq!(Receipt::from_content(&receipt.to_content()), Some(receipt));
        assert_eq!(Receipt::from_content(&serde_json::json!("x")), None);
    }
}
