//! `lanpost task list` and `show`.

use super::{Cx, exit, fresh};
use crate::app::cli::args::Speaker;
use crate::app::cli::out::Out;
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::{self, Shown, TaskView, Which};
use crate::error::Result;

/// The widest cell but the last.
const CELL: usize = 24;

/// List tasks: all that are not over, or some
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost task list --open\n  \
    lanpost task list --mine --json | jq -r '.[].title'")]
pub struct ListArgs {
    /// Those alone that are assigned to, or held by, this instance, or the agent that speaks
    #[arg(long)]
    mine: bool,
    /// Those alone that can be claimed now
    #[arg(long, conflicts_with_all = ["all", "blocked"])]
    open: bool,
    /// Also those that are over
    #[arg(long, conflicts_with = "blocked")]
    all: bool,
    /// Those alone that are blocked, or wait for others
    #[arg(long)]
    blocked: bool,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn list(args: ListArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    let agent = args.speaker.resolve(node)?;
    fresh(cx, node)?;
    let which =
        Which { all: args.all, open: args.open, blocked: args.blocked, mine: args.mine.then_some(agent) };
    let tasks = ops::task_list(node, &which)?;
    match cx.json {
        true => cx.out.array(&tasks)?,
        false => table(cx, &tasks),
    }
    Ok(exit::DONE)
}

/// Prints tasks, one a line.
pub fn table(cx: &mut Cx, tasks: &[TaskView]) {
    if tasks.is_empty() {
        cx.out.say("no tasks");
    } else {
        let rows: Vec<_> = tasks.iter().map(|task| row(task, &cx.out)).collect();
        for line in print::table(&rows, CELL, cx.out.columns) {
            cx.out.line(line);
        }
    }
}

/// How a task stands, in a word or two that `say` says.
pub fn standing(task: &TaskView, say: impl Fn(&str) -> String) -> String {
    let word = || say(task.standing.as_str());
    match (&task.task.progress, task.left) {
        (_, true) => say("claimed, left"),
        (Some(progress), _) if !task.task.status.is_final() => match progress.percent {
            Some(percent) => format!("{} {percent}%", word()),
            None => word(),
        },
        _ => word(),
    }
}

fn row(view: &TaskView, out: &Out) -> [String; 5] {
    let task = &view.task;
    let whose = match (&task.holder, &task.to, &task.role) {
        (Some(held), _, _) => held.by.to_string(),
        (None, Some(to), _) => out.word(&format!("for {to}")),
        (None, None, Some(role)) => out.word(&print::line(&format!("for any {role}"))),
        (None, None, None) => String::new(),
    };
    let due = task.due.as_deref().map(|due| print::line(due).into_owned()).unwrap_or_default();
    [
        task.id.short().to_owned(),
        standing(view, |word| out.word(word)),
        whose,
        due,
        print::line(&task.title).into_owned(),
    ]
}

/// Show one task with its history
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost task show 3f2a1c")]
pub struct ShowArgs {
    /// Its id: three or more letters of it, from its beginning or its end
    id: String,
}

pub fn show(args: &ShowArgs, cx: &mut Cx, node: &mut Node) -> Result<u8> {
    fresh(cx, node)?;
    let shown = ops::task_show(node, &args.id)?;
    if cx.json {
        cx.out.json(&shown)?;
    } else {
        tell(cx, &shown);
    }
    Ok(exit::DONE)
}

/// Prints a task with its history.
pub fn tell(cx: &mut Cx, shown: &Shown) {
    let view = &shown.task;
    let task = &view.task;
    cx.out.line(format!("{}  {}", task.id, print::line(&task.title)));
    let out = &mut cx.out;
    // What is ours alone is looked up: the rest is what somebody wrote.
    let say_as_is = |out: &mut Out, what: &str, text: &str| {
        let what = print::padded(&out.word(what), 9);
        out.line(format!("  {what} {text}"));
    };
    let standing = standing(view, |word| out.word(word));
    say_as_is(out, "standing", &standing);
    let role = task.role.as_ref().map(|role| out.word(&print::line(&format!("any {role}"))));
    for whom in task.to.iter().map(ToString::to_string).chain(role) {
        say_as_is(out, "for", &print::line(&whom));
    }
    if let Some(held) = &task.holder {
        let until =
            view.until.as_ref().map(|until| format!(", until {} unless renewed", print::local_time(until)));
        let held = format!("{} (claim {}){}", held.by, held.token, until.unwrap_or_default());
        let held = out.word(&print::line(&held));
        say_as_is(out, "held by", &held);
    }
    if view.left {
        let left = out
            .word("its instance has been silent for longer than it was claimed for: it may be claimed anew");
        say_as_is(out, "", &left);
    }
    let mut say = |what: &str, text: &str| say_as_is(out, what, &print::line(text));
    for id in &view.waits_for {
        say("waits for", id.as_str());
    }
    let texts = [("blocked", &task.blocked), ("due", &task.due), ("outcome", &task.outcome)];
    texts.into_iter().for_each(|(what, text)| text.iter().for_each(|text| say(what, text)));
    task.progress.iter().for_each(|progress| say("progress", &progress.text));
    if !task.body.is_empty() {
        out.line(String::new());
        out.line(print::visible(&task.body));
    }
    out.line(String::new());
    for step in &shown.history {
        let (time, detail) = (print::local_time(&step.timestamp), print::line(&step.detail));
        let detail = match step.deed {
            // Of all others somebody wrote it.
            "claim" | "lapse" => out.word(&detail).into(),
            _ => detail,
        };
        let void = step.void.map(|void| format!("  [{}]", out.word(void))).unwrap_or_default();
        let line = format!("  {time}  {:<9} {}  {detail}", step.deed, step.by);
        out.line(format!("{}{void}", line.trim_end()));
    }
}
