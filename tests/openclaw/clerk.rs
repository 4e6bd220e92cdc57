//! The mind of the agents: a clerk who looks into the inbox when told of mail, answers questions and files the rest.
//!
//! It works with the commands of lanpost alone, as the skill says: one call lists, the next one reads and finishes.

use serde_json::Value;

use crate::model::{Asked, Move};

/// What the text of a question begins with; the answer repeats the rest.
pub const QUESTION: &str = "question: ";
/// What the text of its answer begins with.
pub const ANSWER: &str = "answer: ";

/// What a clerk says when it is done. A silent answer would leave no trace between two turns of one session.
const DONE: &str = "All mail is seen to.";

/// What a clerk does next.
pub fn mind(asked: &Asked) -> Move {
    match asked.results.as_slice() {
        [] => Move::Run("lanpost inbox --json".to_owned()),
        [inbox] => match letters(inbox).iter().map(handle).collect::<Vec<_>>().join(" && ") {
            nothing if nothing.is_empty() => Move::Say(DONE.to_owned()),
            work => Move::Run(work),
        },
        _ => Move::Say(DONE.to_owned()),
    }
}

/// The messages that a tool's words hold.
fn letters(said: &str) -> Vec<Value> {
    let list = said.find('[').zip(said.rfind(']')).and_then(|(begin, end)| said.get(begin..=end));
    list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// The commands that see to one message.
fn handle(letter: &Value) -> String {
    let id = letter["id"].as_str().unwrap_or_default();
    match letter["content"].as_str().and_then(|text| text.strip_prefix(QUESTION)) {
        Some(question) => format!("lanpost read {id} && lanpost reply {id} '{ANSWER}{question}' --ack"),
        None => format!("lanpost read {id} && lanpost ack {id}"),
    }
}
