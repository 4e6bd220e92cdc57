//! What the courier orders of the shell, and what came of it.

use std::time::Duration;

use crate::model::direct::Target;

/// An order to hand lines over.
#[derive(Clone, Debug)]
pub struct Post {
    /// To whom (folded).
    pub peer: String,
    /// Where its daemon is.
    pub target: Target,
    /// The path of the request.
    pub path: String,
    /// The lines.
    pub body: Vec<u8>,
    /// When it has failed.
    pub timeout: Duration,
}

/// An order to ask whether a peer's daemon is there.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Whose (folded).
    pub peer: String,
    /// Where it is.
    pub target: Target,
    /// When it has failed.
    pub timeout: Duration,
}

/// How an order went.
#[derive(Clone, Debug)]
pub struct PostResult {
    /// To whom it was (folded).
    pub peer: String,
    /// What came of it.
    pub outcome: Posted,
}

/// What came of an order.
#[derive(Clone, Debug)]
pub enum Posted {
    /// A post was answered.
    Answered {
        /// The status of HTTP.
        status: u16,
        /// The pause that was asked for.
        retry_after: Option<Duration>,
        /// The body.
        body: Vec<u8>,
        /// By which address it went.
        url: String,
    },
    /// A probe was answered as it should be.
    There,
    /// A probe was not, and why.
    Absent(String),
    /// Nobody was reached, and why: nothing of a post was shown.
    Failed(String),
    /// There was no answer; whether the post was taken is not known.
    Unanswered {
        /// Why.
        why: String,
        /// The time was over.
        late: bool,
    },
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct CourierStep {
    /// Hand these over.
    pub posts: Vec<Post>,
    /// Ask these.
    pub probes: Vec<Probe>,
    /// A route changed to the share: it is the engine's turn.
    pub fell_back: bool,
    /// Receipts came: something of ours changed its state.
    pub notes: Vec<String>,
    /// How long to rest, unless mail waits, or an order ends.
    pub rest: Duration,
}
