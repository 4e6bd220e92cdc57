//! A whole conversation, as a tree of answers. Looking at it consumes nothing.

use std::collections::HashMap;

use serde::Serialize;

use crate::engine::node::Node;
use crate::error::Result;
use crate::store::db::{Message, Way};

/// A conversation.
#[derive(Clone, Debug, Serialize)]
pub struct Conversation {
    /// What it is called: its `thread`, or the id of the message that began it.
    pub thread: String,
    /// Each message followed by its answers; otherwise in the order in which they were accepted here.
    pub messages: Vec<Post>,
    /// There are older ones that were not asked for.
    pub more: bool,
}

/// A message in its place.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    /// The message as it stands.
    #[serde(flatten)]
    pub message: Message,
    /// How many messages it answers, one by way of the other.
    pub depth: usize,
}

/// The conversation of the message whose id begins with `prefix`, of either direction; its newest `most` messages.
///
/// # Errors
/// There is no such message; the local store's.
pub fn thread(node: &Node, prefix: &str, most: usize) -> Result<Conversation> {
    let message = super::one(node, prefix, None, Way::In)?;
    let (thread, messages, more) = node.db.conversation(&message, most)?;
    Ok(Conversation { thread, messages: as_tree(messages), more })
}

/// Puts answers behind what they answer. What answers nothing that is here stands by itself, and so does the oldest of a
/// ring of messages that all answer each other.
fn as_tree(messages: Vec<Message>) -> Vec<Post> {
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        by_id.entry(message.id.as_str()).or_insert(at);
    }
    let answered = |at: usize| {
        let id = messages.get(at)?.in_reply_to.as_ref()?;
        by_id.get(id.as_str()).copied().filter(|answered| *answered != at)
    };
    let mut answers: HashMap<usize, Vec<usize>> = HashMap::new();
    for at in 0..messages.len() {
        if let Some(parent) = answered(at) {
            answers.entry(parent).or_default().push(at);
        }
    }
    // First those that answer nothing; what is left then is in a ring, or hangs on one.
    let roots = (0..messages.len()).filter(|at| answered(*at).is_none());
    let (mut placed, mut order) = (vec![false; messages.len()], vec![]);
    for root in roots.chain(0..messages.len()) {
        let mut open = vec![(root, 0)];
        while let Some((at, depth)) = open.pop() {
            if !std::mem::replace(&mut placed[at], true) {
                order.push((at, depth));
                open.extend(answers.get(&at).into_iter().flatten().rev().map(|answer| (*answer, depth + 1)));
            }
        }
    }
    let mut messages: Vec<Option<Message>> = messages.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(at, depth)| Some(Post { message: messages[at].take()?, depth })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::State;
    use crate::store::db::{Db, NewMessage};
    use serde_json::json;

    /// Messages by their id and what they answer, in this order.
    fn shown(messages: &[(&str, Option<&str>)]) -> Vec<(String, usize)> {
        let mut db = Db::in_memory().unwrap();
        let rows: Vec<_> = messages
            .iter()
            .map(|(id, answers)| NewMessage {
                way: Way::Out,
                peer: "lab".into(),
                id: id.parse().unwrap(),
                envelope: serde_json::from_value::<serde_json::Value>(
                    json!({"from": "a", "to": "lab", "content": id, "in_reply_to": answers, "thread": "t"}),
                )
                .map(|value| crate::model::envelope::Envelope::from_value(value).unwrap())
                .unwrap(),
                state: State::Queued,
                outcome: None,
                not_before: None,
            })
            .collect();
        db.accept(&rows, 0).unwrap();
        let first = db.find(messages[0].0, None).unwrap().remove(0);
        let (_, messages, _) = db.conversation(&first, 100).unwrap();
        as_tree(messages).into_iter().map(|post| (post.message.id.to_string(), post.depth)).collect()
    }

    fn rows(rows: &[(&str, usize)]) -> Vec<(String, usize)> {
        rows.iter().map(|(id, depth)| ((*id).to_owned(), *depth)).collect()
    }

    #[test]
    fn answers_stand_behind_what_they_answer() {
        let said =
            [("q", None), ("r1", Some("q")), ("other", None), ("r2", Some("q")), ("again", Some("r1"))];
        assert_eq!(shown(&said), rows(&[("q", 0), ("r1", 1), ("again", 2), ("r2", 1), ("other", 0)]));
    }

    #[test]
    fn an_answer_to_nothing_that_is_here_stands_by_itself_and_a_ring_ends() {
        assert_eq!(shown(&[("x", Some("gone"))]), rows(&[("x", 0)]));
        let ring = [("a", Some("b")), ("b", Some("a")), ("c", Some("b")), ("self", Some("self"))];
        assert_eq!(shown(&ring), rows(&[("self", 0), ("a", 0), ("b", 1), ("c", 2)]));
    }
}
