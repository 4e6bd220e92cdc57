//! Work for one of several: reading it says that somebody is at it, finishing it ends its task.

use super::tasks::store_with_mail;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::name::Address;
use crate::model::task::{Deed, Event};
use crate::store::db::{KeptTask, Message, Way};

/// Its task, if it is such work.
fn task_of(node: &Node, message: &Message) -> Result<Option<KeptTask>> {
    let task = message.broadcast.as_ref().and_then(|broadcast| broadcast.task());
    match task.filter(|_| message.way == Way::In) {
        Some(task) => node.db.task(&task),
        None => Ok(None),
    }
}

/// # Errors
/// It is offered to several, and not ours, or not yet.
pub(super) fn is_ours(deed: &str, message: &Message) -> Result<()> {
    match message.offered {
        false => Ok(()),
        true => {
            let error = Error::usage(deed, &message.id, "it is offered to several, and is not ours");
            Err(error.next("it comes into the inbox if it becomes so; `lanpost task show` says who has it"))
        }
    }
}

/// Whoever looks at it is at work: the claim lasts from now on.
pub(super) fn renew(node: &mut Node, message: &Message, now: i64) -> Result<()> {
    let Some(kept) = task_of(node, message)? else { return Ok(()) };
    let held = kept.task.holder.filter(|held| held.by.instance.same_as(node.instance()));
    let Some(held) = held else { return Ok(()) };
    let term = i64::try_from(held.term).unwrap_or(i64::MAX).saturating_mul(1_000);
    node.db.renew_task(&kept.task.id, now.saturating_add(term)).map(drop)
}

/// Ends the task, so that nobody else works on it: written down before the mail is done with.
///
/// # Errors
/// It is not ours, or not any more.
pub(super) fn finish(node: &mut Node, message: &Message, failed: Option<&str>) -> Result<()> {
    let Some(kept) = task_of(node, message)? else { return is_ours("acknowledge", message) };
    if message.state.is_final() || kept.task.status.is_final() {
        return Ok(());
    }
    is_ours("acknowledge", message)?;
    let Some(held) = kept.task.holder.clone().filter(|held| held.by.instance.same_as(node.instance())) else {
        let cause = "another member works on it: its claim ran out here, or was taken over";
        return Err(Error::new(Kind::LeaseLost, "acknowledge", &message.id, cause));
    };
    let agent = message.to.parse::<Address>().ok().and_then(|to| to.agent);
    let from = Address { instance: node.instance().clone(), agent };
    let deed = match failed {
        Some(why) => Deed::Fail { why: why.to_owned() },
        None => Deed::Done { result: None, by_hand: false },
    };
    let event = Event { token: held.token, ..super::task_event(node, from, &kept.task, deed) };
    store_with_mail(node, &event, &[])
}
