//! Tasks in the store: every event that was read or made here, and what those of one task come to.
//!
//! A task's row is folded anew ([`fold`]) in the transaction that takes in an event about it, so whatever is shown agrees
//! with the events. What follows from a change for somebody here (a claim lost, a task that need not wait any longer)
//! is put into the inbox in that transaction, once.

mod notice;
mod wishes;

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};

use super::audit::event as record;
use super::cursors::{self, Cursor};
use super::message::NewMessage;
use super::quarantine::{Quarantined, set_aside};
use super::refusals::{Refusal, refuse};
use super::{Accepted, Db, outbox, remember};
use crate::error::Result;
use crate::model::envelope::LEASE;
use crate::model::name::Name;
use crate::model::sign;
use crate::model::task::{Board, Deed, Entry, Event, Status, Task, TaskId, fold, fold_beside};

pub use wishes::{Answer, Wish};

/// Where our own log stands.
const POSITION: &str = "task log";

/// What was read of a log.
#[derive(Debug, Default)]
pub struct TaskIntake {
    /// The cursor's name.
    pub lane: String,
    /// Where it is now.
    pub cursor: Cursor,
    /// What stands there: each event, and the object that it was read from.
    pub events: Vec<(Event, Map<String, Value>)>,
    /// What could not be read.
    pub quarantined: Vec<Quarantined>,
    /// The most bytes of unreadable lines that are kept in all.
    pub room: u64,
    /// What was refused in somebody's name.
    pub refusals: Vec<Refusal>,
}

/// Whose store it is, as far as tasks go, and how its agents hear of them.
#[derive(Clone, Debug)]
pub struct TaskHome {
    /// Our own instance.
    pub us: Name,
    /// Somebody is woken for mail here.
    pub wakes: bool,
}

/// A task as it is kept.
#[derive(Clone, Debug)]
pub struct KeptTask {
    /// The task.
    pub task: Task,
    /// When something about it last came in here (wall-clock milliseconds).
    pub at: i64,
    /// When our own claim runs out, if we hold it.
    pub until: Option<i64>,
}

/// An event of ours that waits to be written.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    /// Its row.
    pub n: i64,
    /// What it says.
    pub event: Event,
    /// The object that is written.
    pub object: Map<String, Value>,
    /// It stood in our log already, and others may have read it.
    pub again: bool,
}

