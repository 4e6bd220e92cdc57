//! `lanpost ask`: sends a request, waits, prints the answer. Exit codes: 0 answered, 4 no answer in time, 5 failed,
//! 7 expired, 2 and 3 as of `send`. Several may be asked at once: then it is the worst of theirs.
//!
//! The answer alone goes to standard output; how far it is, and why it takes so long, to standard error. An answer that
//! could be printed is done with, and its sender sees it; any other is mail, and so is what comes after the end.

mod gather;

use std::time::Duration;

use serde::Serialize;

use super::args::{self, Body, Speaker};
use super::look::{Watch, refresh};
use super::send::{SAID_AFTER, accept, dispatch, doubt_recipient, say_what_for};
use super::{Cx, exit, out};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, Asking, Broadcasted, Draft, News};
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::model::envelope::Priority;
use crate::model::group::{Meant, Recipient};
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
    lanpost ask --wait 018f2b3c-4d5e\n  \
    lanpost ask --all '@builder' \"what are you at?\" --timeout 2m\n\
    What is asked is mail of type `request`: whoever gets it answers with `lanpost reply`, and says with\n\
    `lanpost progress` how far it is. After --timeout it stays open, and its answer comes as mail.")]
pub struct Args {
    /// Who is asked: INSTANCE or INSTANCE/AGENT; with --all a GROUP of the config, '@ROLE', or all
    #[arg(required_unless_present = "wait")]
    to: Option<Recipient>,
    /// Ask each of several, and wait for all of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    body: Body,
    /// Wait again for the answer to this request, or to one to several: its id, or a prefix that only it has
    #[arg(long, value_name = "ID", conflicts_with_all = ["to", "text", "json_content", "thread", "priority", "ttl", "id", "create", "seal", "all"])]
    wait: Option<String>,
    /// How long to wait; the request itself stays open
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "10m")]
    timeout: Duration,
    /// The conversation it belongs to
    #[arg(long)]
    thread: Option<String>,
    /// How soon it wants attention: low, normal, high or urgent
    #[arg(long, default_value = "normal", value_parser = args::priority(), hide_possible_values = true)]
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
#[derive(Clone, Copy, Serialize)]
pub struct Report<'a> {
    pub outcome: &'a str,
    pub request: &'a Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'a Message>,
}

/// What was asked.
struct Asked {
    /// The broadcast, if several were.
    several: Option<Broadcasted>,
    /// What was told of why it waits in the spool.
    told: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let since = node.clock.now();
    let mut asking = Asking::new(&node);
    let Asked { several, told } = match &args.wait {
        Some(prefix) => ask_again(prefix, cx, &mut node, &mut asking)?,
        None => ask(&args, cx, &mut node, &mut asking)?,
    };
    let mut waiting = Waiting::new(&node, since, args.timeout, told, several.is_some())?;
    let code = match several {
        // Who is open yet is mail when it comes; the others were shown.
        Some(sent) => gather::run(cx, &mut node, &mut asking, &mut waiting, &sent)?,
        None => match waiting.next(cx, &mut node, &mut asking)?.pop() {
            Some(last) => tell(cx, &last)?,
            None => tell_open(cx, &asking, args.timeout)?,
        },
    };
    cx.out.flush();
    // Whoever could not be shown it gets it as mail.
    asking.end(&mut node, !cx.out.is_shut())?;
    refresh(cx, &mut node, "ask");
    Ok(code)
}

/// Waits again for what was asked.
fn ask_again(prefix: &str, cx: &mut Cx, node: &mut Node, asking: &mut Asking) -> Result<Asked> {
    let told = refresh(cx, node, "ask");
    let several = ops::find_broadcast(node, prefix)?;
    match &several {
        Some(sent) => {
            for request in &sent.members {
                asking.ask_again(node, &format!("{}:{}", request.peer, request.id))?;
            }
        }
        None => drop(asking.ask_again(node, prefix)?),
    }
    Ok(Asked { several, told })
}

