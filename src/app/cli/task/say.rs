//! `lanpost task progress`, `done`, `fail`, `release`, `block`, `unblock`, `depend`, `cancel` and `reopen`.

use std::time::Duration;

use super::{Cx, STEP, exit, known, lost, tell};
use crate::app::cli::args::Speaker;
use crate::app::cli::look::{Watch, refresh};
use crate::engine::node::Node;
use crate::engine::ops::{self, Said, Say, TaskView, Word};
use crate::error::Result;
use crate::model::name::Name;

/// How long a holder's word waits to be on the share. It is stored by then, and goes out by itself.
const WRITTEN: Duration = Duration::from_secs(5);

/// Which task, and who speaks
#[derive(clap::Args, Debug)]
pub struct Task {
    /// Its id: three or more letters of it, from its beginning or its end
    id: String,
    #[command(flatten)]
    speaker: Speaker,
}

/// Tell how far a task is; its claim lasts for as long again
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task progress 3f2a1c \"tests pass, packing\" --percent 80")]
pub struct ProgressArgs {
    #[command(flatten)]
    task: Task,
    /// How far, in words
    text: String,
    /// How much of it is done, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
}

/// Say that a task is done
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task done 3f2a1c --result \"see /builds/7\"")]
pub struct DoneArgs {
    #[command(flatten)]
    task: Task,
    /// What came of it
    #[arg(long, value_name = "TEXT")]
    result: Option<String>,
}

/// Say that a task can't be done, by anybody; to let others try, `release` it
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task fail 3f2a1c --why \"the sources are lost\"")]
pub struct FailArgs {
    #[command(flatten)]
    task: Task,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// Give a task back, so that others may claim it
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task release 3f2a1c --why \"needs a Mac\"")]
pub struct ReleaseArgs {
    #[command(flatten)]
    task: Task,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// Say that a task can't be worked on for now
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task block 3f2a1c --why \"waits for the licence\"")]
pub struct BlockArgs {
    #[command(flatten)]
    task: Task,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// Say that a blocked task can be worked on again
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task unblock 3f2a1c")]
pub struct OneArgs {
    #[command(flatten)]
    task: Task,
}

/// Say that a task must wait for others
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task depend 3f2a1c 9b01d4\n  \
    lanpost task depend 3f2a1c 9b01d4 --remove")]
pub struct DependArgs {
    #[command(flatten)]
    task: Task,
    /// The ids of tasks that must be done before
    #[arg(required = true, value_name = "ON")]
    on: Vec<String>,
    /// It need not wait for these any longer
    #[arg(long)]
    remove: bool,
}

/// Say that a task is not wanted any more, whoever holds it
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task cancel 3f2a1c --why \"bought it instead\"")]
pub struct CancelArgs {
    #[command(flatten)]
    task: Task,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// Say that a task that ended is to be done all the same
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task reopen 3f2a1c")]
pub struct ReopenArgs {
    #[command(flatten)]
    task: Task,
}

pub fn progress(args: ProgressArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "noted progress of", &Say::Progress(args.text, args.percent))
}

pub fn done(args: DoneArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "ended", &Say::Done(args.result))
}

pub fn fail(args: FailArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "gave up", &Say::Fail(args.why))
}

pub fn release(args: ReleaseArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "released", &Say::Release(args.why))
}

pub fn block(args: BlockArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "blocked", &Say::Block(args.why))
}

pub fn unblock(args: OneArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "unblocked", &Say::Unblock)
}

pub fn cancel(args: CancelArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "cancelled", &Say::Cancel(args.why))
}

pub fn reopen(args: ReopenArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    say(cx, node, &args.task, "reopened", &Say::Reopen)
}

pub fn depend(args: DependArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let agent = args.task.speaker.resolve(node)?;
    let deed = |node: &mut Node| ops::task_depend(node, &args.task.id, &args.on, args.remove, agent.clone());
    let said = known(cx, node, deed)?;
    let task = settled(cx, node, &said)?;
    tell(cx, "noted what is before", &task)?;
    Ok(exit::DONE)
}

fn say(cx: &mut Cx, node: &mut Node, task: &Task, what: &str, say: &Say) -> Result<u8> {
    let agent: Option<Name> = task.speaker.resolve(node)?;
    let said = known(cx, node, |node| ops::task_say(node, &task.id, agent.clone(), say.clone()))?;
    let task = settled(cx, node, &said)?;
    tell(cx, what, &task)?;
    Ok(exit::DONE)
}

/// Waits a little for the word to be on the share.
///
/// # Errors
/// It does not count, since another one has claimed the task ([`Kind::LeaseLost`](crate::error::Kind)).
pub fn settled(cx: &mut Cx, node: &mut Node, said: &Said) -> Result<TaskView> {
    let since = node.clock.now();
    let told = refresh(cx, node, "task");
    let mut watch = Watch::new(node, "task", STEP)?.told(told.clone());
    let mut word = ops::task_word(node, &said.event)?;
    while word == Word::Queued && told.is_none() && node.clock.now().saturating_sub(since) < WRITTEN {
        watch.step(cx, node)?;
        word = ops::task_word(node, &said.event)?;
    }
    let id = said.task.task.id.short();
    match word {
        Word::Fenced => return Err(lost("speak for the task", id, "another one has claimed it since")),
        Word::Queued => cx.note("it is stored, and goes on the share when that is there"),
        Word::Written => {}
    }
    Ok(ops::task_show(node, said.task.task.id.as_str())?.task)
}
