//! Wakes by hand: holding them, letting them go, looking at them, and one for a test.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::node::Node;
use crate::engine::wake::{Held, Hold, WakeOrder, held, hold};
use crate::error::{Error, Result};
use crate::model::envelope::{Priority, format_time};
use crate::model::name::{Address, Name};
use crate::model::state::State;
use crate::model::wake::sender_of;
use crate::store::db::{Message, Wake, Way};

/// The type of the message in a test; no other has it.
pub const TEST: &str = "wake-test";
/// What whoever is woken by a test is told.
const TRIED: &str =
    "This is a test of `lanpost wake test`: no mail came, there is nothing to read and nothing to do.";

/// An attempt, with what it was for.
#[derive(Clone, Debug, Serialize)]
pub struct WakeView {
    /// The attempt.
    #[serde(flatten)]
    pub wake: Wake,
    /// What it was for, as far as that is still here.
    pub messages: Vec<WakeMessage>,
}

/// A message of an attempt.
#[derive(Clone, Debug, Serialize)]
pub struct WakeMessage {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub from: String,
}

/// Holds all wakes, for some time or until [`wake_resume`]. What comes meanwhile wakes later.
///
/// # Errors
/// The time ends beyond the calendar; the local store's.
pub fn wake_hold(node: &mut Node, time: Option<Duration>) -> Result<Option<Held>> {
    let now = node.clock.wall();
    let until = match time {
        Some(time) => {
            let end = chrono::TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time));
            Some(end.ok_or_else(|| Error::usage("hold wakes", "", "the time ends beyond the calendar"))?)
        }
        None => None,
    };
    let words = until.map_or_else(
        || "until `lanpost wake resume`".to_owned(),
        |end| format!("until {}", format_time(end)),
    );
    hold(node, Some(Hold { until: until.map(|end| end.timestamp_millis()) }), &words)?;
    held(node)
}

/// What [`wake_resume`] came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// What still holds wakes, if anything does.
    pub wakes_held: Option<Held>,
    /// Messages that nobody was woken for, or that nobody read, and that are due again.
    pub due_again: u64,
}

/// Takes a hold back, ends the pauses that other sides asked for, and makes what was given up due again.
///
/// # Errors
/// The local store's.
pub fn wake_resume(node: &mut Node) -> Result<Resumed> {
    let now = node.clock.wall_ms();
    let due_again = node.db.wake_unwoken("`lanpost wake resume`", now)?;
    node.db.end_asked_pauses(now)?;
    hold(node, None, "by hand")?;
    Ok(Resumed { wakes_held: held(node)?, due_again })
}

/// The last attempts, newest last.
///
/// # Errors
/// The local store's.
pub fn wake_log(node: &Node, limit: usize) -> Result<Vec<WakeView>> {
    let view = |wake: Wake| {
        let messages = node.db.messages_of_wake(wake.n)?;
        let messages =
            messages.into_iter().map(|(id, from)| WakeMessage { id: id.to_string(), from }).collect();
        Ok(WakeView { wake, messages })
    };
    node.db.wakes(limit)?.into_iter().map(view).collect()
}

/// An order with one made-up message that is in no store, to try how agents are woken here.
pub fn wake_test(node: &Node, agent: Option<&Name>) -> WakeOrder {
    let us = Address { instance: node.instance().clone(), agent: agent.cloned() };
    let at = format_time(node.clock.wall());
    let message = Message {
        n: 0,
        way: Way::In,
        peer: node.instance().fold(),
        id: node.clock.message_id(),
        from: node.instance().to_string(),
        to: us.to_string(),
        kind: TEST.to_owned(),
        content: Value::from(TRIED),
        timestamp: at.clone(),
        state: State::Delivered,
        at,
        priority: Priority::Normal,
        thread: None,
        in_reply_to: None,
        expires: None,
        not_before: None,
        snoozed: None,
        hops: None,
        broadcast: None,
        offered: false,
        outcome: None,
        wake: None,
        verdict: None,
        held: false,
        sealed: false,
        encoding: None,
        attachments: vec![],
        rest: Map::new(),
    };
    let messages = vec![message];
    let agent = agent.map(ToString::to_string).unwrap_or_default();
    let by_sender = node.config.wake.by_sender();
    let sender = if by_sender { sender_of(node.instance().as_str()) } else { String::new() };
    let text = format!("{TRIED}\n");
    WakeOrder { wake: 0, attempt: 1, first: 0, agent, sender, messages, note: text.clone(), text }
}
