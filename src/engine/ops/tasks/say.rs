//! What is said of a task: by its holder, how far it is and how it ended; by anybody, that it is blocked, or not wanted.

use super::{TaskView, add, board, find, speaker, task_event};
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::id::MessageId;
use crate::model::name::{Address, Name};
use crate::model::task::{Deed, Holder, Task, TaskId};

/// Something to say of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// How far it is, of a hundred if that is known.
    Progress(String, Option<u8>),
    /// It is done; what came of it.
    Done(Option<String>),
    /// It can't be done, by nobody; why.
    Fail(String),
    /// Others may claim it; why.
    Release(Option<String>),
    /// It can't be worked on for now; why.
    Block(String),
    /// It can again.
    Unblock,
    /// It is not wanted any more; why.
    Cancel(Option<String>),
    /// It is to be done all the same.
    Reopen,
}

/// What was said, and of what.
#[derive(Clone, Debug)]
pub struct Said {
    /// The task as it is by that.
    pub task: TaskView,
    /// By which [`task_word`] knows it.
    pub event: MessageId,
}

/// How far a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// In the local store; others don't know it yet.
    Queued,
    /// On the share.
    Written,
    /// It does not count: another one had claimed the task.
    Fenced,
}

/// Says something of a task. One local fsync; the engine writes it where others read it.
///
/// # Errors
/// The task is not known; somebody else holds it ([`Kind::LeaseLost`]), or nobody; it has ended, or has not.
pub fn task_say(node: &mut Node, word: &str, agent: Option<Name>, say: Say) -> Result<Said> {
    let (kept, who) = (find(node, word)?, speaker(node, agent));
    let task = &kept.task;
    let final_now = task.status.is_final();
    let (name, deed) = match say {
        Say::Progress(text, percent) => ("tell the progress of", Deed::Progress { text, percent }),
        Say::Done(result) => ("end", Deed::Done { result, by_hand: false }),
        Say::Fail(why) => ("give up", Deed::Fail { why }),
        Say::Release(why) => ("release", Deed::Release { why }),
        Say::Block(why) => ("block", Deed::Block { why }),
        Say::Unblock => ("unblock", Deed::Unblock),
        Say::Cancel(why) => ("cancel", Deed::Cancel { why }),
        Say::Reopen => ("reopen", Deed::Reopen),
    };
    let fail = |cause: String| Error::usage(format!("{name} the task"), task.id.short(), cause);
    match &deed {
        Deed::Reopen if !final_now => return Err(fail("it has not ended".into())),
        Deed::Reopen => {}
        _ if final_now => return Err(fail(format!("it is {} already", super::view::word(task)))),
        // What nobody holds anybody may end.
        Deed::Done { .. } if task.holder.is_none() => {}
        deed if deed.is_holders() || matches!(deed, Deed::Done { .. }) => {
            held(task, &who, name)?;
        }
        _ => {}
    }
    store(node, who, task, deed)
}

/// Makes a task wait for others, or with `remove` no longer.
///
/// # Errors
/// One of them is not known, or the task would wait for itself.
pub fn task_depend(
    node: &mut Node,
    word: &str,
    on: &[String],
    remove: bool,
    agent: Option<Name>,
) -> Result<Said> {
    let kept = find(node, word)?;
    let on: Vec<TaskId> = on.iter().map(|word| Ok(find(node, word)?.task.id)).collect::<Result<_>>()?;
    if remove {
        return store(node, speaker(node, agent), &kept.task, Deed::Undepend { on });
    }
    let board = board(node)?;
    if let Some(round) = on.iter().find(|other| board.goes_round(&kept.task.id, other)) {
        let cause = format!(
            "{} waits for it, directly or through others: none of them could ever begin",
            round.short()
        );
        return Err(Error::usage("make the task wait:", kept.task.id.short(), cause));
    }
    store(node, speaker(node, agent), &kept.task, Deed::Depend { on })
}

/// How far a word of ours is.
///
/// # Errors
/// The local store's.
pub fn task_word(node: &Node, event: &MessageId) -> Result<Word> {
    let state = node.db.task_event_state(&node.instance().fold(), event.as_str())?;
    Ok(match state.as_deref() {
        Some("queued" | "again") => Word::Queued,
        Some("fenced") => Word::Fenced,
        _ => Word::Written,
    })
}

fn store(node: &mut Node, who: Address, task: &Task, deed: Deed) -> Result<Said> {
    let event = task_event(node, who, task, deed);
    add::store(node, &event, &[])?;
    Ok(Said { task: TaskView::of(node, &board(node)?, &task.id)?, event: event.id })
}

/// The claim of a task, if it is of whoever speaks: its agent, or anybody who speaks for the instance alone.
///
/// # Errors
/// It is somebody else's, or nobody's.
pub(super) fn held<'a>(task: &'a Task, who: &Address, deed: &str) -> Result<&'a Holder> {
    let fail = |cause| Error::new(Kind::LeaseLost, format!("{deed} the task"), task.id.short(), cause);
    let Some(held) = &task.holder else {
        return Err(fail("nobody holds it".to_owned())
            .next(format!("`lanpost task claim {}` first", task.id.short())));
    };
    let agent = |name: &Option<Name>| name.as_ref().map(Name::fold);
    let same = held.by.instance.same_as(&who.instance);
    match same && (who.agent.is_none() || agent(&held.by.agent) == agent(&who.agent)) {
        true => Ok(held),
        false => Err(fail(format!("{} holds it", held.by))),
    }
}
