//! `lanpost send`: stores a message, then has it go out. Exit codes: 0 stored (or, with --wait, that far), 2, 3, 4, 5.
//!
//! Invariants: once the message is stored the exit code is 0, share or no share, so that nobody sends it again;
//! only --wait asks for more. Without a daemon one engine pass carries it; with one, it is told.

pub mod several;

use std::time::Duration;

use serde::Serialize;

use super::args::{self, Body, Files, Later, Speaker};
use super::bar::Bar;
use super::look::Watch;
use super::{Cx, exit, out};
use crate::app::pass::Passed;
use crate::app::print;
use crate::engine::condition;
use crate::engine::node::Node;
use crate::engine::ops::{self, Call, Draft};
use crate::error::{Error, Kind, Result};
use crate::model::claim::MOST;
use crate::model::config::parse_duration;
use crate::model::envelope::Priority;
use crate::model::group::{Meant, Recipient};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;
use crate::sys::clock;

/// The time between two glances at the local store.
pub const STEP: Duration = Duration::from_millis(20);
/// How long a daemon may take to look who is there.
const SCAN: Duration = Duration::from_secs(2);
/// How long --wait waits if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest lease: an agent is woken, and looks at the work, within it; shorter ones only go from hand to hand.
const SHORTEST: Duration = Duration::from_secs(10);
/// After this it is said what a message waits for.
pub const SAID_AFTER: Duration = Duration::from_secs(2);

/// Send a message; returns when it is stored durably on this PC, or with --wait when it has come further
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost send lab \"the build is green\"\n  \
    lanpost send lab/reviewer - --type task --wait processed --timeout 10m < task.md\n  \
    lanpost send all \"the share is down at noon\"\n  \
    lanpost send '@builder' \"release 1.2 is tagged\" --wait delivered\n  \
    lanpost send lab \"the scans\" --attach scans --attach index.csv\n  \
    lanpost send lab '{\"job\": 7}' --json-content --id nightly-2026-02-14 --json")]
pub struct Args {
    /// Whom it is for: INSTANCE, INSTANCE/AGENT, a GROUP of the config, '@ROLE' (in quotes for PowerShell), or all
    to: Recipient,
    /// Of several, send a copy to the one who speaks, too
    #[arg(long = "self")]
    own: bool,
    /// Of several, one alone works on it: whoever claims it first; another one if that one dies or falls silent
    #[arg(long)]
    any: bool,
    /// For how long that one may be silent [default: 30m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "any")]
    lease: Option<Duration>,
    #[command(flatten)]
    body: Body,
    /// What kind of message it is [default: message]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The conversation it belongs to [default: that of the message it answers]
    #[arg(long)]
    thread: Option<String>,
    /// The message it answers: its id, or a prefix that only it has
    #[arg(long, value_name = "ID")]
    reply_to: Option<String>,
    /// How soon it wants attention: low, normal, high or urgent
    #[arg(long, default_value = "normal", value_parser = args::priority(), hide_possible_values = true)]
    priority: Priority,
    /// Keep it here until then: "9:00", "tomorrow 9:00", "2026-12-01 09:00" here, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    at: Option<String>,
    /// Keep it here for so long, as in 2h
    #[arg(long = "in", value_name = "DURATION", value_parser = parse_duration)]
    after: Option<Duration>,
    /// Not worth delivering, or reading, after this long, as in 2h; counted from --at or --in
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    ttl: Option<Duration>,
    /// An id of your own: sending the same message with it again changes nothing
    #[arg(long)]
    id: Option<MessageId>,
    /// Wait until it is scheduled, queued, sent, delivered, read, processed, failed or expired
    #[arg(long, value_name = "STATE", value_parser = args::state(), hide_possible_values = true)]
    wait: Option<State>,
    /// How long to wait [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Address an instance or agent that has not joined the share yet
    #[arg(long)]
    create: bool,
    /// Encrypt it to the recipient, or don't send it: the share then shows addresses, time and size alone
    #[arg(long)]
    seal: bool,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    speaker: Speaker,
}

/// Says so if of a recipient there is nothing but an open slot, which a typing error of somebody makes, too.
pub fn doubt_recipient(cx: &mut Cx, node: &Node, message: &Message) -> Result<()> {
    if ops::is_unseen(node, message)? {
        let to = print::line(&message.to).into_owned();
        cx.note(&format!(
            "of {to} there is an open slot alone: nobody of that name was seen yet; is it spelt right? (`lanpost peers`)"
        ));
    }
    Ok(())
}

