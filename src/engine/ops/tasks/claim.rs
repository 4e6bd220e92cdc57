//! Claiming: a wish in the store, which the engine fulfils on the share or denies. And renewing, which needs no share.

use std::time::Duration;

use super::{board, find, say, speaker, view};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::claim::MOST;
use crate::model::name::Name;
use crate::model::task::{TaskId, Wanted};
use crate::store::db::{Answer, Wish};

/// For how long a task is claimed if nobody says otherwise.
pub const TERM: Duration = Duration::from_secs(30 * 60);

/// What came of asking for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claiming {
    /// Whoever asked holds it already.
    Held,
    /// The engine sees to it: [`task_answer`] tells the end of this wish.
    Asked(i64),
}

/// Wishes for a claim of a task: for `agent`, for as long as `term` without a word of it. Whoever asks waits for as long as
/// `patience`; a claim that can't be made by then is not made later.
///
/// # Errors
/// The task is not known, or over; the term is none.
pub fn task_claim(
    node: &mut Node,
    word: &str,
    agent: Option<Name>,
    term: Duration,
    patience: Duration,
) -> Result<Claiming> {
    let (kept, who) = (find(node, word)?, speaker(node, agent));
    if term < Duration::from_secs(1) || term > MOST {
        let cause = "a claim lasts between a second and seven days";
        return Err(Error::usage("claim the task", kept.task.id.short(), cause));
    }
    if kept.task.holder.as_ref().is_some_and(|held| held.by == who) {
        return Ok(Claiming::Held);
    }
    if kept.task.status.is_final() {
        let cause = format!("it is {}", view::word(&kept.task));
        return Err(Error::usage("claim the task", kept.task.id.short(), cause)
            .next("`lanpost task reopen` it first"));
    }
    let now = node.clock.wall_ms();
    let until = now.saturating_add(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
    let random = node.clock.random();
    let word: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let wish = Wish { n: 0, task: kept.task.id, who, term: term.as_secs(), word, until };
    let n = node.db.wish(&wish, now)?;
    node.ring();
    Ok(Claiming::Asked(n))
}

/// The end of a wish; `None`: it has none yet.
///
/// # Errors
/// The local store's.
pub fn task_answer(node: &Node, wish: i64) -> Result<Option<Answer>> {
    node.db.answer_of(wish)
}

/// What whoever looks for work should claim, the best first: what is open, and what a dead instance left.
///
/// # Errors
/// The local store's.
pub fn task_next(node: &Node, agent: Option<Name>, role: Option<&str>) -> Result<Vec<TaskId>> {
    let (board, who) = (board(node)?, speaker(node, agent));
    let wanted = Wanted { who: &who, role };
    let mut ids: Vec<TaskId> = board.next_for(&wanted).into_iter().map(|task| task.id.clone()).collect();
    for task in board.left_for(&wanted) {
        if view::is_left(node, task)? {
            ids.push(task.id.clone());
        }
    }
    Ok(ids)
}

/// Lets the claim of a task last for `term` from now on. Our matter alone: costs the share nothing.
///
/// # Errors
/// The task is not known, or not held by whoever says so.
pub fn task_renew(
    node: &mut Node,
    word: &str,
    agent: Option<Name>,
    term: Option<Duration>,
) -> Result<view::TaskView> {
    let kept = find(node, word)?;
    let held = say::held(&kept.task, &speaker(node, agent), "renew the claim of")?;
    let term = term.map_or(held.term, |term| term.as_secs()).clamp(1, MOST.as_secs());
    let until =
        node.clock.wall_ms().saturating_add(i64::try_from(term).unwrap_or(i64::MAX).saturating_mul(1_000));
    node.db.renew_task(&kept.task.id, until)?;
    node.ring();
    view::TaskView::of(node, &board(node)?, &kept.task.id)
}
