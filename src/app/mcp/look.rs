//! The tools `inbox`, `read`, `peers`, `search` and `trace`: what is there. Of these `read` alone changes something.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, word};
use super::shown;
use crate::app::cli::listing::{self, Which};
use crate::app::cli::look::refresh;
use crate::app::cli::search::{self, find};
use crate::app::print;
use crate::engine::ops;
use crate::error::{Error, Result};
use crate::model::name::Name;
use crate::store::db::{Filter, Message, Transition, Way};

/// Messages that are listed unless more are asked for.
pub const LISTED: usize = 20;
/// Characters of a message that are shown at once.
const SHOWN: usize = 20_000;

/// What `inbox` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    /// Only from this INSTANCE or INSTANCE/AGENT
    from: Option<String>,
    /// Only of this conversation
    thread: Option<String>,
    /// Also what is dealt with
    #[serde(default)]
    all: bool,
    /// At most so many, the newest [20]
    limit: Option<usize>,
}

/// Lists mail.
pub fn inbox(call: &mut Call, given: Inbox) -> Result<Answer> {
    let Call { cx, node, .. } = call;
    refresh(cx, node, "inbox");
    let which = Which { from: given.from, thread: given.thread };
    let filter =
        Filter { all: given.all, from: which.peer(), thread: which.thread.clone(), ..Filter::default() };
    let limit = given.limit.unwrap_or(LISTED);
    let (messages, older) = listing::newest(node, filter, which.agent().as_ref(), Some(limit))?;
    Ok(listed(&messages, limit, older))
}

/// The newest messages, at most `limit`, and a word if there are older ones.
pub fn listed(messages: &[Message], limit: usize, older: bool) -> Answer {
    let mut text = if messages.is_empty() { "no mail".to_owned() } else { shown::list(messages) };
    let mut data = shown::list_json("messages", messages);
    if older {
        text += &format!("\n[older ones are not shown: \"limit\" shows more than {limit}]");
        data.insert("older".into(), true.into());
    }
    Answer { text, data: data.into() }
}

/// What `read` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Id of the message, or its unique beginning
    id: String,
    /// Leave it unread
    #[serde(default)]
    peek: bool,
    /// Begin at this character, to go on in a long one
    #[serde(default)]
    from: usize,
}

/// Shows a message, and marks it read.
pub fn read(call: &mut Call, given: Read) -> Result<Answer> {
    let Call { cx, node, .. } = call;
    let before = ops::peek(node, &given.id)?;
    let message = if given.peek { before.clone() } else { ops::read(node, &before.handle())? };
    if message.state != before.state {
        // Its sender is told.
        refresh(cx, node, "read");
    }
    let part = shown::part(&message.content, given.from, SHOWN);
    Ok(Answer { text: shown::full(&message, &part), data: shown::full_json(&message, &part) })
}

/// What `peers` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {}

/// Lists who is on the share.
pub fn peers(call: &mut Call, _: Peers) -> Result<Answer> {
    let Call { cx, node, .. } = call;
    refresh(cx, node, "peers");
    let peers = ops::peers(node)?;
    let each = peers.iter().map(|peer| {
        let agents: Vec<&str> = peer.agents.iter().map(Name::as_str).collect();
        let roles: Vec<String> = peer.roles.iter().map(ToString::to_string).collect();
        json!({
            "name": peer.name, "presence": peer.presence, "agents": agents, "roles": roles, "trust": peer.trust,
            "silent": peer.silent, "route": peer.route.words, "host": peer.host, "version": peer.version,
        })
    });
    let data = json!({"you": node.instance(), "peers": each.collect::<Vec<_>>()});
    let text = match peers.is_empty() {
        true => "nobody else was seen on the share".to_owned(),
        false => peers.iter().map(shown::peer).collect::<Vec<_>>().join("\n"),
    };
    Ok(Answer { text, data })
}

/// What `search` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// All of these must be in it; "several words" in quotes as they stand
    words: String,
    /// Only from this INSTANCE or INSTANCE/AGENT
    from: Option<String>,
    /// Only to this INSTANCE or INSTANCE/AGENT
    to: Option<String>,
    /// Not older than a duration or time, as in 7d or 2026-02-14
    since: Option<String>,
    /// At most so many, the newest [20]
    limit: Option<usize>,
}

