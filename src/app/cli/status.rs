//! `lanpost status`: how this instance is doing. Exit codes: 0 whatever it says, as long as it can be told; 1, 2, 3.

use std::collections::BTreeMap;

use super::look::refresh;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops::{self, Status};
use crate::error::Result;

/// Tell how this instance is doing; what needs a person comes last, after a "!"
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost status\n  lanpost status --json | jq -e '.problems == []'")]
pub struct Args {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    refresh(cx, &mut node, "status");
    let status = ops::status(&node)?;
    if cx.json {
        cx.out.json(&status)?;
    } else {
        for line in lines(&status) {
            cx.out.say(print::line(&line));
        }
    }
    Ok(exit::DONE)
}

/// The same in one line.
pub fn summary(status: &Status) -> String {
    let mut lines = lines(status).into_iter();
    let first = lines.next().unwrap_or_default();
    match status.problems.as_slice() {
        [] => format!("{first}; all is well"),
        [only] => format!("{first}; ! {only}"),
        [one, more @ ..] => format!("{first}; ! {one} (and {} more: `lanpost status`)", more.len()),
    }
}

fn lines(status: &Status) -> Vec<String> {
    let daemon = match &status.daemon {
        Some(holder) if holder.is_daemon() => {
            format!("daemon runs (process {}, since {})", holder.pid, print::local_time(&holder.since))
        }
        Some(holder) => format!("no daemon runs (`{}` works, process {})", holder.role, holder.pid),
        None => "no daemon runs".into(),
    };
    let mut lines = vec![format!("{}: {daemon}, lanpost {}", status.instance, status.version)];
    let share = &status.share;
    let usable = match (&share.stalled, share.since.as_deref().map(print::local_time)) {
        (Some(stall), _) => format!("stalled since {}", print::local_time(&stall.since)),
        (None, Some(since)) if share.available => format!("available since {since}"),
        (None, Some(since)) => format!("away since {since}"),
        (None, None) if share.available => "available".to_owned(),
        (None, None) => "away".to_owned(),
    };
    let id = share.id.as_deref().unwrap_or("not known yet");
    lines.push(format!("share     {} (id {id}), {usable}", share.path));
    lines.extend(share.found.iter().map(|found| format!("found as  {found}")));
    if !share.mount.is_empty() {
        lines.push(format!("mount     {}", share.mount));
    }
    lines.push(format!("state     {}", status.state_folder));
    lines.push(format!("incoming  {}", counted(&status.incoming)));
    lines.push(format!("outgoing  {}; {} in the spool", counted(&status.outgoing), status.spooled));
    lines.push(format!("peers     {}", counted(&status.peers)));
    if !status.listens.is_empty() {
        lines.push(format!("listens   at {}", status.listens.join(", ")));
    }
    if !status.refused.is_empty() {
        let mut causes = BTreeMap::new();
        for refused in &status.refused {
            *causes.entry(refused.cause.clone()).or_insert(0) += refused.count;
        }
        lines.push(format!("refused   {}", counted(&causes)));
    }
    if !status.watching.is_empty() {
        lines.push(format!(
            "watching  by {}, {} changes came unannounced",
            status.watching, status.missed_events
        ));
    }
    lines.push(format!("log       {}", status.log_head));
    lines.extend(status.wakes_held.iter().map(|held| format!("held      wakes: {held}")));
    for wake in &status.wakes {
        let (at, attempt, state) = (print::local_time(&wake.at), wake.attempt, &wake.state);
        let detail = wake.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        lines.push(match wake.agent.as_str() {
            "" => format!("wake      {at}, attempt {attempt}, {state}{detail}"),
            agent => format!("wake      {at} of {agent}, attempt {attempt}, {state}{detail}"),
        });
    }
    for incident in &status.incidents {
        lines.push(format!("mended    {}: {}", print::local_time(&incident.at), incident.what));
    }
    lines.extend(status.problems.iter().map(|problem| format!("! {problem}")));
    lines
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".into();
    }
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
