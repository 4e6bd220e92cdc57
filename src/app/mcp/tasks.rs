//! The tools `tasks` and `task`: what all instances share, to look at, and to do something about.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, duration, word};
use super::mail::Urgency;
use super::shown;
use crate::app::cli::look::refresh;
use crate::app::cli::task::claim::{self, Wanted};
use crate::app::cli::task::{fresh, known, list, say};
use crate::app::print;
use crate::engine::ops::{self, NewTask, Say, Shown, TaskView, Which};
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::name::{Address, quoted};
use crate::model::notice;

/// How long a claim waits for the share.
const CLAIMED: Duration = Duration::from_secs(30);

/// Which tasks to list.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// All that are not over.
    #[default]
    Current,
    Open,
    Mine,
    Blocked,
    All,
}

/// What `tasks` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// Show this one with its history: three letters of its id, or more
    id: Option<String>,
    /// Those that are not over [current], can be claimed (open), are mine or blocked, or all
    which: Option<Kind>,
}

/// Lists tasks, or shows one.
pub fn tasks(call: &mut Call, given: Tasks) -> Result<Answer> {
    let agent = call.agent.clone();
    let Call { cx, node, .. } = call;
    fresh(cx, node)?;
    if let Some(id) = &given.id {
        let shown = ops::task_show(node, id)?;
        let mut data = brief(&shown.task);
        data["body"] = shown.task.task.body.as_str().into();
        data["history"] = json!(shown.history);
        return Ok(Answer { text: full(&shown), data });
    }
    let kind = given.which.unwrap_or_default();
    let which = Which {
        all: matches!(kind, Kind::All),
        open: matches!(kind, Kind::Open),
        blocked: matches!(kind, Kind::Blocked),
        mine: matches!(kind, Kind::Mine).then_some(agent),
    };
    let tasks = ops::task_list(node, &which)?;
    let data = json!({"tasks": tasks.iter().map(brief).collect::<Vec<_>>()});
    let text = match tasks.is_empty() {
        true => "no tasks".to_owned(),
        false => format!("{}\n{}", notice::frame(), tasks.iter().map(line).collect::<Vec<_>>().join("\n")),
    };
    Ok(Answer { text, data })
}

/// A task in two lines: how it stands, and its title.
fn line(view: &TaskView) -> String {
    let mut text = format!("{} {}", view.task.id.short(), list::standing(view, str::to_owned));
    for about in abouts(view) {
        text += &format!(", {about}");
    }
    format!("{text}\n{}", shown::theirs(&view.task.title))
}

/// For whom it is, who has it, how soon it is wanted: words of others in quotes.
fn abouts(view: &TaskView) -> Vec<String> {
    let task = &view.task;
    let priority = Some(task.priority).filter(|it| *it != Priority::Normal);
    let all = [
        priority.map(|priority| priority.as_str().to_owned()),
        task.to.as_ref().map(|to| format!("for {}", quoted(&to.to_string()))),
        task.role.as_ref().map(|role| format!("for any {}", quoted(role))),
        task.holder
            .as_ref()
            .map(|held| format!("held by {} (claim {})", quoted(&held.by.to_string()), held.token)),
        view.until.as_ref().map(|until| format!("until {} unless renewed", print::local_time(until))),
        task.due.as_ref().map(|due| format!("due {}", quoted(due))),
    ];
    all.into_iter().flatten().collect()
}

/// A task with its history.
fn full(shown: &Shown) -> String {
    let (view, task) = (&shown.task, &shown.task.task);
    let mut text =
        format!("{}\nid {}\nstanding {}", notice::frame(), task.id, list::standing(view, str::to_owned));
    for about in abouts(view) {
        text += &format!("\n{about}");
    }
    if view.left {
        text += "\nits instance has been silent for longer than it was claimed for: it may be claimed anew";
    }
    for id in &view.waits_for {
        text += &format!("\nwaits for {id}");
    }
    let mut say = |what: &str, words: &str| {
        if !words.is_empty() {
            text += &format!("\n{what}:\n{}", shown::lines(words));
        }
    };
    say("title", &task.title);
    say("body", &task.body);
    say("blocked", task.blocked.as_deref().unwrap_or_default());
    say("progress", task.progress.as_ref().map_or("", |progress| progress.text.as_str()));
    say("outcome", task.outcome.as_deref().unwrap_or_default());
    text += "\nhistory:";
    for step in &shown.history {
        let void = step.void.map(|void| format!(" [{void}]")).unwrap_or_default();
        // Of these the details are ours.
        let (ours, theirs) = match step.deed {
            "claim" | "depend" | "undepend" | "lapse" => {
                (format!(" {}", print::line(&step.detail)), String::new())
            }
            _ if step.detail.is_empty() => (String::new(), String::new()),
            _ => (String::new(), format!("\n{}", shown::theirs(&step.detail))),
        };
        let (at, by) = (print::local_time(&step.at), quoted(&step.by.to_string()));
        text += &format!("\n{at} {} by {by}{ours}{void}{theirs}", step.deed);
    }
    text
}

/// What to do about a task.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Add,
    Claim,
    Renew,
    Progress,
    Done,
    Fail,
    Release,
    Block,
    Unblock,
    Cancel,
    Reopen,
}

