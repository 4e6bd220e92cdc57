//! The tools `ask` and `wait`: what takes time. Both end when their caller gives up; then what comes is mail.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, duration, word};
use super::look::{LISTED, listed};
use super::mail::{TIMEOUT, Urgency};
use super::shown;
use crate::app::cli::ask::{Waiting, ask_one, report};
use crate::app::cli::listing::Which;
use crate::app::cli::look::refresh;
use crate::app::cli::send::several::learn_who_is_there;
use crate::app::cli::send::{accept, carry};
use crate::app::cli::wait;
use crate::engine::ops::{self, Asking, Call as Several, Draft, News};
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::group::{Meant, Recipient};
use crate::model::name::Address;
use crate::store::db::Message;

/// Characters of an answer that are shown; `read` shows more.
const SHOWN: usize = 20_000;

/// What `ask` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// INSTANCE, INSTANCE/AGENT; or a group of the config, @ROLE, all: each is asked
    to: Option<String>,
    /// What to ask
    text: Option<String>,
    /// Instead of both: wait again for this request, by its id
    again: Option<String>,
    /// How long to wait; the request stays open [50s]
    timeout: Option<String>,
    /// Conversation it belongs to, any word
    thread: Option<String>,
    priority: Option<Urgency>,
    /// Worthless if not read after so long, as in 2h
    ttl: Option<String>,
    /// Encrypt it to the recipient; its answer will be, too
    #[serde(default)]
    seal: bool,
}

/// Asks, and waits for the answer.
pub fn ask(call: &mut Call, given: Ask) -> Result<Answer> {
    let since = call.node.clock.now();
    let timeout = duration("timeout", given.timeout.as_deref())?.unwrap_or(TIMEOUT);
    let mut asking = Asking::new(&call.node);
    let told = begin(call, &given, &mut asking)?;
    let Call { cx, node, .. } = call;
    let mut waiting = Waiting::new(node, since, timeout, told, true)?;
    let mut ends: Vec<News> = vec![];
    let waited = loop {
        if asking.is_over() {
            break Ok(());
        }
        match waiting.next(cx, node, &mut asking) {
            Ok(none) if none.is_empty() => break Ok(()),
            Ok(more) => ends.extend(more),
            Err(error) => break Err(error),
        }
    };
    let open: Vec<Message> = asking.open().cloned().collect();
    // What was not shown, since its caller gave up, is mail.
    let shown = waited.is_ok() && cx.is_heard();
    asking.end(node, shown)?;
    refresh(cx, node, "ask");
    waited?;
    Ok(told_of(&ends, &open))
}

/// Asks, or takes up what was asked before; returns what was told of what keeps it.
fn begin(call: &mut Call, given: &Ask, asking: &mut Asking) -> Result<Option<String>> {
    let (agent, author) = (call.agent.clone(), call.author);
    let Call { cx, node, .. } = call;
    let (to, text) = match (&given.to, &given.text, &given.again) {
        (Some(to), Some(text), None) => (word::<Recipient>("to", to)?, Value::from(text.as_str())),
        (None, None, Some(prefix)) => {
            let told = refresh(cx, node, "ask");
            match ops::find_broadcast(node, prefix)? {
                Some(sent) => {
                    for request in &sent.members {
                        asking.ask_again(node, &request.handle())?;
                    }
                }
                None => drop(asking.ask_again(node, prefix)?),
            }
            return Ok(told);
        }
        _ => {
            let error = Error::usage("ask", "", "it takes `to` and `text`, or `again` alone");
            return Err(error.next("give whom to ask and what, or the id of a request that is open"));
        }
    };
    let ttl = duration("ttl", given.ttl.as_deref())?;
    let draft = |to: Address| Draft {
        agent: agent.clone(),
        thread: given.thread.clone(),
        priority: given.priority.map(Priority::from).unwrap_or_default(),
        ttl,
        seal: given.seal,
        author,
        ..Draft::new(to, text.clone())
    };
    match ops::meant(node, &to) {
        Meant::One(to) => ask_one(cx, node, asking, &draft(to)),
        Meant::Several(group) => {
            let several = Several { group, id: None, own: false, any: None };
            learn_who_is_there(cx, node, &several.group, "ask");
            let sent = accept(cx, node, |node| asking.ask_all(node, &several, draft))?;
            for left_out in &sent.left_out {
                cx.note(&format!("not asked: {}: {}", left_out.name, left_out.why));
            }
            carry(cx, node, "ask")
        }
    }
}

/// The ends, and what is open yet.
fn told_of(ends: &[News], open: &[Message]) -> Answer {
    let (mut texts, mut all) = (vec![], vec![]);
    for news in ends {
        let (end, _) = report(news);
        let mut data = json!({"outcome": end.outcome, "request": shown::sent(end.request)});
        match end.answer {
            Some(answer) => {
                let part = shown::part(&answer.content, 0, SHOWN);
                texts.push(shown::full(answer, &part));
                data["answer"] = shown::full_json(answer, &part);
            }
            None => {
                let why = end.request.outcome.as_deref().map(|why| format!("\n{}", shown::theirs(why)));
                texts.push(format!(
                    "{} {} is {}{}",
                    end.request.handle(),
                    shown::who(end.request),
                    end.outcome,
                    why.unwrap_or_default()
                ));
            }
        }
        all.push(data);
    }
    for request in open {
        let id = request.handle();
        let next =
            format!("it stays open, and its answer comes as mail; to wait on: {{\"again\": \"{id}\"}}");
        texts.push(format!(
            "{id} {} has no answer yet (it is {}): {next}",
            shown::who(request),
            request.state
        ));
        all.push(json!({"outcome": "open", "request": shown::sent(request), "next": next}));
    }
    Answer { text: texts.join("\n\n"), data: json!({"requests": all}) }
}

/// What `wait` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Only from this INSTANCE or INSTANCE/AGENT
    from: Option<String>,
    /// Only of this conversation
    thread: Option<String>,
    /// How long to wait [50s]
    timeout: Option<String>,
    /// At most so many, the newest [20]
    limit: Option<usize>,
}

/// Waits for unread mail.
pub fn wait(call: &mut Call, given: Wait) -> Result<Answer> {
    let timeout = duration("timeout", given.timeout.as_deref())?.unwrap_or(TIMEOUT);
    let which = Which { from: given.from, thread: given.thread };
    let mut unread = wait::wait(&mut call.cx, &mut call.node, &which, Some(timeout))?;
    if unread.is_empty() {
        let text = format!("no unread mail came within {}", humantime::format_duration(timeout));
        return Ok(Answer { text, data: json!({"messages": []}) });
    }
    // A model pays for each word of it, and what is left out is listed once the others are dealt with.
    let limit = given.limit.unwrap_or(LISTED);
    let older = unread.len().saturating_sub(limit);
    unread.drain(..older);
    Ok(listed(&unread, limit, older > 0))
}