impl Db {
    /// All tasks, the oldest first.
    pub fn tasks(&self) -> Result<Vec<KeptTask>> {
        self.query("read", |c| {
            let mut statement = c.prepare_cached("SELECT task, at, until FROM task ORDER BY id")?;
            statement.query_map([], kept)?.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// One task.
    pub fn task(&self, id: &TaskId) -> Result<Option<KeptTask>> {
        self.query("read", |c| one(c, id))
    }

    /// What happened to a task, in order, and when each of it came in here; what we were fenced off from doing included.
    pub fn task_history(&self, id: &TaskId) -> Result<Vec<(Entry, i64)>> {
        let (written, fenced) =
            self.query("read", |c| Ok((events(c, id, Which::Counted)?, events(c, id, Which::Fenced)?)))?;
        let alone = |events: &[(Event, i64)]| events.iter().map(|(event, _)| event.clone()).collect();
        let (_, history) = fold_beside(alone(&written), alone(&fenced));
        let at = |event: &Event| {
            let same = |other: &&(Event, i64)| {
                other.0.id == event.id && other.0.instance().same_as(event.instance())
            };
            written.iter().chain(&fenced).find(same).map_or(0, |(_, at)| *at)
        };
        Ok(history.into_iter().map(|entry| (entry.clone(), at(&entry.event))).collect())
    }

    /// Keeps events of ours, to be written, and the mail that tells of them, all or nothing.
    pub fn add_task_events(
        &mut self,
        home: &TaskHome,
        events: &[Event],
        mail: &[NewMessage],
        now: i64,
    ) -> Result<()> {
        self.write_if("store the task in", |tx| {
            for event in events {
                insert(tx, event, &event.to_object(), "queued", now)?;
            }
            touched(tx, home, events, now)?;
            let mut whole = true;
            for message in mail {
                whole &= !matches!(outbox::accept(tx, message, now)?, Accepted::Conflict(_));
            }
            Ok(((), whole))
        })
    }

    /// Takes in what was read of a log; returns how many events of it are new.
    pub fn take_task_events(&mut self, home: &TaskHome, intake: &TaskIntake, now: i64) -> Result<usize> {
        self.write("take tasks into", |tx| {
            let mut new = vec![];
            for (event, object) in &intake.events {
                if insert(tx, event, object, "written", now)? {
                    new.push(event.clone());
                }
            }
            touched(tx, home, &new, now)?;
            set_aside(tx, &intake.quarantined, intake.room, now)?;
            intake.refusals.iter().try_for_each(|refusal| refuse(tx, refusal, now))?;
            cursors::store(tx, &intake.lane, &intake.cursor)?;
            Ok(new.len())
        })
    }

    /// Events of ours that wait to be written, the oldest first. Reads an index while there are none.
    pub fn queued_task_events(&self, limit: usize) -> Result<Vec<QueuedEvent>> {
        self.query("read", |c| {
            let sql = "SELECT n, event, state = 'again' FROM task_event INDEXED BY task_event_queue
                       WHERE state IN ('queued', 'again') ORDER BY n LIMIT ?1";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([limit as i64], |row| {
                let object: Map<String, Value> =
                    serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default();
                let event = Event::from_value(Value::Object(object.clone()));
                let (n, again) = (row.get(0)?, row.get(2)?);
                Ok(event.ok().map(|event| QueuedEvent { n, event, object, again }))
            })?;
            rows.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// The events were written, and our log stands there by now (`position`, in its writer's words). `cursor` is where our
    /// own reading of it goes on. Claims among them are held from now on, and whoever asked is told.
    pub fn task_events_written(
        &mut self,
        rows: &[i64],
        position: &str,
        cursor: Option<(&str, &Cursor)>,
    ) -> Result<()> {
        self.write("note the tasks in", |tx| {
            let mut update = tx.prepare_cached("UPDATE task_event SET state = 'written' WHERE n = ?1")?;
            rows.iter().try_for_each(|n| update.execute([n]).map(drop))?;
            wishes::held(tx, rows)?;
            remember(tx, POSITION, position)?;
            cursor.map_or(Ok(()), |(lane, cursor)| cursors::store(tx, lane, cursor))
        })
    }

    /// Where our own log stood after the last write, in its writer's words.
    pub fn task_position(&self) -> Result<Option<String>> {
        self.meta(POSITION)
    }

    /// Another one has claimed the task: these events of ours, which said that we hold it, are never written. Should one stand
    /// in our log all the same, by an append that was done though it failed, it counts as soon as that is read.
    pub fn fence_task_events(&mut self, home: &TaskHome, fenced: &[&QueuedEvent], now: i64) -> Result<()> {
        self.write("note the tasks in", |tx| {
            let events: Vec<_> = fenced.iter().map(|queued| queued.event.clone()).collect();
            for queued in fenced {
                tx.prepare_cached("UPDATE task_event SET state = 'fenced' WHERE n = ?1")?
                    .execute([queued.n])?;
                let detail = format!(
                    "{} of {}: another one has claimed it",
                    queued.event.deed.word(),
                    queued.event.task
                );
                record(tx, now, "task-fenced", &home.us.fold(), Some(&detail))?;
                wishes::lost(tx, queued.n)?;
                notice::lost(tx, home, &queued.event, now)?;
            }
            let tasks: BTreeSet<_> = events.iter().map(|event| &event.task).collect();
            tasks.into_iter().try_for_each(|task| refold(tx, home, task, now).map(drop))
        })
    }

    /// How many events of an instance are kept.
    pub fn task_events_of(&self, instance: &str) -> Result<u64> {
        let sql = "SELECT count(*) FROM task_event WHERE instance = ?1";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([instance], |row| row.get::<_, i64>(0)))
            .map(i64::unsigned_abs)
    }

    /// How far an event of ours is: `queued`, `written`, `again` (to be written again) or `fenced`.
    pub fn task_event_state(&self, us: &str, id: &str) -> Result<Option<String>> {
        let sql = "SELECT state FROM task_event WHERE instance = ?1 AND id = ?2";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([us, id], |row| row.get(0)).optional())
    }

    /// Whether an event of ours has this id.
    pub fn has_task_event(&self, us: &str, id: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM task_event WHERE instance = ?1 AND id = ?2)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([us, id], |row| row.get(0)))
    }