/// A message that was sent, and why it waits, if it does.
#[derive(Serialize)]
pub struct Sent {
    #[serde(flatten)]
    pub message: Message,
    /// Why it waits in the spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spooled: Option<String>,
    /// By which way it goes though the share is hindered, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let agent = args.speaker.resolve(&node)?;
    let in_reply_to = args.reply_to.map(|prefix| Ok(ops::trace(&node, &prefix)?.message.id)).transpose()?;
    let author = args.speaker.author(&node);
    let content = args.body.content(cx, node.config.limits.message.0)?;
    let not_before = Later { at: args.at, after: args.after }.resolve(cx, &node, "send")?;
    let draft = |to: Address| Draft {
        kind: args.kind.clone(),
        agent: agent.clone(),
        thread: args.thread.clone(),
        in_reply_to: in_reply_to.clone(),
        priority: args.priority,
        not_before,
        ttl: args.ttl,
        id: args.id.clone(),
        create: args.create,
        seal: args.seal,
        author,
        ..Draft::new(to, content.clone())
    };
    let to = match ops::meant(&node, &args.to) {
        Meant::Several(group) => {
            let any = args.any.then(|| args.lease.unwrap_or(ops::TERM));
            if let Some(term) = any.filter(|term| *term < SHORTEST || *term > MOST) {
                let cause = "nobody may be silent for less than 10 seconds, or for more than seven days";
                return Err(Error::usage("send to", group, cause).next(format!("--lease is {term:?}")));
            }
            let call = Call { group, id: args.id.clone(), own: args.own, any };
            return several::run(cx, &mut node, &call, (&draft, &args.files), (args.wait, args.timeout));
        }
        Meant::One(to) if args.own || args.any => {
            let flag = if args.own { "--self" } else { "--any" };
            return Err(ops::is_no_group(&node, "send to", &to, flag));
        }
        Meant::One(to) => to,
    };
    let draft = draft(to);
    let message = send(cx, &mut node, draft, &args.files)?;
    if !args.create {
        doubt_recipient(cx, &node, &message)?;
    }
    let since = node.clock.now();
    let mut sent = dispatch(cx, &mut node, message, "send")?;
    let Some(wanted) = args.wait else {
        show(cx, &sent)?;
        return Ok(exit::DONE);
    };
    if let Some(cause) = sent.spooled.as_ref().filter(|_| !sent.message.state.reached(wanted)) {
        cx.note(&format!("{} waits in the spool; {cause}", sent.message.id));
    }
    let (until, took) =
        (since.saturating_add(args.timeout.unwrap_or(TIMEOUT)), node.clock.now().saturating_sub(since));
    let mut watch = Watch::new(&node, "send", STEP)?.told(sent.spooled.clone()).until(until, took);
    sent.message = wait(cx, &mut node, &mut watch, sent.message, (wanted, since, until))?;
    sent.spooled = sent.spooled.filter(|_| sent.message.state == State::Queued);
    show(cx, &sent)?;
    verdict(cx, &node, &sent.message, wanted)
}

/// Stores a draft with its files.
pub fn send(cx: &mut Cx, node: &mut Node, draft: Draft, files: &Files) -> Result<Message> {
    let mut left_out = vec![];
    let message = accept(cx, node, |node| {
        let mut draft = draft.clone();
        left_out = files.attach(node, &mut draft)?;
        ops::send(node, draft)
    })?;
    tell_left_out(cx, &left_out);
    Ok(message)
}

/// Says what of the folders does not go along.
fn tell_left_out(cx: &mut Cx, left_out: &[String]) {
    for what in left_out {
        cx.note(&format!("not attached: {}", print::line(what)));
    }
}

/// Stores it. Whoever is unknown may have joined since the last look, so there is one more before giving up.
pub fn accept<T>(cx: &mut Cx, node: &mut Node, mut store: impl FnMut(&mut Node) -> Result<T>) -> Result<T> {
    match store(node) {
        Err(unknown) if unknown.is_unknown() => {
            scan(cx, node)?;
            store(node).map_err(|still| match condition::hindrance(&node.db) {
                Ok(Some(cause)) if still.is_not_found() => still
                    .next(format!("{cause}; so who joined lately is not known: try later, or add --create")),
                _ => still,
            })
        }
        other => other,
    }
}

fn scan(cx: &mut Cx, node: &mut Node) -> Result<()> {
    if !node.daemon_runs() {
        super::look::refresh(cx, node, "send");
        return Ok(());
    }
    let ticket = ops::request_scan(node)?;
    let since = node.clock.now();
    while !ops::scan_done(node, ticket)? && node.clock.now().saturating_sub(since) < SCAN {
        clock::pause(STEP);
    }
    Ok(())
}

/// Has what is stored go out: by a pass, unless a daemon runs. Returns what keeps it.
pub fn carry(cx: &mut Cx, node: &mut Node, role: &str) -> Result<Option<String>> {
    carry_with(cx, node, role, None)
}

/// The same; of the files that are attached to `message` it shows how far they are.
fn carry_with(cx: &mut Cx, node: &Node, role: &str, message: Option<&Message>) -> Result<Option<String>> {
    cx.out.flush();
    let mut bar = Bar::new("sends", node);
    let mut glance = || {
        let attached = message.filter(|message| !message.attachments.is_empty());
        // Nothing hangs on it.
        if let Some(Ok((done, all, _))) = attached.map(|message| node.db.progress(message)) {
            bar.tell(done, all);
        }
    };
    let passed = match node.daemon_runs() {
        true => Ok(Passed::DaemonRuns),
        false => cx.passes.pass_telling(node, role, &mut glance),
    };
    drop(bar);
    Ok(match passed {
        Ok(Passed::Done) => None,
        Ok(Passed::DaemonRuns) => condition::hindrance(&node.db)?,
        // It is stored, so this is no failure of `send`, whatever it is.
        Err(error) => Some(error.to_string()),
    })
}

