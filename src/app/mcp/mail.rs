//! The tools `send`, `reply` and `ack`: what goes out.

use std::time::Duration;

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, duration, word};
use super::shown;
use crate::app::cli::args::Files;
use crate::app::cli::look::{Watch, refresh};
use crate::app::cli::reply::to_finish;
use crate::app::cli::send::{self, accept, dispatch, doubt_recipient, several};
use crate::app::print;
use crate::engine::ops::{self, Call as Several, Draft};
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::group::{Meant, Recipient};
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;

/// How long a tool waits if nothing is said: many clients give up after a minute.
pub const TIMEOUT: Duration = Duration::from_secs(50);

/// How soon a message wants attention.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    Low,
    Normal,
    High,
    Urgent,
}

impl From<Urgency> for Priority {
    fn from(urgency: Urgency) -> Priority {
        match urgency {
            Urgency::Low => Priority::Low,
            Urgency::Normal => Priority::Normal,
            Urgency::High => Priority::High,
            Urgency::Urgent => Priority::Urgent,
        }
    }
}

/// How far a message may be waited for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reached {
    Sent,
    Delivered,
    Read,
    Processed,
}

impl From<Reached> for State {
    fn from(reached: Reached) -> State {
        match reached {
            Reached::Sent => State::Sent,
            Reached::Delivered => State::Delivered,
            Reached::Read => State::Read,
            Reached::Processed => State::Processed,
        }
    }
}

/// What `send` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// INSTANCE, INSTANCE/AGENT, a group of the config, @ROLE, or all
    to: String,
    /// What to say
    text: String,
    /// Kind of message [message]
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Conversation it belongs to, any word
    thread: Option<String>,
    priority: Option<Urgency>,
    /// Keep it back for so long, as in 2h
    delay: Option<String>,
    /// Worthless if not read after so long, as in 2h
    ttl: Option<String>,
    /// Wait until it has come so far
    wait: Option<Reached>,
    /// How long to wait [50s]
    timeout: Option<String>,
    /// An id of your own: sending the same with it again changes nothing
    id: Option<String>,
    /// One of several is to work on it, not all
    #[serde(default)]
    any: bool,
    /// Encrypt it to the recipient
    #[serde(default)]
    seal: bool,
    /// The recipient has not joined yet
    #[serde(default)]
    create: bool,
}

/// Sends a message.
pub fn send(call: &mut Call, given: Send) -> Result<Answer> {
    let to: Recipient = word("to", &given.to)?;
    let id = given.id.as_deref().map(|id| word("id", id)).transpose()?;
    let ttl = duration("ttl", given.ttl.as_deref())?;
    let delay = duration("delay", given.delay.as_deref())?;
    let timeout = duration("timeout", given.timeout.as_deref())?.unwrap_or(TIMEOUT);
    let late = || Error::usage("send", "", "the delay ends beyond the calendar").next("give a shorter one");
    let end = |delay| call.node.clock.wall().checked_add_signed(TimeDelta::from_std(delay).ok()?);
    let not_before = delay.map(|delay| end(delay).ok_or_else(late)).transpose()?;
    let (agent, author, content) = (call.agent.clone(), call.author, Value::from(given.text));
    let draft = |to: Address| Draft {
        kind: given.kind.clone(),
        agent: agent.clone(),
        thread: given.thread.clone(),
        priority: given.priority.map(Priority::from).unwrap_or_default(),
        not_before,
        ttl,
        id: id.clone(),
        create: given.create,
        seal: given.seal,
        author,
        ..Draft::new(to, content.clone())
    };
    let wanted = given.wait.map(State::from);
    let Call { cx, node, .. } = call;
    let to = match ops::meant(node, &to) {
        Meant::Several(group) => {
            let any = given.any.then_some(ops::TERM);
            let several_of = Several { group, id: id.clone(), own: false, any };
            let sent =
                several::send(cx, node, &several_of, (&draft, &Files::default()), (wanted, Some(timeout)))?;
            let data = json!({
                "id": sent.sent.broadcast.id,
                "group": sent.sent.broadcast.group,
                "members": sent.sent.members.iter().map(shown::sent).collect::<Vec<_>>(),
                "left_out": sent.sent.left_out,
                "spooled": sent.spooled,
            });
            let mut text = shown::copies(&sent.sent, "sent");
            if let Some(cause) = &sent.spooled {
                text += &format!("\nwhat is queued waits in the spool; {}", print::line(cause));
            }
            return Ok(Answer { text, data });
        }
        Meant::One(to) if given.any => {
            return Err(ops::is_no_group(node, "send to", &to, "`any`"));
        }
        Meant::One(to) => to,
    };
    let message = accept(cx, node, |node| ops::send(node, draft(to.clone())))?;
    if !given.create {
        doubt_recipient(cx, node, &message)?;
    }
    let since = node.clock.now();
    let mut sent = dispatch(cx, node, message, "send")?;
    if let Some(wanted) = wanted {
        let until = since.saturating_add(timeout);
        let took = node.clock.now().saturating_sub(since);
        let mut watch = Watch::new(node, "send", send::STEP)?.told(sent.spooled.clone()).until(until, took);
        sent.message = send::wait(cx, node, &mut watch, sent.message, (wanted, since, until))?;
        sent.spooled = sent.spooled.filter(|_| sent.message.state == State::Queued);
        if !sent.message.state.reached(wanted) && !sent.message.state.is_final() {
            cx.note(&format!("it is not {wanted} yet, and goes on by itself"));
        }
    }
    told(call, &sent)
}

