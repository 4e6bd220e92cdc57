//! `lanpost task claim` and `renew`.

use std::time::Duration;

use super::{Cx, STEP, exit, fresh, known, list, lost, tell};
use crate::app::cli::args::Speaker;
use crate::app::cli::look::{Watch, refresh};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::Claiming;
use crate::engine::{condition, ops};
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::model::name::Name;
use crate::model::task::TaskId;
use crate::store::db::Answer;

/// Claim a task, so that nobody else works on it; done only when the share says so
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task claim 3f2a1c --for 2h\n  \
    lanpost task claim --next --role builder --json")]
pub struct ClaimArgs {
    /// Its id: three or more letters of it, from its beginning or its end
    #[arg(required_unless_present = "next", conflicts_with = "next")]
    id: Option<String>,
    /// The best one that is open: one's own first, then urgent ones, then the oldest
    #[arg(long)]
    next: bool,
    /// With --next: also tasks for this kind of worker
    #[arg(long, requires = "next")]
    role: Option<String>,
    /// Without a word of its holder for this long others may claim it
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, default_value = "30m")]
    term: Duration,
    /// How long to wait for the share
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    timeout: Duration,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn claim(args: ClaimArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let agent = args.speaker.resolve(node)?;
    let Some(id) = &args.id else { return next(&args, agent, cx, node) };
    match attempt(&args, id, &agent, cx, node)? {
        None => Ok(exit::DONE),
        Some(why) => Ok(lost(cx, "claim the task", id, &why)),
    }
}

/// Tries one after the other until one is had.
fn next(args: &ClaimArgs, agent: Option<Name>, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    fresh(cx, node)?;
    let mut tried: Vec<TaskId> = vec![];
    loop {
        let all = ops::task_next(node, agent.clone(), args.role.as_deref())?;
        let Some(id) = all.into_iter().find(|id| !tried.contains(id)) else {
            let cause = match tried.len() {
                0 => "none is open".to_owned(),
                n => format!("others were faster with all {n} that were open"),
            };
            return Err(Error::new(Kind::NotFound, "claim", "the next task", cause)
                .next("`lanpost task list` shows what others do, or what is waited for"));
        };
        if let Some(why) = attempt(args, id.as_str(), &agent, cx, node)? {
            cx.note(&format!("{}: {}", id.short(), print::line(&why)));
            tried.push(id);
            continue;
        }
        return Ok(exit::DONE);
    }
}

/// Claims one task and shows it; returns why not, if somebody else has it.
fn attempt(
    args: &ClaimArgs,
    id: &str,
    agent: &Option<Name>,
    cx: &mut Cx,
    node: &mut Node,
) -> Result<Option<String>> {
    let since = node.clock.now();
    let ask = |node: &mut Node| ops::task_claim(node, id, agent.clone(), args.term, args.timeout);
    if let Claiming::Asked(wish) = known(cx, node, ask)? {
        let told = refresh(cx, node, "task");
        let mut watch = Watch::new(node, "task", STEP)?.told(told);
        let answer = loop {
            match ops::task_answer(node, wish)? {
                Some(answer) => break answer,
                None if node.clock.now().saturating_sub(since) >= args.timeout => break Answer::Late,
                None => drop(watch.step(cx, node)?),
            }
        };
        match answer {
            Answer::Held { .. } => {}
            Answer::Lost { why } => return Ok(Some(why)),
            Answer::Late => {
                let why = condition::hindrance(&node.db)?;
                let cause = why.unwrap_or_else(|| "the share did not confirm it in time".to_owned());
                return Err(Error::new(Kind::Away, "claim the task", id, cause)
                    .next("nobody holds it by this; claim it again later"));
            }
        }
    }
    tell(cx, "claimed", &ops::task_show(node, id)?.task)?;
    Ok(None)
}

/// Go on working on a task: its claim lasts for as long again from now on
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task renew 3f2a1c --for 1h")]
pub struct RenewArgs {
    /// Its id: three or more letters of it, from its beginning or its end
    id: String,
    /// For how long, as in 1h [default: as it was claimed]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    term: Option<Duration>,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn renew(args: RenewArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let agent = args.speaker.resolve(node)?;
    let task = ops::task_renew(node, &args.id, agent, args.term)?;
    if cx.json {
        cx.out.json(&task)?;
    } else {
        let until = task.until.as_deref().map(print::local_time).unwrap_or_default();
        cx.out.line(format!("{} is held until {until} ({})", task.task.id.short(), list::standing(&task)));
    }
    Ok(exit::DONE)
}
