//! Adding a task, and saying otherwise what it is. Whoever it is assigned to gets mail of type `task`, which wakes and is
//! receipted as any other.

use serde_json::Value;

use super::super::send::{Author, Draft, address};
use super::{TaskView, board, find, first_task_event, home, speaker, task_event};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::envelope::Priority;
use crate::model::name::{Address, Name};
use crate::model::task::{Board, Deed, Details, Edit, Event, TASK, Task, TaskId};
use crate::store::db::NewMessage;

/// A task that is to be added.
#[derive(Clone, Debug, Default)]
pub struct NewTask {
    /// What is to be done, in one line.
    pub title: String,
    /// The same at length.
    pub body: String,
    /// Whom it is assigned to.
    pub to: Option<Address>,
    /// What kind of worker it is for.
    pub role: Option<String>,
    /// What must be done before: ids, or parts of them.
    pub depends: Vec<String>,
    /// How soon it wants attention.
    pub priority: Priority,
    /// When it should be done: a day, or a time (RFC 3339).
    pub due: Option<String>,
    /// The agent that adds it.
    pub agent: Option<Name>,
    /// What that comes of.
    pub author: Author,
    /// Assign it to an instance that was never seen.
    pub create: bool,
}

/// What is to be said otherwise; an empty text takes something away.
#[derive(Clone, Debug, Default)]
pub struct TaskEdit {
    /// What changes.
    pub edit: Edit,
    /// The agent that says so.
    pub agent: Option<Name>,
    /// What that comes of.
    pub author: Author,
    /// Assign it to an instance that was never seen.
    pub create: bool,
}

/// Adds a task, and tells whom it is assigned to. One local fsync, no share operation.
///
/// # Errors
/// What is said of it is beyond its bounds, a dependency or the assignee is not known.
pub fn task_add(node: &mut Node, new: NewTask) -> Result<TaskView> {
    let id: TaskId =
        node.clock.message_id().as_str().parse().map_err(|why| Error::usage("add a task", "", why))?;
    let depends = new.depends.iter().map(|word| Ok(find(node, word)?.task.id)).collect::<Result<Vec<_>>>()?;
    let due = new.due.map(|due| day_or_time(&due)).transpose()?;
    let details = Details {
        title: new.title.trim().to_owned(),
        body: new.body,
        to: new.to,
        role: new.role,
        depends,
        priority: new.priority,
        due,
        by_hand: false,
    };
    let from = speaker(node, new.agent);
    let mail = match details.to.clone().filter(|to| *to != from) {
        Some(to) => {
            let task =
                Sketch { id: &id, title: &details.title, body: &details.body, priority: details.priority };
            let waits = !details.depends.is_empty();
            Some(assignment(node, &task, to, &from, (new.author, new.create), waits)?)
        }
        None => None,
    };
    // As it spells itself.
    let to = mail.as_ref().and_then(|mail| mail.envelope.to.clone()).or(details.to.clone());
    let event = first_task_event(node, from, id.clone(), Details { to, ..details });
    store(node, &event, mail.as_slice())?;
    TaskView::of(node, &board(node)?, &id)
}

/// Says otherwise what a task is; a new assignee is told.
///
/// # Errors
/// As of [`task_add`]; the task is not known, or over.
pub fn task_edit(node: &mut Node, word: &str, change: TaskEdit) -> Result<TaskView> {
    let kept = find(node, word)?;
    let mut edit = change.edit;
    if kept.task.status.is_final() {
        let cause = format!("it is over ({})", super::view::word(&kept.task));
        return Err(
            Error::usage("change the task", &kept.task.id, cause).next("`lanpost task reopen` it first")
        );
    }
    edit.title = edit.title.map(|title| title.trim().to_owned());
    edit.due = edit.due.map(|due| if due.is_empty() { Ok(due) } else { day_or_time(&due) }).transpose()?;
    let from = speaker(node, change.agent);
    let to: Option<Address> = match edit.to.as_deref().filter(|to| !to.is_empty()) {
        Some(to) => Some(to.parse().map_err(|why| Error::usage("assign the task to", to, why))?),
        None => None,
    };
    let mail = match to.filter(|to| *to != from && kept.task.to.as_ref() != Some(to)) {
        Some(to) => {
            let title = edit.title.as_deref().unwrap_or(&kept.task.title);
            let body = edit.body.as_deref().unwrap_or(&kept.task.body);
            let priority = edit.priority.unwrap_or(kept.task.priority);
            let task = Sketch { id: &kept.task.id, title, body, priority };
            let waits = waits(&board(node)?, &kept.task);
            Some(assignment(node, &task, to, &from, (change.author, change.create), waits)?)
        }
        None => None,
    };
    if let Some(to) = mail.as_ref().and_then(|mail| mail.envelope.to.clone()) {
        edit.to = Some(to.to_string());
    }
    let event = task_event(node, from, &kept.task, Deed::Edit(edit));
    store(node, &event, mail.as_slice())?;
    TaskView::of(node, &board(node)?, &kept.task.id)
}

fn waits(board: &Board, task: &Task) -> bool {
    board.waits_for(task).next().is_some()
}

/// What mail about a task says of it.
struct Sketch<'a> {
    id: &'a TaskId,
    title: &'a str,
    body: &'a str,
    priority: Priority,
}

/// The mail that tells an assignee.
fn assignment(
    node: &Node,
    task: &Sketch,
    to: Address,
    from: &Address,
    (author, create): (Author, bool),
    waits: bool,
) -> Result<NewMessage> {
    let short = task.id.short();
    let body = if task.body.is_empty() { String::new() } else { format!("\n\n{}", task.body) };
    let next = match waits {
        true => "It waits for others; you will hear when it can be worked on.".to_owned(),
        false => {
            format!("Take it with `lanpost task claim {short}`, end it with `lanpost task done {short}`.")
        }
    };
    let text = format!("{}{body}\n\nTask {short} is assigned to you. {next}", task.title);
    let draft = Draft {
        kind: Some(TASK.into()),
        agent: from.agent.clone(),
        thread: Some(format!("task-{}", task.id)),
        priority: task.priority,
        author,
        create,
        ..Draft::new(to, text)
    };
    let mut mail = address(node, draft)?;
    if mail.envelope.sealed.is_none() {
        mail.envelope.rest.insert("task".to_owned(), Value::from(task.id.as_str()));
    }
    Ok(mail)
}

/// Keeps an event of ours if others will take it, and the mail that tells of it.
pub(in crate::engine::ops) fn store(node: &mut Node, event: &Event, mail: &[NewMessage]) -> Result<()> {
    // What others would set aside is refused here, where somebody can mend it.
    if let Err(why) = Event::from_value(Value::Object(event.to_object())) {
        return Err(Error::usage("write down the task", event.task.short(), why));
    }
    node.db.add_task_events(&home(node), std::slice::from_ref(event), mail, node.clock.wall_ms())?;
    node.ring();
    Ok(())
}

fn day_or_time(due: &str) -> Result<String> {
    let day = chrono::NaiveDate::parse_from_str(due, "%Y-%m-%d").is_ok();
    match day || chrono::DateTime::parse_from_rfc3339(due).is_ok() {
        true => Ok(due.to_owned()),
        false => Err(Error::usage("take the time", due, "it is no day and no time")
            .next("write 2026-02-14, or 2026-02-14T18:00:00+08:00")),
    }
}
