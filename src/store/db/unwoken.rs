//! Mail that nobody was woken for, since its wake failed for good, or that nobody read after wakes enough. Its sender was
//! told. It wakes after all when there is reason to think that it would work now: a later wake of the same agent worked,
//! a person says so, agents are woken in another way, or, if it failed for now, the daemon starts or much time passed
//! (its `wake_at`; 0 if it failed for good). What its sender was told stays true; that it is read after all,
//! the receipts tell, as ever.
//!
//! What failed where others did not may fail again: unless a person asks for it, its failures still count, and it goes alone.
//!
//! Invariant: after a later wake a message gets [`CHANCES`] at most, since it may itself be why its wake fails.

use rusqlite::{ToSql, Transaction, params};

use super::Db;
use super::audit::log;
use super::message::{Message, Way};
use crate::error::Result;

/// Wakes for a message that may fail for good before none is made for it just because another one worked.
const CHANCES: i64 = 4;

/// What the index holds.
const OVER: &str = "state = 'delivered' AND wake IN ('failed', 'unread')";

/// The same as a source of rows.
pub(super) const MAIL: &str =
    "message INDEXED BY message_unwoken WHERE state = 'delivered' AND wake IN ('failed', 'unread')";

impl Db {
    /// How many messages there are that nobody was woken for, or that nobody read.
    pub fn unwoken(&self) -> Result<u64> {
        self.query("read", |c| {
            let sql = format!("SELECT count(*) FROM message INDEXED BY message_unwoken WHERE {OVER}");
            c.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0))
        })
        .map(i64::unsigned_abs)
    }

    /// Makes all of them due again, and as if nobody had been woken for them; returns how many they are.
    pub fn wake_unwoken(&mut self, why: &str, now: i64) -> Result<u64> {
        if self.unwoken()? == 0 {
            return Ok(0);
        }
        self.write("mark wakes in", |tx| {
            let sql = format!("UPDATE message SET failures = 0 WHERE {OVER}");
            tx.prepare_cached(&sql)?.execute([])?;
            revive(tx, "TRUE", params![], why, now)
        })
    }

    /// Makes these due again, as if nobody had been woken for them.
    pub fn wake_these(&mut self, messages: &[Message], why: &str, now: i64) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        self.write("mark wakes in", |tx| {
            for message in messages {
                let sql = format!("UPDATE message SET failures = 0 WHERE {OVER} AND n = ?1");
                tx.prepare_cached(&sql)?.execute([message.n])?;
                revive(tx, "n = ?1", params![message.n], why, now)?;
            }
            Ok(())
        })
    }

    /// Makes mail due again whose wakes failed for now so often that it was given up, if its time has come, or all of it at a
    /// `start`. What waits for longer than `longest` waits for a clock that was set back.
    pub fn wake_slowly(&mut self, start: bool, longest: i64, now: i64) -> Result<()> {
        let late = now.saturating_add(longest);
        let which = "wake = 'failed' AND wake_at > 0 AND (?1 OR wake_at <= ?2 OR wake_at > ?3)";
        let some = self.query("read", |c| {
            let some = format!("SELECT 1 FROM message INDEXED BY message_unwoken WHERE {OVER} AND {which}");
            let sql = format!("SELECT EXISTS ({some})");
            c.prepare_cached(&sql)?.query_row(params![start, now, late], |row| row.get::<_, bool>(0))
        })?;
        if !some {
            return Ok(());
        }
        self.write("mark wakes in", |tx| {
            revive(tx, which, params![start, now, late], "after a long pause", now).map(drop)
        })
    }
}

/// Makes mail due again after this wake, which worked, whose own had failed, if it is for the same agent, and if what works
/// for one sender says anything about another: not if it worked all along, between the mail's first attempt and its last.
pub(super) fn after_wake(tx: &Transaction, wake: i64, now: i64) -> rusqlite::Result<()> {
    let alike = "wake = 'failed'
        AND ?2 > (SELECT count(*) FROM wake_message l JOIN wake w ON w.n = l.wake
                  WHERE l.message = message.n AND w.state = 'failed')
        AND EXISTS (SELECT 1 FROM (SELECT min(w.n) AS first, max(w.n) AS last, w.agent, w.sender
                                   FROM wake_message l JOIN wake w ON w.n = l.wake WHERE l.message = message.n) AS own
                    JOIN wake AS this ON this.n = ?1 AND this.agent = own.agent
                    WHERE this.sender = own.sender
                       OR NOT EXISTS (SELECT 1 FROM wake AS other
                                      WHERE other.n BETWEEN own.first AND own.last AND other.agent = own.agent
                                        AND other.state IN ('done', 'accepted')))";
    revive(tx, alike, params![wake, CHANCES], "a later wake worked", now).map(drop)
}

/// Has nobody woken for a message any more; `false` if nobody would be.
pub(super) fn drop_one(tx: &Transaction, message: &Message, now: i64) -> rusqlite::Result<bool> {
    let sql = format!("UPDATE message SET wake = NULL WHERE {OVER} AND n = ?1");
    let dropped = tx.prepare_cached(&sql)?.execute([message.n])? > 0;
    if dropped {
        log(tx, now, Way::In, &message.peer, message.id.as_str(), "dropped", Some("by hand"))?;
    }
    Ok(dropped)
}

fn revive(
    tx: &Transaction,
    which: &str,
    parameters: &[&dyn ToSql],
    why: &str,
    now: i64,
) -> rusqlite::Result<u64> {
    let sql = format!("SELECT n, peer, id FROM message INDEXED BY message_unwoken WHERE {OVER} AND {which}");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(parameters, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(i64, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    for (n, peer, id) in &rows {
        let sql = "UPDATE message SET wake = 'due', wake_at = 0, accepted = 0, misses = 0 WHERE n = ?1";
        tx.prepare_cached(sql)?.execute([n])?;
        log(tx, now, Way::In, peer, id, "wake-due", Some(why))?;
    }
    Ok(rows.len() as u64)
}
