//! What the envoy orders of the shell, and what came of it.

use std::time::Duration;

use serde_json::Value;

use crate::model::config::A2aConfig;

/// An order to ask a gateway for something.
#[derive(Clone, Debug)]
pub struct EnvoyOrder {
    /// Whose (folded).
    pub peer: String,
    /// Where it is, and by what it knows us.
    pub gateway: A2aConfig,
    /// The request; none: whether it is ready.
    pub request: Option<Value>,
    /// When it has failed.
    pub timeout: Duration,
}

/// How an order went.
#[derive(Clone, Debug)]
pub struct EnvoyResult {
    /// Whose gateway was asked (folded).
    pub peer: String,
    /// What came of it.
    pub heard: Heard,
}

/// What came of an order.
#[derive(Clone, Debug)]
pub enum Heard {
    /// There was an answer.
    Answered {
        /// The status of HTTP.
        status: u16,
        /// The pause that was asked for.
        retry_after: Option<Duration>,
        /// The body.
        body: Vec<u8>,
    },
    /// The gateway surely saw nothing of it, and why.
    Unsent(String),
    /// There was no answer, and why; whether the gateway did something is not known.
    Lost(String),
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct EnvoyStep {
    /// Ask these.
    pub orders: Vec<EnvoyOrder>,
    /// Mail is left to the other routes: it is their turn.
    pub left: bool,
    /// Answers came in: it is the waker's turn.
    pub arrived: bool,
    /// What happened to routes, in words.
    pub notes: Vec<String>,
    /// How long to rest, unless mail waits, or an order ends.
    pub rest: Duration,
}
