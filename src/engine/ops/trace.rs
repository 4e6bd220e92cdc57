//! A message's journey, from the log of transitions.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::state::State;
use crate::store::db::{Message, Transition, Way};

/// A message and everything that happened to it here.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The message as it stands.
    #[serde(flatten)]
    pub message: Message,
    /// Oldest first.
    pub transitions: Vec<Transition>,
    /// What was written in reply to one of ours, the oldest first: notes, answers, our own reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<Message>,
    /// What its state can't say: its time is over, and nobody said yet whether it was delivered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The journey of the message whose id begins with `prefix`, of either direction.
pub fn trace(node: &Node, prefix: &str) -> Result<Trace> {
    let message = super::one(node, prefix, None, Way::Out)?;
    let transitions = node.db.transitions(message.way, &message.peer, &message.id)?;
    let note = match (message.state, message.way) {
        (State::Attaching, _) | (State::Fetching, Way::In) => {
            Some(super::fetch::on_their_way(node, &message)?)
        }
        (State::Fetching, Way::Out) => Some(match node.db.lost_names(&message)? {
            lost if lost.is_empty() => "its recipient has it, and fetches its files".to_owned(),
            lost => bereft(&lost),
        }),
        _ => match overdue(node, &message)? {
            Some(note) => Some(note),
            None => unanswered(node, &message)?,
        },
    };
    let replies = match message.way {
        Way::Out => node.db.replies(&message, 0)?,
        Way::In => vec![],
    };
    Ok(Trace { message, transitions, replies, note })
}

/// That the recipient waits for a file that can't be given to it any more, and what to do.
pub(super) fn bereft(lost: &str) -> String {
    format!(
        "its recipient waits for {lost}, which is not on the share, and what was kept here is gone or was damaged; send it again \
         with `--attach`"
    )
}

/// Of mail that lies on the share past its time: who will say, if anybody, whether it was delivered before. The
/// sender can't tell, so it goes on as `sent`.
///
/// # Errors
/// The local store's.
pub fn overdue(node: &Node, message: &Message) -> Result<Option<String>> {
    let ends = message.expires.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    if message.way != Way::Out || ends.is_none_or(|at| at > node.clock.wall()) {
        return Ok(None);
    }
    match message.state {
        State::Sent => {}
        State::Queued if was_posted(node, message)? => {}
        _ => return Ok(None),
    }
    let plain = node.db.peer(&message.peer)?.is_none_or(|peer| peer.heartbeat.is_none());
    Ok(Some(match plain {
        true => format!(
            "its time is over; {} speaks the plain protocol, and never says what became of it",
            message.to
        ),
        false => format!(
            "its time is over; whether it was delivered before, {} alone knows, and says when it answers next",
            message.to
        ),
    }))
}

/// Of a request that lies with a peer that is not there: that.
fn unanswered(node: &Node, message: &Message) -> Result<Option<String>> {
    let lies = message.way == Way::Out && matches!(message.state, State::Delivered | State::Read);
    let waits = if lies { super::waits_for(node, message)? } else { None };
    Ok(waits.map(|waits| format!("nobody answered yet: {waits}")))
}

/// Whether it was handed over directly and not answered: it may have been taken.
fn was_posted(node: &Node, message: &Message) -> Result<bool> {
    let steps = node.db.transitions(message.way, &message.peer, &message.id)?;
    Ok(steps.iter().any(|step| step.what == "posted"))
}

/// How far a message has come by now; for those who wait.
pub fn state_of(node: &Node, message: &Message) -> Result<Message> {
    super::find_in(node, message)
}