/// Sends the request, or one to each of several.
fn ask(args: &Args, cx: &mut Cx, node: &mut Node, asking: &mut Asking) -> Result<Asked> {
    let to = args.to.as_ref().ok_or_else(|| Error::usage("ask", "", "nobody is named"))?;
    let meant = ops::meant(node, to);
    match &meant {
        Meant::Several(group) if !args.all => {
            let error = Error::usage("ask", group, "several are meant");
            return Err(error.next("ask each of them, and wait for all: --all"));
        }
        Meant::One(to) if args.all => {
            return Err(ops::is_no_group(node, "ask", to, "--all"));
        }
        _ => {}
    }
    let agent = args.speaker.resolve(node)?;
    let author = args.speaker.author(node);
    let content = args.body.content(cx, node.config.limits.message.0)?;
    let draft = |to: Address| Draft {
        agent: agent.clone(),
        thread: args.thread.clone(),
        priority: args.priority,
        ttl: args.ttl,
        id: args.id.clone(),
        create: args.create,
        seal: args.seal,
        author,
        ..Draft::new(to, content.clone())
    };
    let to = match meant {
        Meant::Several(group) => return gather::ask(cx, node, asking, group, &draft),
        Meant::One(to) => to,
    };
    let told = ask_one(cx, node, asking, &draft(to))?;
    Ok(Asked { several: None, told })
}

/// Sends one request; returns what was told of why it waits in the spool.
pub fn ask_one(cx: &mut Cx, node: &mut Node, asking: &mut Asking, draft: &Draft) -> Result<Option<String>> {
    let request = accept(cx, node, |node| asking.ask(node, draft.clone()))?;
    if !draft.create {
        doubt_recipient(cx, node, &request)?;
    }
    let sent = dispatch(cx, node, request, "ask")?;
    if let Some(cause) = &sent.spooled {
        cx.note(&format!("{} waits in the spool; {cause}", sent.message.id));
    }
    Ok(sent.spooled)
}

/// The waiting, and what was said of it.
pub struct Waiting {
    watch: Watch,
    since: Duration,
    until: Duration,
    said: Option<String>,
    /// It was said what was asked.
    named: bool,
}

impl Waiting {
    /// For so long from `since`; what was `told` of what hinders it is not told again, nor is what was asked if that is
    /// `named`.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(
        node: &Node,
        since: Duration,
        timeout: Duration,
        told: Option<String>,
        named: bool,
    ) -> Result<Waiting> {
        let (until, took) = (since.saturating_add(timeout), node.clock.now().saturating_sub(since));
        let watch = Watch::new(node, "ask", STEP)?.told(told).until(until, took);
        Ok(Waiting { watch, since, until, said: None, named })
    }

    /// Waits for the next end, and passes on what comes before it; none: there is none in time.
    ///
    /// # Errors
    /// Nobody waits for it any more; the local store's.
    pub fn next(&mut self, cx: &mut Cx, node: &mut Node, asking: &mut Asking) -> Result<Vec<News>> {
        loop {
            // The time first: an answer that comes while it runs out is printed.
            let now = node.clock.now();
            let mut ends = vec![];
            for news in asking.look(node)? {
                match news {
                    News::Progress { note, .. } => cx.progress(&note),
                    News::Note { words, .. } => cx.note(&words),
                    News::Answered { .. } | News::Ended { .. } => ends.push(news),
                }
            }
            if !ends.is_empty() || now >= self.until {
                return Ok(ends);
            }
            let lasts = now.saturating_sub(self.since) >= SAID_AFTER;
            if let Some(request) = asking.open().next().filter(|_| lasts) {
                if !std::mem::replace(&mut self.named, true) {
                    cx.note(&format!("asked {}: {}", request.to, request.id));
                }
                say_what_for(cx, node, request, &mut self.said)?;
            }
            let next = now.saturating_add(LOOK).min(self.until);
            while !self.watch.step(cx, node)? && node.clock.now() < next {}
        }
    }
}

/// What an end is, and the exit code for it.
pub fn report(news: &News) -> (Report<'_>, u8) {
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
    (Report { outcome, request, answer }, code)
}

/// Prints the end of it.
fn tell(cx: &mut Cx, news: &News) -> Result<u8> {
    let (report @ Report { outcome, request, answer }, code) = report(news);
    if cx.json {
        cx.out.json(&report)?;
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
