//! Mail as an agent gets it, and what it answers as mail.

use serde_json::Value;

use crate::engine::node::Node;
use crate::engine::receive;
use crate::error::Result;
use crate::model::a2a::letter::Letter;
use crate::model::ask::PROGRESS;
use crate::model::cancel::Order;
use crate::model::envelope::{Envelope, Priority, format_time};
use crate::model::exec::{EXEC, RESULT};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::text::Encoding;
use crate::model::trust::{Policy, Verdict};
use crate::store::db::{Arrival, Cursor, Intake, Message, Via};

/// The text that the agent gets; why it gets none, if so.
pub(super) fn fits(node: &Node, message: &Message) -> std::result::Result<String, &'static str> {
    if message.sealed || node.config.seals(&message.peer) {
        return Err("it is sealed, and what goes by a2a is not");
    }
    if message.kind == PROGRESS || Order::of(&message.kind).is_some() {
        return Err("it is no turn for an agent");
    }
    if [EXEC, RESULT].contains(&message.kind.as_str()) {
        return Err("a command is lanpost's matter, not an agent's");
    }
    if !message.attachments.is_empty() {
        return Err("files are attached to it, and they go by the share");
    }
    let letter = Letter {
        id: message.id.as_str(),
        from: &message.from,
        instance: node.instance().as_str(),
        kind: &message.kind,
        thread: message.thread.as_deref(),
        answers: message.in_reply_to.as_ref().map(MessageId::as_str),
        urgent: message.priority == Priority::Urgent,
        content: &message.content,
    };
    letter.text().ok_or("it is longer than a2a takes")
}

/// An answer as mail that arrives.
pub(super) fn answer(node: &mut Node, peer: &str, message: &Message, words: &str) -> Result<Intake> {
    // Of one message there is one answer.
    let id = MessageId::derived("a2a", &format!("{} {}", message.to, message.id), 1);
    let envelope = Envelope {
        v: None,
        id: Some(id),
        from: message.to.clone(),
        to: message.from.parse::<Address>().ok(),
        timestamp: Some(format_time(node.clock.wall())),
        kind: "message".into(),
        content: Value::from(words),
        seq: None,
        thread: Some(message.thread.clone().unwrap_or_else(|| message.id.to_string())),
        in_reply_to: Some(message.id.clone()),
        priority: Priority::Normal,
        expires: None,
        hops: None,
        broadcast: None,
        sealed: None,
        rest: serde_json::Map::new(),
    };
    let arrival = Arrival {
        envelope,
        peer: peer.to_owned(),
        text: words.to_owned(),
        at: 0,
        written: Some((Encoding::Utf8.name().to_owned(), words.as_bytes().to_vec())),
        verdict: Verdict::Unverified,
        policy: Policy::default(),
        refused: None,
        expired: false,
        wake: false,
        receipt: false,
    };
    let mut intake = Intake {
        lane: String::new(),
        source: format!("the answer of {}, by a2a", message.to),
        via: Via::Gateway { peer: peer.to_owned() },
        mailbox: node.instance().to_string(),
        arrivals: vec![arrival],
        refused: vec![],
        quarantined: vec![],
        refusals: vec![],
        cursor: Cursor::default(),
        room: node.config.limits.quarantine.0,
        restarted: false,
    };
    receive::judge(node, &mut intake, &mut |_, _, _| Ok(None))?;
    // Nobody waits for one: the peer's lanpost, if it has one, knows nothing of it.
    intake.arrivals.iter_mut().for_each(|arrival| arrival.receipt = false);
    Ok(intake)
}