/// What became of a message of ours, and what keeps it or carries it all the same.
fn told(call: &mut Call, sent: &send::Sent) -> Result<Answer> {
    let mut data = shown::sent(&sent.message);
    data["spooled"] = json!(sent.spooled);
    data["route"] = json!(sent.route);
    data["not_before"] = json!(sent.message.not_before);
    let mut answer = call.shown(data, |cx| send::show(cx, sent))?;
    if let Some(outcome) = &sent.message.outcome {
        answer.text += &format!("\n{}", shown::theirs(outcome));
    }
    Ok(answer)
}

/// What `reply` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Id of the message, or its unique beginning
    id: String,
    /// What to say
    text: String,
    /// The message is also dealt with
    #[serde(default)]
    ack: bool,
    /// No answer yet: how far the request is
    #[serde(default)]
    progress: bool,
    /// Encrypt it to the recipient
    #[serde(default)]
    seal: bool,
}

/// Answers a message.
pub fn reply(call: &mut Call, given: Reply) -> Result<Answer> {
    let (agent, author, content) = (call.agent.clone(), call.author, Value::from(given.text));
    let Call { cx, node, .. } = call;
    let reply = match given.progress {
        true if given.ack || given.seal => {
            return Err(Error::usage("reply to", &given.id, "`progress` goes with no other flag"));
        }
        true => ops::progress(node, &given.id, content, agent, author)?,
        false => {
            let finished = given.ack.then(|| to_finish(node, &given.id)).transpose()?;
            let id = finished.as_ref().map_or(given.id.clone(), |message| message.handle());
            let reply = ops::reply(node, &id, content, agent, author, given.seal)?;
            if finished.is_some() {
                ops::ack(node, &[id], None)?;
            }
            reply
        }
    };
    let sent = dispatch(cx, node, reply, "reply")?;
    told(call, &sent)
}

/// What `ack` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Ids of messages, or their unique beginnings
    ids: Vec<String>,
    /// They can't be done, and why; their senders are told
    failed: Option<String>,
}

/// Says that messages are dealt with.
pub fn ack(call: &mut Call, given: Ack) -> Result<Answer> {
    if given.ids.is_empty() {
        return Err(Error::usage("acknowledge", "", "no id is given").next("`inbox` lists the ids"));
    }
    let Call { cx, node, .. } = call;
    let done = ops::ack(node, &given.ids, given.failed.as_deref())?;
    refresh(cx, node, "ack");
    let line = |message: &Message| format!("acknowledged {} ({})", message.handle(), shown::state(message));
    let text = done.iter().map(line).collect::<Vec<_>>().join("\n");
    let each = |message: &Message| json!({"id": message.handle(), "state": shown::state(message)});
    Ok(Answer { text, data: json!({"messages": done.iter().map(each).collect::<Vec<_>>()}) })
}
