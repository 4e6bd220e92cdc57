//! What agents here hear of their tasks without asking: mail of lanpost's own in our inbox, which wakes as any other.
//! The same news has the same id, so that it is told once.

use rusqlite::{Transaction, params};
use serde_json::json;

use super::{KeptTask, TaskHome};
use crate::model::envelope::{Envelope, Priority, VERSION};
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;
use crate::model::task::{Deed, Event, Holder, TASK_NOTICE, Task};
use crate::model::trust::Verdict;
use crate::store::db::audit::log;
use crate::store::db::message::{NewMessage, Origin, Way, rfc3339};
use crate::store::db::waiting;

/// Another one claimed what somebody here held.
pub(super) fn taken(
    tx: &Transaction,
    home: &TaskHome,
    before: Option<&KeptTask>,
    after: &Task,
    now: i64,
) -> rusqlite::Result<()> {
    let ours = |held: &&Holder| held.by.instance.same_as(&home.us);
    let Some(held) = before.and_then(|before| before.task.holder.as_ref()).filter(ours) else {
        return Ok(());
    };
    match &after.holder {
        Some(other) if other.token > held.token && !ours(&other) => {
            let text = format!(
                "{} has taken over the task {} ({}): stop working on it",
                other.by,
                after.id.short(),
                after.title
            );
            let news = News { to: &held.by, task: after, what: "lost", token: held.token, text };
            put(tx, home, &news, now)
        }
        _ => Ok(()),
    }
}

/// What somebody here said of a task counts for nothing: another one had claimed it.
pub(super) fn lost(tx: &Transaction, home: &TaskHome, event: &Event, now: i64) -> rusqlite::Result<()> {
    if matches!(event.deed, Deed::Lapse | Deed::Release { .. }) {
        return Ok(());
    }
    let Some(kept) = super::one(tx, &event.task)? else { return Ok(()) };
    let text = format!(
        "another one has claimed the task {} ({}) since: your {:?} does not count",
        kept.task.id.short(),
        kept.task.title,
        event.deed.word()
    );
    put(tx, home, &News { to: &event.from, task: &kept.task, what: "lost", token: event.token, text }, now)
}

/// A task that is assigned to somebody here need not wait any longer.
pub(super) fn freed(
    tx: &Transaction,
    home: &TaskHome,
    task: &Task,
    over: &Task,
    now: i64,
) -> rusqlite::Result<()> {
    let Some(to) = task.to.as_ref().filter(|to| to.instance.same_as(&home.us)) else { return Ok(()) };
    let text =
        format!("the task {} ({}) can be worked on: {:?} is over", task.id.short(), task.title, over.title);
    put(tx, home, &News { to, task, what: "ready", token: over.version, text }, now)
}

struct News<'a> {
    to: &'a Address,
    task: &'a Task,
    what: &'static str,
    /// Tells this news from the same at another time.
    token: u64,
    text: String,
}

fn put(tx: &Transaction, home: &TaskHome, news: &News, now: i64) -> rusqlite::Result<()> {
    let task = &news.task.id;
    let id = MessageId::derived(TASK_NOTICE, &format!("{task} {} {} {}", news.what, news.to, news.token), 1);
    let envelope = Envelope {
        v: Some(VERSION),
        id: Some(id.clone()),
        from: home.us.to_string(),
        to: Some(news.to.clone()),
        timestamp: Some(rfc3339(now)),
        kind: TASK_NOTICE.into(),
        content: json!({"task": task, "title": news.task.title, "news": news.what, "text": news.text}),
        seq: None,
        thread: Some(format!("task-{task}")),
        in_reply_to: None,
        priority: Priority::Normal,
        expires: None,
        hops: None,
        sealed: None,
        broadcast: None,
        rest: serde_json::Map::new(),
    };
    let (peer, state) = (home.us.fold(), State::Delivered);
    let message =
        NewMessage { way: Way::In, peer, id: id.clone(), envelope, state, outcome: None, not_before: None };
    let origin = Origin { verdict: Some(Verdict::Verified), held: false, lane: None };
    if let Some(n) = message.insert_from(tx, now, &origin)? {
        tx.prepare_cached("UPDATE message SET digest = ?2, wake = iif(?3, 'due', NULL) WHERE n = ?1")?
            .execute(params![n, waiting::digest(&message.envelope).as_slice(), home.wakes])?;
        log(tx, now, Way::In, &message.peer, id.as_str(), state.as_str(), Some("a notice of our own"))?;
    }
    Ok(())
}
