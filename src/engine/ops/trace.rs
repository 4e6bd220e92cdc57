//! A message's journey, from the log of transitions.

use serde::Serialize;

use crate::engine::node::Node;
use crate::error::Result;
use crate::store::db::{Message, Transition, Way};

/// A message and everything that happened to it here.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The message as it stands.
    #[serde(flatten)]
    pub message: Message,
    /// Oldest first.
    pub transitions: Vec<Transition>,
}

/// The journey of the message whose id begins with `prefix`, of either direction.
pub fn trace(node: &Node, prefix: &str) -> Result<Trace> {
    let message = super::one(node, prefix, None, Way::Out)?;
    let transitions = node.db.transitions(message.way, &message.peer, &message.id)?;
    Ok(Trace { message, transitions })
}

/// How far a message has come by now; for those who wait.
pub fn state_of(node: &Node, message: &Message) -> Result<Message> {
    super::find_in(node, message)
}