/// Has a stored message go out: by a pass, unless a daemon runs. Tells how far it came, and what keeps it.
pub fn dispatch(cx: &mut Cx, node: &mut Node, message: Message, role: &str) -> Result<Sent> {
    let runs = node.daemon_runs();
    let cause = carry_with(cx, node, role, Some(&message))?;
    let message = ops::state_of(node, &message)?;
    let Some(cause) = cause.filter(|_| message.state == State::Queued) else {
        return Ok(Sent { message, spooled: None, route: None });
    };
    // What keeps the share keeps nothing that goes by another way.
    let route = match message.to.parse::<Address>() {
        Ok(to) if runs => Some(ops::route(node, &to.instance, runs)?),
        _ => None,
    };
    let route = route.filter(ops::RouteView::is_open_beside_share).map(|route| route.words);
    Ok(Sent { message, spooled: Some(cause).filter(|_| route.is_none()), route })
}

/// Waits until the message has come as far as was wanted, has ended, or the time is over.
///
/// # Errors
/// Nobody waits for it any more; the local store's.
pub fn wait(
    cx: &mut Cx,
    node: &mut Node,
    watch: &mut Watch,
    first: Message,
    (wanted, since, until): (State, Duration, Duration),
) -> Result<Message> {
    let over = |message: &Message| message.state.reached(wanted) || message.state.is_final();
    // The watch began before this look, so nothing falls between the two.
    let mut message = ops::state_of(node, &first)?;
    let mut said: Option<String> = None;
    while !over(&message) && node.clock.now() < until {
        if watch.step(cx, node)? {
            message = ops::state_of(node, &message)?;
        }
        if !over(&message) && node.clock.now().saturating_sub(since) >= SAID_AFTER {
            say_what_for(cx, node, &message, &mut said)?;
        }
    }
    Ok(message)
}

/// Says what a message waits for, unless that is what was said last.
pub fn say_what_for(cx: &mut Cx, node: &Node, message: &Message, said: &mut Option<String>) -> Result<()> {
    // Without the times in it, which pass, it would be said again and again.
    let waits = ops::waits_for(node, message)?;
    // Nor with the bytes of files that are on their way.
    let words = |text: &Option<String>| text.as_deref().map(|text| text.replace(char::is_numeric, ""));
    if waits.is_some() && words(&waits) != words(said) {
        cx.note(&format!("waits: {}", waits.as_deref().unwrap_or_default()));
        *said = waits;
    }
    Ok(())
}

/// Says on standard error why it is not as far as was wanted.
fn verdict(cx: &mut Cx, node: &Node, message: &Message, wanted: State) -> Result<u8> {
    if message.state.reached(wanted) {
        return Ok(exit::DONE);
    }
    if message.state.is_final() {
        let why = message.outcome.as_deref().map(|outcome| format!(": {outcome}")).unwrap_or_default();
        cx.out.flush();
        let text = format!("{} is {}, and will not be {wanted}{why}", message.id, message.state);
        out::complain(cx.json, "ended", &text);
        return Ok(exit::ENDED);
    }
    let cause = format!("the time is over; it is {}", message.state);
    let error = Error::new(Kind::Timeout, format!("see it {wanted}:"), &message.id, cause);
    let note = ops::overdue(node, message)?.map(|note| format!("{note}; ")).unwrap_or_default();
    Err(error.next(format!("{note}it goes on by itself: `lanpost trace {}`", message.id)))
}

/// Prints what became of a message.
pub fn show(cx: &mut Cx, sent: &Sent) -> Result<()> {
    let Sent { message, spooled, route } = sent;
    if cx.json {
        return cx.out.json(sent);
    }
    if let Some(at) = message.not_before.as_ref().filter(|_| message.state == State::Scheduled) {
        cx.out.say(format!(
            "scheduled {} to {} for {}",
            message.id,
            print::line(&message.to),
            print::local_time(at)
        ));
        return Ok(());
    }
    match (spooled, route.as_deref().filter(|_| message.state == State::Queued)) {
        (Some(cause), _) => {
            cx.out.say(format!("queued: {} waits in the spool; {}", message.id, print::line(cause)))
        }
        (None, Some(route)) => {
            let (to, route) = (print::line(&message.to), print::line(route));
            cx.out.say(format!("sent {} to {to}: the daemon hands it over, {route}", message.id));
        }
        (None, None) => {
            cx.out.say(format!("sent {} to {} ({})", message.id, print::line(&message.to), message.state))
        }
    }
    Ok(())
}
