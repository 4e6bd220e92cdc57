//! Having a peer run one of its commands, and looking for its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::send::{Draft, send};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::exec::{Answer, Call, EXEC, RESULT};
use crate::model::name::Address;
use crate::store::db::{Message, Way};

/// Asks a peer to run one of its commands; it is not begun after `ttl`.
///
/// # Errors
/// As of [`send`].
pub fn exec(
    node: &mut Node,
    to: Address,
    command: &str,
    args: BTreeMap<String, Value>,
    ttl: Duration,
    seal: bool,
) -> Result<Message> {
    let call = Call { command: command.to_owned(), args };
    let content = serde_json::to_value(&call).map_err(|error| Error::usage("ask for", command, error))?;
    let draft = Draft { kind: Some(EXEC.into()), ttl: Some(ttl), seal, ..Draft::new(to, content) };
    send(node, draft).map_err(|error| match error.kind() {
        // Who has not joined yet runs nothing.
        Kind::NotFound => error.next("`lanpost peers` lists who is there"),
        _ => error,
    })
}

/// The answer to a question, if it has come: the message and what it says. Only the asked peer's counts.
///
/// # Errors
/// The store's, or an answer that can't be read.
pub fn answer(node: &Node, question: &Message) -> Result<Option<(Message, Answer)>> {
    let Some(message) = node.db.answer_to(question, RESULT)? else { return Ok(None) };
    let answer = serde_json::from_value(message.content.clone()).map_err(|error| {
        Error::usage("read the answer", &message.id, error)
            .next(format!("look at it yourself: `lanpost read {}`", message.id))
    })?;
    debug_assert_eq!(message.way, Way::In);
    Ok(Some((message, answer)))
}
