//! Looking at mail. Listing never consumes; reading marks read and owes the sender a receipt.

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::state::State;
use crate::store::db::{Filter, Message, Quarantined, Way};

/// The inbox, oldest first. Changes nothing.
pub fn inbox(node: &Node, filter: &Filter) -> Result<Vec<Message>> {
    node.db.inbox(filter)
}

/// The incoming message whose id begins with `prefix`. Changes nothing.
pub fn peek(node: &Node, prefix: &str) -> Result<Message> {
    super::one(node, prefix, Some(Way::In), Way::In)
}

/// Marks one incoming message read and returns it. A second read changes nothing.
pub fn read(node: &mut Node, prefix: &str) -> Result<Message> {
    let message = peek(node, prefix)?;
    let now = node.clock.wall_ms();
    if node.db.mark(std::slice::from_ref(&message), State::Read, None, now)? > 0 {
        node.ring();
    }
    find_in(node, &message)
}

/// The same message as it stands now.
pub fn find_in(node: &Node, message: &Message) -> Result<Message> {
    Ok(node.db.message(message.way, &message.peer, &message.id)?.unwrap_or_else(|| message.clone()))
}

/// What could not be parsed, newest last, at most `limit`.
pub fn quarantine(node: &Node, limit: usize) -> Result<Vec<Quarantined>> {
    node.db.quarantine(limit)
}
