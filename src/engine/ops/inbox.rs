//! Looking at mail. Listing never consumes; reading marks read and owes the sender a receipt.

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::exec::EXEC;
use crate::model::state::State;
use crate::model::trust::TRUST_REPORT;
use crate::store::db::{Filter, Message, Quarantined, Way};

/// The inbox, oldest first. Changes nothing.
pub fn inbox(node: &Node, filter: &Filter) -> Result<Vec<Message>> {
    node.db.inbox(filter)
}

/// The unread mail among it, for which somebody should go to work; and whether there is some that somebody waits for as the
/// answer to a request, which is no mail for others yet.
///
/// # Errors
/// The local store's.
pub fn unread(node: &Node, filter: &Filter) -> Result<(Vec<Message>, bool)> {
    let mut messages = inbox(node, filter)?;
    // What is for a person to know is no reason to go to work: a stranger's line could start an agent by it.
    messages.retain(|message| message.state == State::Delivered && message.kind != TRUST_REPORT);
    let (mut unread, mut awaited) = (vec![], false);
    for message in messages {
        match super::is_awaited(node, &message)? {
            true => awaited = true,
            false => unread.push(message),
        }
    }
    Ok((unread, awaited))
}

/// The incoming message whose id begins with `prefix`. Changes nothing.
pub fn peek(node: &Node, prefix: &str) -> Result<Message> {
    super::one(node, prefix, Some(Way::In), Way::In)
}

/// Marks one incoming message read and returns it. A second read changes nothing, nor does looking at a question that
/// is lanpost's own to answer.
pub fn read(node: &mut Node, prefix: &str) -> Result<Message> {
    let message = peek(node, prefix)?;
    if message.kind == EXEC {
        return Ok(message);
    }
    if message.held {
        return Err(is_held("read", &message));
    }
    super::offers::is_ours("read", &message)?;
    has_files(node, "read", &message)?;
    let now = node.clock.wall_ms();
    if node.db.mark(std::slice::from_ref(&message), State::Read, None, now)? > 0 {
        node.ring();
    }
    super::offers::renew(node, &message, now)?;
    find_in(node, &message)
}

/// Lets a held message in: from now on it is mail like any other, and wakes its agent.
///
/// # Errors
/// It is not held.
pub fn release(node: &mut Node, prefix: &str) -> Result<Message> {
    let message = peek(node, prefix)?;
    let (wake, now) = (node.config.wake.is_on(), node.clock.wall_ms());
    if !message.held || !node.db.release(&message, wake, now)? {
        return Err(Error::usage("release", &message.id, "it is not held"));
    }
    node.ring();
    find_in(node, &message)
}

/// What is said to whom wants to do something with a message that waits for a person.
pub fn is_held(deed: &str, message: &Message) -> Error {
    Error::usage(deed, &message.id, "it is held: the config's policy wants a person to look at it first").next(format!(
        "`lanpost read {0} --peek` shows it, `lanpost release {0}` lets it in, `lanpost ack {0} --failed REASON` refuses it",
        message.id
    ))
}

/// Whether all that is attached to a message that came is here: before, it is nobody's to read or to be done with.
///
/// # Errors
/// [`Kind::Busy`]: its files are on their way.
pub(super) fn has_files(node: &Node, deed: &str, message: &Message) -> Result<()> {
    if message.state != State::Fetching {
        return Ok(());
    }
    let cause = super::fetch::on_their_way(node, message)?;
    Err(Error::new(Kind::Busy, deed, &message.id, cause).next("try again when it is in the inbox"))
}

/// The same message as it stands now.
pub fn find_in(node: &Node, message: &Message) -> Result<Message> {
    Ok(node.db.message(message.way, &message.peer, &message.id)?.unwrap_or_else(|| message.clone()))
}

/// What could not be parsed, newest last, at most `limit`.
pub fn quarantine(node: &Node, limit: usize) -> Result<Vec<Quarantined>> {
    node.db.quarantine(limit)
}