/// Finds mail by what it says.
pub fn search(call: &mut Call, given: Search) -> Result<Answer> {
    if let (Some(_), Some(to)) = (&given.from, &given.to) {
        let error = Error::usage("search mail to", to, "`from` asks for mail that came");
        return Err(error.next("give one of both"));
    }
    let asked = search::Args {
        words: vec![given.words],
        from: given.from,
        to: given.to,
        since: given.since.map(|since| word("since", &since)).transpose()?,
        until: None,
        came: false,
        out: false,
        limit: given.limit.unwrap_or(search::LIMIT),
    };
    let found = find(&call.node, &asked)?;
    let messages: Vec<&Message> = found.hits.iter().map(|hit| &hit.message).collect();
    let mut data = shown::list_json("hits", messages.iter().copied());
    let mut text = if messages.is_empty() { "nothing was found".to_owned() } else { shown::list(messages) };
    if found.more {
        text += &format!("\n[older ones are not shown: \"limit\" shows more than {}]", asked.limit);
        data.insert("more".into(), true.into());
    }
    Ok(Answer { text, data: data.into() })
}

/// What `trace` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Id of a message, sent or received, or of one to several; or its unique beginning
    id: String,
}

/// Shows how far a message has come.
pub fn trace(call: &mut Call, given: Trace) -> Result<Answer> {
    let Call { cx, node, .. } = call;
    refresh(cx, node, "trace");
    if let Some(found) = ops::find_broadcast(node, &given.id)? {
        let data = json!({
            "id": found.broadcast.id,
            "group": found.broadcast.group,
            "members": found.members.iter().map(shown::sent).collect::<Vec<_>>(),
        });
        return Ok(Answer { text: shown::copies(&found, "broadcast"), data });
    }
    let trace = ops::trace(node, &given.id)?;
    let message = &trace.message;
    let mut text = format!("{} {}: {}", message.handle(), shown::who(message), shown::state(message));
    text.extend(trace.transitions.iter().map(step));
    if let Some(note) = &trace.note {
        text += &format!("\nnote: {}", print::line(note));
    }
    if let Some(outcome) = &message.outcome {
        text += &format!("\noutcome:\n{}", shown::theirs(outcome));
    }
    if !trace.replies.is_empty() {
        let replies = trace.replies.iter().map(shown::brief).collect::<Vec<_>>();
        text += &format!("\nIn reply:\n{}", replies.join("\n"));
    }
    let steps =
        trace.transitions.iter().map(|step| json!({"at": step.at, "what": step.what, "detail": step.detail}));
    let mut data = shown::about(message);
    let mut put = |key: &str, value: Value| drop(data.insert(key.into(), value));
    put("way", json!(message.way));
    put("state", json!(message.state));
    put("steps", steps.collect());
    put("note", json!(trace.note));
    if message.way == Way::Out && !trace.replies.is_empty() {
        put("replies", trace.replies.iter().map(|reply| Value::from(reply.handle())).collect());
        data.extend(shown::list_json("answers", &trace.replies));
    }
    Ok(Answer { text, data: data.into() })
}

/// A step of a message's journey. What is said of it are words of ours where we alone have a say in it; else they may be those
/// of whoever gave a reason.
fn step(step: &Transition) -> String {
    const OURS: [&str; 14] = [
        "queued",
        "scheduled",
        "sent",
        "posted",
        "resend",
        "missing-file",
        "attaching",
        "released",
        "snoozed",
        "unsnoozed",
        "wake-later",
        "wake-due",
        "wake-not-needed",
        "dropped",
    ];
    let head = format!("\n{} {}", print::local_time(&step.at), print::line(&step.what));
    let Some(detail) = &step.detail else { return head };
    let when = detail.strip_prefix("at ").and_then(|rest| rest.strip_suffix(" there"));
    let ours = OURS.contains(&step.what.as_str())
        || (step.way == Way::In.as_str() && matches!(step.what.as_str(), "delivered" | "fetching"))
        || when.is_some_and(|at| at.bytes().all(|c| c.is_ascii_digit() || b"-:.TZ+".contains(&c)));
    match ours {
        true => format!("{head} {}", print::line(detail)),
        false => format!("{head}\n{}", shown::theirs(detail)),
    }
}