    /// Has events of ours written again, on a share that lost them, or under a new key: then those alone that concern tasks
    /// which are not over (`open`). Returns how many.
    pub fn rewrite_task_events(&mut self, us: &str, open: bool) -> Result<usize> {
        self.write("note the tasks in", |tx| {
            let sql = "UPDATE task_event SET state = 'again' WHERE instance = ?1 AND state = 'written'
                       AND NOT (?2 AND EXISTS (SELECT 1 FROM task t WHERE t.id = task_event.task AND t.final))";
            tx.prepare_cached(sql)?.execute(params![us, open])
        })
    }

    /// Claims of ours whose time has run out.
    pub fn task_claims_over(&self, now: i64) -> Result<Vec<KeptTask>> {
        self.query("read", |c| {
            let sql = "SELECT task, at, until FROM task WHERE until <= ?1 ORDER BY id";
            c.prepare_cached(sql)?.query_map([now], kept)?.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// When the first of our claims runs out.
    pub fn task_claims_until(&self) -> Result<Option<i64>> {
        let sql = "SELECT min(until) FROM task";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([], |row| row.get(0)))
    }

    /// Lets our claim of a task last until then. It is our matter alone: to others our heartbeat says that we live.
    pub fn renew_task(&mut self, id: &TaskId, until: i64) -> Result<bool> {
        self.write("renew the claim in", |tx| {
            let sql = "UPDATE task SET until = ?2 WHERE id = ?1 AND until IS NOT NULL";
            tx.prepare_cached(sql)?.execute(params![id.as_str(), until]).map(|rows| rows == 1)
        })
    }
}

fn kept(row: &Row) -> rusqlite::Result<Option<KeptTask>> {
    let task: Option<Task> = serde_json::from_str(&row.get::<_, String>(0)?).ok();
    let (at, until) = (row.get(1)?, row.get(2)?);
    Ok(task.map(|task| KeptTask { task, at, until }))
}

fn one(c: &rusqlite::Connection, id: &TaskId) -> rusqlite::Result<Option<KeptTask>> {
    let sql = "SELECT task, at, until FROM task WHERE id = ?1";
    Ok(c.prepare_cached(sql)?.query_row([id.as_str()], kept).optional()?.flatten())
}

/// Which events of a task are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that count.
    Counted,
    /// Those of ours that we were fenced off from before they were written.
    Fenced,
}

fn events(c: &rusqlite::Connection, id: &TaskId, which: Which) -> rusqlite::Result<Vec<(Event, i64)>> {
    let sql = "SELECT event, at FROM task_event WHERE task = ?1 AND ?2 = (state = 'fenced')";
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params![id.as_str(), which == Which::Fenced], |row| {
        let event = serde_json::from_str(&row.get::<_, String>(0)?).ok();
        Ok(event.and_then(|event| Event::from_value(event).ok()).zip(row.get(1)?))
    })?;
    rows.filter_map(rusqlite::Result::transpose).collect()
}

/// Keeps an event; `false` if it was known. Of two that have one id, which no honest writer makes, all PCs keep the same.
fn insert(
    tx: &Transaction,
    event: &Event,
    object: &Map<String, Value>,
    state: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let mut object = object.clone();
    object.remove(LEASE);
    object.remove(sign::FIELD);
    let (instance, json) = (event.instance().fold(), Value::Object(object).to_string());
    let sql = "INSERT INTO task_event (task, instance, id, event, at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (instance, id) DO UPDATE SET event = excluded.event
               WHERE task = excluded.task AND excluded.event < event";
    let row = params![event.task.as_str(), instance, event.id.as_str(), json, now, state];
    if tx.prepare_cached(sql)?.execute(row)? == 0 {
        return Ok(state == "written" && stands(tx, event, &instance)?);
    }
    let detail = format!("{} by {}: {}", event.task, event.from, event.deed.detail());
    record(tx, now, &format!("task-{}", event.deed.word()), &instance, Some(&detail))?;
    Ok(true)
}

