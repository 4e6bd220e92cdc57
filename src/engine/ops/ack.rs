//! Answering: a message is done, or can't be done, or gets a reply.

use serde_json::Value;

use super::send::{Author, Draft, send};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::exec::EXEC;
use crate::model::id::MessageId;
use crate::model::name::{Address, Name};
use crate::model::state::State;
use crate::store::db::{Message, Way};

/// Marks messages of `from` as [`ack`] does, of which some may not have come yet: its sender is told all the same, and when
/// they come, they are known as done, and nobody is woken.
///
/// # Errors
/// No instance of that name was ever seen; an id is none in full; and as with [`ack`].
pub fn ack_from(
    node: &mut Node,
    from: &Name,
    ids: &[String],
    failed: Option<&str>,
) -> Result<(Vec<Message>, Vec<MessageId>)> {
    let deed = "acknowledge mail from";
    let fold = from.fold();
    if node.db.peer(&fold)?.is_none() {
        let error = Error::new(Kind::NotFound, deed, from, "no instance of that name was seen on the share");
        return Err(error.next("`lanpost peers` lists who was"));
    }
    let (mut here, mut ahead) = (vec![], vec![]);
    for id in ids {
        let id: MessageId =
            id.parse().map_err(|why| Error::usage(deed, from, why).next("give the id in full"))?;
        match node
            .db
            .find(id.as_str(), Some(Way::In))?
            .iter()
            .any(|known| known.id == id && known.peer == fold)
        {
            true => here.push(format!("{fold}:{id}")),
            false => ahead.push(id),
        }
    }
    let state = if failed.is_some() { State::Failed } else { State::Processed };
    let now = node.clock.wall_ms();
    let done = ack(node, &here, failed)?;
    if node.db.ack_ahead(&fold, &ahead, state, failed, now)? > 0 {
        node.ring();
    }
    Ok((done, ahead))
}

/// Marks incoming messages processed, or failed for a reason, and owes their senders a receipt. All or none.
///
/// # Errors
/// An id that is nobody's, or a message that was finished before in another way. Finishing it again in the same way
/// is fine.
pub fn ack(node: &mut Node, prefixes: &[String], failed: Option<&str>) -> Result<Vec<Message>> {
    let state = if failed.is_some() { State::Failed } else { State::Processed };
    let messages = prefixes
        .iter()
        .map(|prefix| super::one(node, prefix, Some(Way::In), Way::In))
        .collect::<Result<Vec<_>>>()?;
    if let Some(own) = messages.iter().find(|message| message.kind == EXEC) {
        let cause = "it asks lanpost to run a command, and lanpost answers it";
        return Err(Error::usage("acknowledge", &own.id, cause));
    }
    if let Some(done) = messages.iter().find(|message| message.state.is_final() && message.state != state) {
        let cause = format!("it is {} already", done.state);
        return Err(Error::usage("acknowledge", &done.id, cause));
    }
    // What is held may be refused, but not be done.
    if let Some(held) = messages.iter().find(|message| message.held && failed.is_none()) {
        return Err(super::inbox::is_held("acknowledge", held));
    }
    if failed.is_none() {
        messages.iter().try_for_each(|message| super::inbox::has_files(node, "acknowledge", message))?;
    }
    for message in &messages {
        super::offers::finish(node, message, failed)?;
    }
    let now = node.clock.wall_ms();
    if node.db.mark(&messages, state, failed, now)? > 0 {
        node.ring();
    }
    messages.iter().map(|message| super::find_in(node, message)).collect()
}

/// Sends an answer to whoever wrote a message, in its thread. The message itself stays as it is: `ack` finishes it.
///
/// # Errors
/// The writer's name is no instance's, so nobody can be answered; or the answer can't be sealed, but what it answers was,
/// or `seal` demands it.
pub fn reply(
    node: &mut Node,
    prefix: &str,
    content: Value,
    agent: Option<Name>,
    author: Author,
    seal: bool,
) -> Result<Message> {
    let draft = reply_draft(node, prefix, content, agent, author, seal)?;
    send(node, draft)
}

/// The same, not sent yet: files may be attached to it.
pub fn reply_draft(
    node: &Node,
    prefix: &str,
    content: Value,
    agent: Option<Name>,
    author: Author,
    seal: bool,
) -> Result<Draft> {
    let message = super::one(node, prefix, None, Way::In)?;
    let draft = answer_to(&message, content)?;
    Ok(Draft { seal, author, agent: agent.or(draft.agent.clone()), ..draft })
}

/// What answers a message, in its thread, by whom it was for.
pub(super) fn answer_to(message: &Message, content: Value) -> Result<Draft> {
    // Answering one's own message adds to it: it goes to the same recipient.
    let to = if message.way == Way::In { &message.from } else { &message.to };
    let to: Address = to.parse().map_err(|cause| {
        Error::usage("reply to", &message.id, format!("its writer cannot be addressed: {cause}"))
            .next("send to the instance you believe it came from")
    })?;
    Ok(Draft {
        thread: Some(message.conversation().to_owned()),
        in_reply_to: Some(message.id.clone()),
        // Whoever wrote to us may be answered even if it left the share meanwhile.
        create: true,
        agent: message.to.parse::<Address>().ok().filter(|_| message.way == Way::In).and_then(|to| to.agent),
        ..Draft::new(to, content)
    })
}
