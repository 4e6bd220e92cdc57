//! The non-delivery report: what a sender finds in its own inbox when a message ended without being processed.
//!
//! Written by the sender's own lanpost into its own store, never on the share; type [`REPORT`], `in_reply_to` the message.
//! ```text
//! content := {"cause": word, "reason": text, "message": id, "to": address}
//! ```
//! It wakes nobody, gets no receipts, and there is one for each message and cause (RFC 3464 is the elder of the idea).

use std::fmt;

use serde_json::{Value, json};

use super::envelope::{Envelope, Priority, VERSION};
use super::id::MessageId;
use super::name::Address;

/// The type of a report; lanpost's own.
pub const REPORT: &str = "non-delivery-report";
/// How the reason of a `failed` receipt begins when not the agent but its lanpost refused the message.
pub const REFUSED: &str = "refused: ";
/// How the reason of a failed wake begins when none was tried.
pub const NOT_WOKEN: &str = "not woken: ";

/// Why a message came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time ran out before it was delivered.
    Expired,
    /// The recipient's lanpost set it aside: it read as no message to that mailbox.
    Refused,
    /// The recipient's agent said that it can't be done.
    Failed,
    /// Nothing of an instance of that name was ever seen; the message lies in its open slot.
    Unknown,
    /// The recipient has been gone for longer than mail is kept for it.
    Gone,
    /// It is larger than the recipient takes.
    TooLarge,
    /// It was delivered, but every attempt to wake the recipient's agent failed. It may still be read.
    WakeFailed,
    /// It was a request, which somebody read there, and then fell silent about. It may still be answered.
    Abandoned,
    /// It was delivered, and nobody is woken for it: agents have answered each other for too long. Both sides are told.
    NotWoken,
}

impl Cause {
    /// The word on screen, in JSON and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Expired => "expired",
            Cause::Refused => "refused",
            Cause::Failed => "failed",
            Cause::Unknown => "unknown",
            Cause::Gone => "gone",
            Cause::TooLarge => "too-large",
            Cause::WakeFailed => "wake-failed",
            Cause::Abandoned => "abandoned",
            Cause::NotWoken => "not-woken",
        }
    }

    /// The cause behind a `failed` receipt with this reason.
    pub fn of_failed(reason: &str) -> Cause {
        if reason.starts_with(REFUSED) { Cause::Refused } else { Cause::Failed }
    }

    /// The cause behind a wake that failed for this reason.
    pub fn of_unwoken(reason: &str) -> Cause {
        if reason.starts_with(NOT_WOKEN) { Cause::NotWoken } else { Cause::WakeFailed }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The message that came to nothing, as its sender's store has it.
pub struct Undelivered<'a> {
    /// Its id.
    pub id: &'a MessageId,
    /// Who wrote it: this gets the report.
    pub from: &'a Address,
    /// Whom it was for.
    pub to: &'a str,
    /// Its conversation.
    pub thread: Option<&'a str>,
}

/// The report on `message`. The same message and cause make the same id, so that it is kept once.
pub fn report(message: &Undelivered, cause: Cause, reason: &str, timestamp: String) -> Envelope {
    let key = format!("{} {} {cause}", message.to, message.id);
    Envelope {
        v: Some(VERSION),
        id: Some(MessageId::derived(REPORT, &key, 1)),
        from: message.from.instance.to_string(),
        to: Some(message.from.clone()),
        timestamp: Some(timestamp),
        kind: REPORT.into(),
        content: content(message, cause, reason),
        seq: None,
        thread: message.thread.map(str::to_owned),
        in_reply_to: Some(message.id.clone()),
        priority: Priority::Normal,
        expires: None,
        hops: None,
        sealed: None,
        rest: serde_json::Map::new(),
    }
}

fn content(message: &Undelivered, cause: Cause, reason: &str) -> Value {
    json!({"cause": cause.as_str(), "reason": reason, "message": message.id.as_str(), "to": message.to})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_made_once_for_each_cause() {
        let (id, from) = ("m-1".parse().unwrap(), "office/main".parse().unwrap());
        let message = Undelivered { id: &id, from: &from, to: "lab", thread: Some("t") };
        let make = |cause| report(&message, cause, "why", "now".into());
        let expired = make(Cause::Expired);
        assert_eq!(expired.id, make(Cause::Expired).id);
        assert_ne!(expired.id, make(Cause::WakeFailed).id);
        assert_eq!(
            (expired.from.as_str(), expired.to.unwrap().to_string()),
            ("office", "office/main".into())
        );
        assert_eq!(expired.content["cause"], "expired");
        assert_eq!(Cause::of_failed("refused: addressed to x"), Cause::Refused);
        assert_eq!(Cause::of_failed("no time"), Cause::Failed);
        assert_eq!(Cause::of_unwoken("not woken: too long"), Cause::NotWoken);
        assert_eq!(Cause::of_unwoken("exit code 64"), Cause::WakeFailed);
    }
}
