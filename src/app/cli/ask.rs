//! `lanpost ask`: sends a request, waits, prints the answer. Exit codes: 0 answered, 4 no answer in time, 5 failed,
//! 7 expired, 2 and 3 as of `send`.
//!
//! The answer alone goes to standard output; how far it is, and why it takes so long, to standard error. An answer that
//! could be printed is done with, and its sender sees it; any other is mail, and so is what comes after the end.

use std::time::Duration;

use serde::Serialize;

use super::args::{Body, Speaker};
use super::look::{Watch, refresh};
use super::send::{SAID_AFTER, accept, dispatch, doubt_recipient, say_what_for};
use super::{Cx, exit, out};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{Asking, Draft, News};
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::model::envelope::Priority;
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;
use crate::model::trust::Verdict;
use crate::store::db::Message;

/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(20);
/// The longest time between two looks at what came, whether the store changed or not.
const LOOK: Duration = Duration::from_millis(500);

/// Ask somebody and wait for the answer, which is printed
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    answer=$(lanpost ask lab/main \"is the build green?\" --timeout 5m)\n  \
    lanpost ask lab - --json < question.md | jq -r .answer.content\n  \
    lanpost ask --wait 018f2b3c-4d5e\n\
    What is asked is mail of type `request`: whoever gets it answers with `lanpost reply`, and says with\n\
    `lanpost progress` how far it is. After --timeout it stays open, and its answer comes as mail.")]
pub struct Args {
    /// Who is asked: INSTANCE or INSTANCE/AGENT
    #[arg(required_unless_present = "wait")]
    to: Option<Address>,
    #[command(flatten)]
    body: Body,
    /// Wait again for the answer to this request: its id, or a prefix that only it has
    #[arg(long, value_name = "ID", conflicts_with_all = ["to", "text", "json_content", "thread", "priority", "ttl", "id", "create", "seal"])]
    wait: Option<String>,
    /// How long to wait; the request itself stays open
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10m")]
    timeout: Duration,
    /// The conversation it belongs to
    #[arg(long)]
    thread: Option<String>,
    /// How soon it wants attention: low, normal, high or urgent
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// Not worth delivering after this long, as in 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    ttl: Option<Duration>,
    /// An id of your own: asking the same with it again waits for the same answer
    #[arg(long)]
    id: Option<MessageId>,
    /// Ask an instance or agent that has not joined the share yet
    #[arg(long)]
    create: bool,
    /// Encrypt it to the recipient, or don't ask; the answer to a sealed request is sealed, too
    #[arg(long)]
    seal: bool,
    #[command(flatten)]
    speaker: Speaker,
}

/// What came of it.
#[derive(Serialize)]
struct Report<'a> {
    outcome: &'a str,
    request: &'a Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Message>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let since = node.clock.now();
    let mut asking = Asking::new(&node);
    let told = match &args.wait {
        Some(prefix) => {
            let told = refresh(cx, &mut node, "ask");
            asking.ask_again(&mut node, prefix)?;
            told
        }
        None => ask(&args, cx, &mut node, &mut asking)?,
    };
    let until = since.saturating_add(args.timeout);
    let took = node.clock.now().saturating_sub(since);
    let watch = Watch::new(&node, "ask", STEP)?.told(told).until(until, took);
    let last = wait(cx, &mut node, &mut asking, watch, (since, until))?;
    let code = match &last {
        Some(last) => tell(cx, last)?,
        None => tell_open(cx, &asking, args.timeout)?,
    };
    cx.out.flush();
    // Whoever could not be shown it gets it as mail.
    asking.end(&mut node, !cx.out.is_shut())?;
    refresh(cx, &mut node, "ask");
    Ok(code)
}