/// An event of ours that was not known to be written stands in our log: others may have read it, so it counts whoever claimed
/// the task since, and is written again, since the append that left it there failed. Whether it did not count before.
fn stands(tx: &Transaction, event: &Event, instance: &str) -> rusqlite::Result<bool> {
    let again = |state: &str| {
        let sql = "UPDATE task_event SET state = 'again' WHERE instance = ?1 AND id = ?2 AND task = ?3 AND state = ?4";
        let row = params![instance, event.id.as_str(), event.task.as_str(), state];
        tx.prepare_cached(sql)?.execute(row)
    };
    again("queued")?;
    again("fenced").map(|rows| rows > 0)
}

/// What follows from new events.
fn touched(tx: &Transaction, home: &TaskHome, new: &[Event], now: i64) -> rusqlite::Result<()> {
    let tasks: BTreeSet<_> = new.iter().map(|event| &event.task).collect();
    let mut ended = vec![];
    for id in tasks {
        let (before, after) = refold(tx, home, id, now)?;
        let Some(after) = after else { continue };
        let over = |task: &Task| matches!(task.status, Status::Done | Status::Cancelled);
        if over(&after) && !before.as_ref().is_some_and(|before| over(&before.task)) {
            ended.push(after.clone());
        }
        notice::taken(tx, home, before.as_ref(), &after, now)?;
        // A word of its holder says that it is at work.
        let term = after.holder.as_ref().map_or(0, |held| held.term as i64 * 1_000);
        let spoke = |event: &&Event| event.task == *id && matches!(event.deed, Deed::Progress { .. });
        if new.iter().filter(spoke).any(|event| event.instance().same_as(&home.us)) {
            let sql = "UPDATE task SET until = max(until, ?2) WHERE id = ?1 AND until IS NOT NULL";
            tx.prepare_cached(sql)?.execute(params![id.as_str(), now.saturating_add(term)])?;
        }
    }
    if ended.is_empty() {
        return Ok(());
    }
    let mut statement = tx.prepare_cached("SELECT task, at, until FROM task ORDER BY id")?;
    let all: Vec<Option<KeptTask>> = statement.query_map([], kept)?.collect::<rusqlite::Result<_>>()?;
    let board = Board::new(all.into_iter().flatten().map(|kept| kept.task));
    for over in &ended {
        for freed in board.freed_by(&over.id) {
            notice::freed(tx, home, freed, over, now)?;
        }
    }
    Ok(())
}

/// Makes a task's row anew from its events; returns what it was and what it is.
fn refold(
    tx: &Transaction,
    home: &TaskHome,
    id: &TaskId,
    now: i64,
) -> rusqlite::Result<(Option<KeptTask>, Option<Task>)> {
    let before = one(tx, id)?;
    let (after, _) = fold(events(tx, id, Which::Counted)?.into_iter().map(|(event, _)| event).collect());
    let Some(after) = after else { return Ok((before, None)) };
    let ours = after.holder.as_ref().filter(|held| held.by.instance.same_as(&home.us));
    let token = |kept: &KeptTask| kept.task.holder.as_ref().map(|held| held.token);
    let until = ours.map(|held| {
        let known =
            before.as_ref().filter(|before| token(before) == Some(held.token)).and_then(|kept| kept.until);
        known.unwrap_or_else(|| now.saturating_add(held.term.min(u64::from(u32::MAX)) as i64 * 1_000))
    });
    let json = serde_json::to_string(&after).unwrap_or_default();
    let sql = "INSERT INTO task (id, task, final, at, until) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET
               task = excluded.task, final = excluded.final, at = excluded.at, until = excluded.until";
    tx.prepare_cached(sql)?.execute(params![id.as_str(), json, after.status.is_final(), now, until])?;
    Ok((before, Some(after)))
}

#[cfg(test)]
mod tests;