/// What `task` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    action: Action,
    /// Which: three letters of its id, or more; of claim left out: the best one that is open
    id: Option<String>,
    /// What to say: the progress, the result (done), why (fail, release, block, cancel)
    text: Option<String>,
    /// progress: of a hundred
    #[schemars(range(max = 100))]
    percent: Option<u8>,
    /// claim, renew: without a word from you for so long it is open again [30m]
    term: Option<String>,
    /// add: what is to be done, in one line
    title: Option<String>,
    /// add: the same at length
    body: Option<String>,
    /// add: assign it to INSTANCE or INSTANCE/AGENT, who gets mail
    to: Option<String>,
    /// add, claim: the kind of worker it is for
    role: Option<String>,
    /// add: ids of what must be done before
    #[serde(default)]
    depends: Vec<String>,
    priority: Option<Urgency>,
    /// add: when it should be done, as in 2026-02-14
    due: Option<String>,
}

/// Does something about a task.
pub fn task(call: &mut Call, given: Task) -> Result<Answer> {
    let lacks = |what: &str| Error::usage("do that to a task", "", format!("`{what}` is missing"));
    if matches!(given.action, Action::Add) {
        return add(call, given);
    }
    let term = duration("term", given.term.as_deref())?;
    if matches!(given.action, Action::Claim) {
        return claim(call, &given, term.unwrap_or(ops::TERM));
    }
    let id = given.id.ok_or_else(|| lacks("id").next("`tasks` lists their ids"))?;
    let (text, agent) = (given.text, call.agent.clone());
    let why = || text.clone().ok_or_else(|| lacks("text").next("say how far it is, or why"));
    let (what, step) = match given.action {
        Action::Renew => {
            let task = ops::task_renew(&mut call.node, &id, agent, term)?;
            return Ok(said("renewed", &task));
        }
        Action::Progress if given.percent.is_some_and(|percent| percent > 100) => {
            return Err(Error::usage("tell the progress of", &id, "there are 100 percent"));
        }
        Action::Progress => ("noted progress of", Say::Progress(why()?, given.percent)),
        Action::Fail => ("gave up", Say::Fail(why()?)),
        Action::Block => ("blocked", Say::Block(why()?)),
        Action::Release => ("released", Say::Release(text)),
        Action::Unblock => ("unblocked", Say::Unblock),
        Action::Cancel => ("cancelled", Say::Cancel(text)),
        Action::Reopen => ("reopened", Say::Reopen),
        Action::Done | Action::Add | Action::Claim => ("ended", Say::Done(text)),
    };
    let Call { cx, node, .. } = call;
    let word = known(cx, node, |node| ops::task_say(node, &id, agent.clone(), step.clone()))?;
    let task = say::settled(cx, node, &word)?;
    Ok(said(what, &task))
}

fn add(call: &mut Call, given: Task) -> Result<Answer> {
    let title = given.title.ok_or_else(|| {
        Error::usage("add a task", "", "`title` is missing").next("say in one line what is to be done")
    })?;
    let new = NewTask {
        agent: call.agent.clone(),
        author: call.author,
        title,
        body: given.body.unwrap_or_default(),
        to: given.to.map(|to| word::<Address>("to", &to)).transpose()?,
        role: given.role,
        depends: given.depends,
        priority: given.priority.map(Priority::from).unwrap_or_default(),
        due: given.due,
        create: false,
    };
    let Call { cx, node, .. } = call;
    let task = known(cx, node, |node| ops::task_add(node, new.clone()))?;
    refresh(cx, node, "task");
    Ok(said("added", &task))
}

fn claim(call: &mut Call, given: &Task, term: Duration) -> Result<Answer> {
    let wanted = Wanted { agent: call.agent.clone(), role: given.role.clone(), term, timeout: CLAIMED };
    let Call { cx, node, .. } = call;
    let task = match &given.id {
        Some(id) => claim::one(cx, node, id, &wanted)?,
        None => claim::next(cx, node, &wanted)?,
    };
    Ok(said("claimed", &task))
}

fn said(what: &str, task: &TaskView) -> Answer {
    let (id, standing) = (task.task.id.short(), list::standing(task, str::to_owned));
    let text = format!("{what} {id} ({standing})\n{}", shown::theirs(&task.task.title));
    Answer { text, data: brief(task) }
}

/// A task for a program, without its text.
fn brief(view: &TaskView) -> Value {
    let task = &view.task;
    let mut data = json!({"id": task.id, "title": task.title, "standing": view.standing});
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            data[key] = value;
        }
    };
    put("to", task.to.as_ref().map(|to| json!(to)));
    put("role", task.role.as_ref().map(|role| json!(role)));
    put("priority", Some(task.priority).filter(|it| *it != Priority::Normal).map(|it| json!(it.as_str())));
    put("due", task.due.as_ref().map(|due| json!(due)));
    put("holder", task.holder.as_ref().map(|held| json!(held.by)));
    put("until", view.until.as_ref().map(|until| json!(until)));
    put("left", view.left.then_some(Value::from(true)));
    put("waits_for", Some(&view.waits_for).filter(|ids| !ids.is_empty()).map(|ids| json!(ids)));
    put("progress", task.progress.as_ref().map(|progress| json!(progress)));
    put("blocked", task.blocked.as_ref().map(|why| json!(why)));
    put("outcome", task.outcome.as_ref().map(|outcome| json!(outcome)));
    data
}
