//! Tasks as people and agents see them.

use serde::Serialize;

use super::{board, find, speaker};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::claim::patience;
use crate::model::name::{Address, Name};
use crate::model::task::{Board, Standing, Task, TaskId};
use crate::store::db::rfc3339;

/// A task as it is shown. Its JSON form is documented in `docs/cli.md` and only ever grows.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    /// What it is.
    #[serde(flatten)]
    pub task: Task,
    /// Whether it can be worked on.
    pub standing: Standing,
    /// What it still waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskId>,
    /// When our own claim of it runs out, unless it is renewed (RFC 3339, this PC's clock).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Its holder's instance has been silent for so long that another one may claim it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// Something that happened to a task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskStep {
    /// When, as its writer wrote it.
    pub timestamp: String,
    /// When it came in here (RFC 3339, this PC's clock).
    pub at: String,
    /// Who did it.
    pub by: Address,
    /// What, in one word.
    pub deed: &'static str,
    /// More about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why it has no effect, if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void: Option<&'static str>,
}

/// A task and its history.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// What happened to it, in the order that counts.
    pub history: Vec<TaskStep>,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Those that are over, too.
    pub all: bool,
    /// Those alone that can be claimed now.
    pub open: bool,
    /// Those alone that are blocked or wait for others.
    pub blocked: bool,
    /// Those alone that are assigned to, or held by, this agent of ours, or with `Some(None)` any of ours.
    pub mine: Option<Option<Name>>,
}

/// The tasks of that kind, the oldest first.
///
/// # Errors
/// The local store's.
pub fn task_list(node: &Node, which: &Which) -> Result<Vec<TaskView>> {
    let board = board(node)?;
    let mut list = vec![];
    for task in board.tasks() {
        let standing = board.standing(task);
        let wanted = match standing {
            _ if which.open => standing == Standing::Open,
            _ if which.blocked => matches!(standing, Standing::Blocked | Standing::Waiting),
            _ => which.all || !task.status.is_final(),
        };
        let ours = |agent: &Option<Name>| is_of(task, &speaker(node, agent.clone()));
        if wanted && which.mine.as_ref().is_none_or(ours) {
            list.push(TaskView::of(node, &board, &task.id)?);
        }
    }
    Ok(list)
}

/// One task, and what happened to it.
///
/// # Errors
/// No task is called so, or several.
pub fn task_show(node: &Node, word: &str) -> Result<Shown> {
    let id = find(node, word)?.task.id;
    let history = node.db.task_history(&id)?.into_iter().map(|(entry, at)| TaskStep {
        timestamp: entry.event.timestamp.clone(),
        at: rfc3339(at),
        by: entry.event.from.clone(),
        deed: entry.event.deed.word(),
        detail: entry.event.deed.detail(),
        void: entry.void.map(|void| void.words()),
    });
    Ok(Shown { history: history.collect(), task: TaskView::of(node, &board(node)?, &id)? })
}

impl TaskView {
    /// A task of the board.
    pub(super) fn of(node: &Node, board: &Board, id: &TaskId) -> Result<TaskView> {
        let gone = || Error::new(Kind::NotFound, "show the task", id.short(), "it is not there any more");
        let task = board.get(id).ok_or_else(gone)?;
        Ok(TaskView {
            standing: board.standing(task),
            waits_for: board.waits_for(task).cloned().collect(),
            until: node.db.task(id)?.and_then(|kept| kept.until).map(rfc3339),
            left: is_left(node, task)?,
            task: task.clone(),
        })
    }
}

/// Whether a task is claimed by an instance that has been silent for so long, on our clock, that it may be taken over.
pub(in crate::engine) fn is_left(node: &Node, task: &Task) -> Result<bool> {
    let Some(held) = task.holder.as_ref().filter(|held| !held.by.instance.same_as(node.instance())) else {
        return Ok(false);
    };
    let peer = node.db.peer(&held.by.instance.fold())?;
    Ok(peer.is_some_and(|peer| peer.silent(node.clock.wall_ms()) >= patience(held.term)))
}

/// The word for how far a task has come by itself.
pub(super) fn word(task: &Task) -> &'static str {
    Board::new([]).standing(task).as_str()
}

/// Whether a task is assigned to, or held by, whoever asks; one who names no agent asks for all of the instance.
fn is_of(task: &Task, who: &Address) -> bool {
    let agent = |name: &Option<Name>| name.as_ref().map(Name::fold);
    let same = |other: &Address| {
        other.instance.same_as(&who.instance)
            && (who.agent.is_none() || other.agent.is_none() || agent(&other.agent) == agent(&who.agent))
    };
    match &task.holder {
        Some(held) => same(&held.by),
        None => task.to.as_ref().is_some_and(same),
    }
}
