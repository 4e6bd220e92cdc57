//! Putting mail off, and looking at what is to go later.

use chrono::{DateTime, Utc};

use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::exec::EXEC;
use crate::model::state::State;
use crate::store::db::Message;

/// Puts the incoming message whose id begins with `prefix` out of sight until then; then it is unread mail again, and
/// wakes its agent. Its sender is told that it was read: it was seen. One that is snoozed already is snoozed anew.
///
/// # Errors
/// It is done, held, or not the agent's; the moment is over.
pub fn snooze(node: &mut Node, prefix: &str, until: DateTime<Utc>) -> Result<Message> {
    let message = super::peek(node, prefix)?;
    let now = node.clock.wall();
    let refuse = |cause: String| Err(Error::usage("snooze", &message.id, cause));
    if message.kind == EXEC {
        return refuse("it asks lanpost to run a command, and lanpost answers it".into());
    }
    if message.held {
        return Err(super::is_held("snooze", &message));
    }
    if until <= now {
        return refuse("the time is over already".into());
    }
    if !matches!(message.state, State::Delivered | State::Read) {
        return refuse(format!("it is {} already", message.state));
    }
    if !node.db.snooze(&message, until.timestamp_millis(), now.timestamp_millis())? {
        return refuse("it was finished meanwhile".into());
    }
    node.ring();
    super::find_in(node, &message)
}

/// Mail of ours that is to go later, the soonest first. Changes nothing.
///
/// # Errors
/// The local store's.
pub fn scheduled(node: &Node) -> Result<Vec<Message>> {
    node.db.scheduled()
}