/// Sends the request; what keeps it in the spool.
fn ask(args: &Args, cx: &mut Cx, node: &mut Node, asking: &mut Asking) -> Result<Option<String>> {
    let Some(to) = args.to.clone() else { return Ok(None) };
    let draft = Draft {
        agent: args.speaker.resolve(node)?,
        thread: args.thread.clone(),
        priority: args.priority,
        ttl: args.ttl,
        id: args.id.clone(),
        create: args.create,
        seal: args.seal,
        author: args.speaker.author(node),
        ..Draft::new(to, args.body.content(cx, node.config.limits.message.0)?)
    };
    let request = accept(cx, node, |node| asking.ask(node, draft.clone()))?;
    if !args.create {
        doubt_recipient(cx, node, &request)?;
    }
    let sent = dispatch(cx, node, request, "ask")?;
    if let Some(cause) = &sent.spooled {
        cx.note(&format!("{} waits in the spool; {cause}", sent.message.id));
    }
    Ok(sent.spooled)
}

/// Waits for the end, and passes on what comes before it; `None` if there is none in time.
fn wait(
    cx: &mut Cx,
    node: &mut Node,
    asking: &mut Asking,
    mut watch: Watch,
    (since, until): (Duration, Duration),
) -> Result<Option<News>> {
    let (mut said, mut named) = (None, false);
    loop {
        // The time first: an answer that comes while it runs out is printed.
        let now = node.clock.now();
        for news in asking.look(node)? {
            match news {
                News::Progress { note, .. } => {
                    cx.out.flush();
                    out::progress(cx.json, &note);
                }
                News::Note { words, .. } => cx.note(&words),
                News::Answered { .. } | News::Ended { .. } => return Ok(Some(news)),
            }
        }
        if now >= until {
            return Ok(None);
        }
        if let Some(request) = asking.open().next().filter(|_| now.saturating_sub(since) >= SAID_AFTER) {
            if !std::mem::replace(&mut named, true) {
                cx.note(&format!("asked {}: {}", request.to, request.id));
            }
            say_what_for(cx, node, request, &mut said)?;
        }
        let next = now.saturating_add(LOOK).min(until);
        while !watch.step(cx, node)? && node.clock.now() < next {}
    }
}

/// Prints the end of it.
fn tell(cx: &mut Cx, news: &News) -> Result<u8> {
    let (request, answer) = match news {
        News::Answered { request, answer } => (request, Some(answer)),
        News::Ended { request } | News::Progress { request, .. } | News::Note { request, .. } => {
            (request, None)
        }
    };
    let (outcome, code) = match (answer, request.state) {
        (Some(_), _) => ("answered", exit::DONE),
        (None, State::Processed) => ("done", exit::DONE),
        (None, State::Expired) => ("expired", exit::EXPIRED),
        (None, State::Cancelled) => ("cancelled", exit::ENDED),
        (None, _) => ("failed", exit::ENDED),
    };
    if cx.json {
        cx.out.json(&Report { outcome, request, answer })?;
    }
    let why = request.outcome.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    match answer {
        Some(answer) if !cx.json => {
            if answer.verdict == Some(Verdict::Unverified) {
                cx.note(&format!("no key proves that {} wrote this", print::sender(&answer.from)));
            }
            cx.out.line(print::content(&answer.content));
        }
        Some(_) => {}
        None if code == exit::DONE => cx.note(&format!("{} is done, without an answer{why}", request.id)),
        None => {
            cx.out.flush();
            out::complain(cx.json, "ended", &format!("{} {outcome}{why}", request.id));
        }
    }
    Ok(code)
}

/// Says that there was no answer in time, and what can be done.
fn tell_open(cx: &mut Cx, asking: &Asking, timeout: Duration) -> Result<u8> {
    let Some(request) = asking.open().next() else { return Ok(exit::TIMEOUT) };
    if cx.json {
        cx.out.json(&Report { outcome: "open", request, answer: None })?;
        cx.out.flush();
    }
    let timeout = humantime::format_duration(timeout);
    let cause = format!("no answer came within {timeout}; it is {} and stays open", request.state);
    let error = Error::new(Kind::Timeout, "have the answer to", &request.id, cause).next(format!(
        "its answer will come as mail; wait for it again: `lanpost ask --wait {0}`, look: `lanpost trace {0}`",
        request.id
    ));
    out::complain(cx.json, exit::word(error.kind()), &error.to_string());
    Ok(exit::code(error.kind()))
}
