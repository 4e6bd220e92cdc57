//! `lanpost send` to several: a group, a role, everybody. Exit codes: as of one; with --wait 0 all came that far, 5 one of
//! them failed or expired, 4 the time is over.

use std::time::Duration;

use serde::Serialize;

use super::{STEP, TIMEOUT, accept, carry, tell_left_out};
use crate::app::cli::args::Files;
use crate::app::cli::look::{Watch, refresh};
use crate::app::cli::{Cx, exit, out};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, Broadcasted, Call, Draft};
use crate::error::{Error, Kind, Result};
use crate::model::group::Group;
use crate::model::name::Address;
use crate::model::state::State;
use crate::store::db::Message;

/// A broadcast, and why it waits, if it does.
#[derive(Serialize)]
pub struct Sent {
    /// The broadcast.
    #[serde(flatten)]
    pub sent: Broadcasted,
    /// Why some of it waits in the spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spooled: Option<String>,
}

/// Sends, shows what became of it, and says whether all have come as far as is `wanted`, if anything is.
pub fn run(
    cx: &mut Cx,
    node: &mut Node,
    call: &Call,
    (draft, files): (&dyn Fn(Address) -> Draft, &Files),
    (wanted, timeout): (Option<State>, Option<Duration>),
) -> Result<u8> {
    let sent = send(cx, node, call, (draft, files), (wanted, timeout))?;
    show(cx, &sent)?;
    wanted.map_or(Ok(exit::DONE), |wanted| verdict(cx, &sent.sent, wanted))
}

/// Stores the copies, has them go out, and waits until all have come as far as is `wanted`, if anything is.
///
/// # Errors
/// As of one message; nobody waits for it any more.
pub fn send(
    cx: &mut Cx,
    node: &mut Node,
    call: &Call,
    (draft, files): (&dyn Fn(Address) -> Draft, &Files),
    (wanted, timeout): (Option<State>, Option<Duration>),
) -> Result<Sent> {
    learn_who_is_there(cx, node, &call.group, "send");
    let (attached, left_out) = files.attach_to_all(node, call)?;
    let draft = |to| Draft { attached: attached.clone(), ..draft(to) };
    let sent = accept(cx, node, |node| ops::broadcast(node, call, draft))?;
    tell_left_out(cx, &left_out);
    let mut unseen = vec![];
    for member in &sent.members {
        if ops::is_unseen(node, member)? {
            unseen.push(print::line(&member.to).into_owned());
        }
    }
    if !unseen.is_empty() {
        let list = unseen.join(", ");
        cx.note(&format!(
            "of {list} there is an open slot alone: nobody of that name was seen yet; is it spelt right?"
        ));
    }
    let since = node.clock.now();
    let cause = carry(cx, node, "send")?;
    let mut sent = Broadcasted { members: now(node, &sent.members)?, ..sent };
    if let Some(wanted) = wanted {
        let until = since.saturating_add(timeout.unwrap_or(TIMEOUT));
        let took = node.clock.now().saturating_sub(since);
        let mut watch = Watch::new(node, "send", STEP)?.told(cause.clone()).until(until, took);
        // The watch began before this look, so nothing falls between the two.
        sent.members = now(node, &sent.members)?;
        let over = |message: &Message| message.state.reached(wanted) || message.state.is_final();
        while !sent.members.iter().all(over) && node.clock.now() < until {
            if watch.step(cx, node)? {
                sent.members = now(node, &sent.members)?;
            }
        }
    }
    let queued = sent.members.iter().any(|message| message.state == State::Queued);
    Ok(Sent { sent, spooled: cause.filter(|_| queued) })
}

/// Who is meant is who is there, and without a daemon that may be known from long ago.
pub fn learn_who_is_there(cx: &mut Cx, node: &mut Node, group: &Group, role: &str) {
    if !matches!(group, Group::Named(_)) {
        refresh(cx, node, role);
    }
}

fn now(node: &Node, members: &[Message]) -> Result<Vec<Message>> {
    members.iter().map(|message| ops::state_of(node, message)).collect()
}

/// Prints it.
///
/// # Errors
/// Of `--json` alone.
pub fn show(cx: &mut Cx, Sent { sent, spooled }: &Sent) -> Result<()> {
    if cx.json {
        return cx.out.json(&Sent { sent: sent.clone(), spooled: spooled.clone() });
    }
    tell(cx, sent, "sent");
    for left_out in &sent.left_out {
        cx.out.say(format!("  left out: {}: {}", left_out.name, print::line(&left_out.why)));
    }
    if let Some(cause) = spooled {
        cx.out.say(format!("  what is queued waits in the spool; {}", print::line(cause)));
    }
    Ok(())
}

/// Prints a broadcast with the state of each copy, after a `word`.
pub fn tell(cx: &mut Cx, sent: &Broadcasted, word: &str) {
    let id = sent.broadcast.id.as_ref().map_or("", |id| id.as_str());
    let (group, count) = (print::line(&sent.broadcast.group), sent.members.len());
    let plural = if count == 1 { "" } else { "s" };
    cx.out.say(format!("{word} {id} to {group}: {count} member{plural}"));
    let rows: Vec<_> = sent.members.iter().map(row).collect();
    for line in print::table(&rows, 64, usize::MAX) {
        cx.out.say(format!("  {line}"));
    }
}

fn row(message: &Message) -> [String; 4] {
    let outcome = message.outcome.as_deref().unwrap_or_default();
    [
        print::line(&message.to).into_owned(),
        message.state.to_string(),
        message.id.to_string(),
        print::line(outcome).into_owned(),
    ]
}

/// Says on standard error who is not as far as was wanted.
fn verdict(cx: &mut Cx, sent: &Broadcasted, wanted: State) -> Result<u8> {
    let behind: Vec<&Message> =
        sent.members.iter().filter(|message| !message.state.reached(wanted)).collect();
    if behind.is_empty() {
        return Ok(exit::DONE);
    }
    let list: Vec<_> = behind.iter().map(|message| format!("{}: {}", message.to, message.state)).collect();
    let id = sent.broadcast.id.as_ref().map_or("", |id| id.as_str());
    let cause = format!("{} of {} are not {wanted} ({})", behind.len(), sent.members.len(), list.join(", "));
    if behind.iter().any(|message| message.state.is_final()) {
        cx.out.flush();
        out::complain(cx.json, "ended", &format!("{id}: {cause}"));
        return Ok(exit::ENDED);
    }
    let error = Error::new(Kind::Timeout, format!("see all {wanted}:"), id, cause);
    Err(error.next(format!("the time is over; they go on by themselves: `lanpost trace {id}`")))
}
