//! Taking mail back: the orders of a sender to its recipient's lanpost. Pure.
//!
//! ```text
//! order := type "recall" | "cancel", in_reply_to the message, content a text for people
//! ```
//! `recall` takes back what nobody read. `cancel` does so with a request, and if somebody read it, that one is told. An
//! order is obeyed only if it is signed by the pinned key of whoever sent the message, and written in the same name.
//! Whoever does not know these types takes an order for mail, which says the same to whoever reads it.

use super::ask::REQUEST;
use super::state::State;

/// The type of an order that takes back what nobody read.
pub const RECALL: &str = "recall";
/// The type of an order that ends a request.
pub const CANCEL: &str = "cancel";
/// What a heartbeat names among its `features` if its lanpost obeys these orders.
pub const FEATURE: &str = "cancel";

/// How a message is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// If nobody read it.
    Recall,
    /// A request, in any case.
    Cancel,
}

/// What an order comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The message is cancelled.
    Cancelled,
    /// The message is cancelled, and whoever is at work on it is told.
    Told,
    /// It stays as it is.
    TooLate,
}

impl Order {
    /// The order of an envelope's type.
    pub fn of(kind: &str) -> Option<Order> {
        [Order::Recall, Order::Cancel].into_iter().find(|order| order.as_str() == kind)
    }

    /// The type of its envelope, and its word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Recall => RECALL,
            Order::Cancel => CANCEL,
        }
    }

    /// What it says to whoever reads it.
    pub fn text(self, from: &str) -> String {
        let what = if self == Order::Cancel { "this request" } else { "this message" };
        format!("{from} takes {what} back: it is not to be answered or worked on any more")
    }

    /// What it comes to for a message of type `kind` in `state`; `woken`: somebody may have seen it all the same.
    pub fn ruling(self, kind: &str, state: State, woken: bool) -> Ruling {
        let ends_request = self == Order::Cancel && kind == REQUEST;
        match state {
            State::Processed | State::Failed | State::Expired | State::Cancelled => Ruling::TooLate,
            State::Read if ends_request => Ruling::Told,
            State::Read => Ruling::TooLate,
            _ if woken && ends_request => Ruling::Told,
            State::Scheduled
            | State::Attaching
            | State::Queued
            | State::Sent
            | State::Fetching
            | State::Delivered => Ruling::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_stays_done_and_what_was_read_is_not_recalled() {
        use Ruling::*;
        for (state, recall, cancel) in [
            (State::Fetching, Cancelled, Cancelled),
            (State::Delivered, Cancelled, Cancelled),
            (State::Read, TooLate, Told),
            (State::Processed, TooLate, TooLate),
            (State::Failed, TooLate, TooLate),
            (State::Expired, TooLate, TooLate),
            (State::Cancelled, TooLate, TooLate),
        ] {
            assert_eq!(Order::Recall.ruling(REQUEST, state, false), recall, "{state}");
            assert_eq!(Order::Cancel.ruling(REQUEST, state, false), cancel, "{state}");
            assert_eq!(Order::Cancel.ruling("message", state, false), recall, "{state}: of no request");
        }
        assert_eq!(Order::Cancel.ruling(REQUEST, State::Delivered, true), Told, "it may be at work");
        assert_eq!(Order::Recall.ruling(REQUEST, State::Delivered, true), Cancelled);
    }

    #[test]
    fn an_order_is_known_by_its_type() {
        for order in [Order::Recall, Order::Cancel] {
            assert_eq!(Order::of(order.as_str()), Some(order));
        }
        assert_eq!(Order::of("message"), None);
    }
}
