//! `lanpost task claim` and `renew`.

use std::time::Duration;

use super::{Cx, STEP, exit, fresh, known, list, lost, tell};
use crate::app::cli::args::Speaker;
use crate::app::cli::look::{Watch, refresh};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{Claiming, TaskView};
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
    let ClaimArgs { id, role, term, timeout, speaker, .. } = args;
    let wanted = Wanted { agent: speaker.resolve(node)?, role, term, timeout };
    let task = match &id {
        Some(id) => one(cx, node, id, &wanted)?,
        None => next(cx, node, &wanted)?,
    };
    tell(cx, "claimed", &task)?;
    Ok(exit::DONE)
}

/// A claim that is wanted.
pub struct Wanted {
    /// Who is to hold it.
    pub agent: Option<Name>,
    /// Of the next one: also tasks for this kind of worker.
    pub role: Option<String>,
    /// Without a word of its holder for so long it is open again.
    pub term: Duration,
    /// How long to wait for the share.
    pub timeout: Duration,
}

/// Claims one task.
///
/// # Errors
/// Somebody else has it ([`Kind::LeaseLost`]), there is none, the share did not confirm it in time.
pub fn one(cx: &mut Cx, node: &mut Node, id: &str, wanted: &Wanted) -> Result<TaskView> {
    attempt(cx, node, id, wanted)?.map_err(|why| lost("claim the task", id, &why))
}

/// Tries one after the other until one is had.
///
/// # Errors
/// None is open; the share did not confirm it in time.
pub fn next(cx: &mut Cx, node: &mut Node, wanted: &Wanted) -> Result<TaskView> {
    fresh(cx, node)?;
    let mut tried: Vec<TaskId> = vec![];
    loop {
        let all = ops::task_next(node, wanted.agent.clone(), wanted.role.as_deref())?;
        let Some(id) = all.into_iter().find(|id| !tried.contains(id)) else {
            let cause = match tried.len() {
                0 => "none is open".to_owned(),
                n => format!("others were faster with all {n} that were open"),
            };
            return Err(Error::new(Kind::NotFound, "claim", "the next task", cause)
                .next("`lanpost task list` shows what others do, or what is waited for"));
        };
        match attempt(cx, node, id.as_str(), wanted)? {
            Ok(task) => return Ok(task),
            Err(why) => {
                cx.note(&format!("{}: {}", id.short(), print::line(&why)));
                tried.push(id);
            }
        }
    }
}

/// Claims one task; or says why not, if somebody else has it.
fn attempt(
    cx: &mut Cx,
    node: &mut Node,
    id: &str,
    wanted: &Wanted,
) -> Result<std::result::Result<TaskView, String>> {
    let since = node.clock.now();
    let ask = |node: &mut Node| ops::task_claim(node, id, wanted.agent.clone(), wanted.term, wanted.timeout);
    if let Claiming::Asked(wish) = known(cx, node, ask)? {
        let told = refresh(cx, node, "task");
        let mut watch = Watch::new(node, "task", STEP)?.told(told);
        let answer = loop {
            match ops::task_answer(node, wish)? {
                Some(answer) => break answer,
                None if node.clock.now().saturating_sub(since) >= wanted.timeout => break Answer::Late,
                None => drop(watch.step(cx, node)?),
            }
        };
        match answer {
            Answer::Held { .. } => {}
            Answer::Lost { why } => return Ok(Err(why)),
            Answer::Late => {
                let why = condition::hindrance(&node.db)?;
                let cause = why.unwrap_or_else(|| "the share did not confirm it in time".to_owned());
                return Err(Error::new(Kind::Away, "claim the task", id, cause)
                    .next("nobody holds it by this; claim it again later"));
            }
        }
    }
    Ok(Ok(ops::task_show(node, id)?.task))
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
        let standing = list::standing(&task, |word| cx.out.word(word));
        cx.out.say(format!("{} is held until {until} ({standing})", task.task.id.short()));
    }
    Ok(exit::DONE)
}
