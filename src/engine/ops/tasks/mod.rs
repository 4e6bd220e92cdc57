//! Tasks: adding, looking, claiming, and saying how far they are.
//!
//! All but a claim is done when it is in the local store: the engine writes it into our log, and others read it there. A
//! claim is wished for ([`task_claim`]) and answered when it is on the share ([`task_answer`]). What a holder says of its
//! task counts only if nobody took it over meanwhile, which [`task_word`] tells.

mod add;
mod claim;
mod say;
mod view;

pub(super) use add::store as store_with_mail;
pub use add::{NewTask, TaskEdit, task_add, task_edit};
pub use claim::{Claiming, TERM, task_answer, task_claim, task_next, task_renew};
pub use say::{Said, Say, Word, task_depend, task_say, task_word};
pub(in crate::engine) use view::is_left;
pub use view::{Shown, TaskStep, TaskView, Which, task_list, task_show};

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::model::name::{Address, Name};
use crate::model::task::{Board, Deed, Details, Event, Task, TaskId};
use crate::store::db::{KeptTask, TaskHome};

const WANTED: &str = "task_look_wanted";
const DONE: &str = "task_look_done";

/// Who speaks here.
fn speaker(node: &Node, agent: Option<Name>) -> Address {
    Address { instance: node.instance().clone(), agent }
}

fn home(node: &Node) -> TaskHome {
    TaskHome { us: node.instance().clone(), wakes: node.config.wake.is_on() }
}

/// An event about a task, after all that is known of it.
pub(in crate::engine) fn task_event(node: &Node, from: Address, task: &Task, deed: Deed) -> Event {
    Event {
        id: node.clock.message_id(),
        from,
        timestamp: format_time(node.clock.wall()),
        task: task.id.clone(),
        version: task.version + 1,
        token: task.token,
        deed,
    }
}

/// The event that makes a task.
pub(in crate::engine) fn first_task_event(
    node: &Node,
    from: Address,
    task: TaskId,
    details: Details,
) -> Event {
    Event {
        id: node.clock.message_id(),
        from,
        timestamp: format_time(node.clock.wall()),
        task,
        version: 1,
        token: 0,
        deed: Deed::Add(details),
    }
}

/// All tasks that are known.
fn board(node: &Node) -> Result<Board> {
    Ok(Board::new(node.db.tasks()?.into_iter().map(|kept| kept.task)))
}

/// The one task that is called so: by its id, its beginning, or its end.
///
/// # Errors
/// None, or several: the error lists them.
fn find(node: &Node, word: &str) -> Result<KeptTask> {
    let deed = "find the task";
    let mut found = node.db.tasks()?;
    found.retain(|kept| kept.task.id.is_called(word));
    match found.len() {
        0 => Err(Error::new(Kind::NotFound, deed, word, "no task is called so")
            .next("`lanpost task list --all` lists the ids; three letters of one are enough")),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let list: Vec<_> =
                found.iter().map(|kept| format!("{} ({})", kept.task.id, kept.task.title)).collect();
            let cause = format!("several tasks are called so: {}", list.join(", "));
            Err(Error::usage(deed, word, cause).next("give more of the id"))
        }
    }
}

/// Asks the daemon to look now what others did; returns a ticket for [`task_look_done`].
///
/// # Errors
/// The local store's.
pub fn request_task_look(node: &mut Node) -> Result<i64> {
    let ticket = number(node, WANTED)? + 1;
    node.db.set_meta(WANTED, &ticket.to_string())?;
    node.ring();
    Ok(ticket)
}

/// Whether the look that `ticket` asked for has happened.
///
/// # Errors
/// The local store's.
pub fn task_look_done(node: &Node, ticket: i64) -> Result<bool> {
    Ok(number(node, DONE)? >= ticket)
}

/// The engine's side: the ticket that waits for a look, if one does.
pub(in crate::engine) fn task_look_wanted(node: &Node) -> Result<Option<i64>> {
    let wanted = number(node, WANTED)?;
    Ok((wanted > number(node, DONE)?).then_some(wanted))
}

/// The engine's side: the look has happened.
pub(in crate::engine) fn answer_task_look(node: &mut Node, ticket: i64) -> Result<()> {
    node.db.set_meta(DONE, &ticket.to_string())
}

fn number(node: &Node, key: &str) -> Result<i64> {
    Ok(node.db.meta(key)?.and_then(|n| n.parse().ok()).unwrap_or(0))
}
