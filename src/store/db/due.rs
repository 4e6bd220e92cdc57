//! What waits for a time of the wall clock, and what that brings about: mail that is to go later, mail that was put off,
//! and mail whose time ran out before anybody read it.
//!
//! ```text
//! out: scheduled ──not_before──> queued, or attaching if it has files, in the place of one that was accepted then
//! in:  delivered, read ──snooze──> read, out of sight ──snoozed──> delivered, in the place of one that came then
//! in:  delivered ──expires──> expired, and its sender is told
//! ```
//! Each move is one transaction; what was due while nobody ran moves when somebody does. A clock that is set back lets it
//! wait for longer. To its sender, snoozed mail is read, and stays so.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::lists::{move_on, understands_receipts};
use super::message::{COLUMNS, Message, Way, rfc3339};
use super::{Db, attached, outbox, receipts, search};
use crate::error::Result;
use crate::model::exec::{EXEC, RESULT};
use crate::model::report::REPORT;
use crate::model::state::State;
use crate::model::trust::TRUST_REPORT;

/// The row of a message that moves to the end, past all that there ever was.
pub(super) const NEXT_ROW: &str = "(SELECT max((SELECT coalesce(max(n), 0) FROM message),
                                    (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message')) + 1)";
/// Mail that is out of sight.
const SNOOZED: &str = "message INDEXED BY message_snoozed WHERE snoozed > 0 AND state = 'read'";
/// Mail that may expire unread. What was snoozed was seen.
const UNREAD: &str =
    "message INDEXED BY message_stale WHERE way = 'in' AND state = 'delivered' AND expires IS NOT NULL
                      AND snoozed IS NULL AND kind != 'exec'";

impl Db {
    /// What is to go later, the soonest first.
    pub fn scheduled(&self) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_scheduled WHERE state = 'scheduled' ORDER BY not_before, n"
            );
            c.prepare_cached(&sql)?.query_map([], Message::from_row)?.collect()
        })
    }

    /// When the next message is to go, or to come back (wall-clock milliseconds).
    pub fn next_due(&self) -> Result<Option<i64>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT min(at) FROM (SELECT min(not_before) AS at FROM message INDEXED BY message_scheduled
                 WHERE state = 'scheduled' UNION ALL SELECT min(snoozed) FROM {SNOOZED})"
            );
            c.prepare_cached(&sql)?.query_row([], |row| row.get(0))
        })
    }

    /// Has mail go whose time has come; returns how much.
    pub fn queue_scheduled(&mut self, now: i64) -> Result<usize> {
        let due = self.all_due(
            "SELECT n, peer, id FROM message INDEXED BY message_scheduled WHERE state = 'scheduled' AND not_before <= ?1
             ORDER BY not_before, n",
            now,
        )?;
        if due.is_empty() {
            return Ok(0);
        }
        self.write("queue mail in", |tx| {
            for (n, peer, id) in &due {
                let state = match attached::has_any(tx, Way::Out, peer, id)? {
                    true => State::Attaching,
                    false => State::Queued,
                };
                // It waits from now on, and as one that was sent now.
                let sql = format!("UPDATE message SET state = ?3, at = ?2, n = {NEXT_ROW} WHERE n = ?1 AND state = 'scheduled'");
                if tx.prepare_cached(&sql)?.execute(params![n, now, state.as_str()])? > 0 {
                    search::forget(tx, *n)?;
                    attached::look_anew(tx, peer, id, now)?;
                    let detail = outbox::stranger(tx, peer)?.unwrap_or("its time has come");
                    log(tx, now, Way::Out, peer, id, state.as_str(), Some(detail))?;
                }
            }
            Ok(due.len())
        })
    }

    /// Puts a message that came out of sight until then: its sender is told that it was read. `false`: it is done.
    pub fn snooze(&mut self, message: &Message, until: i64, now: i64) -> Result<bool> {
        self.write("mark mail in", |tx| {
            move_on(tx, message, State::Read, None, now)?;
            let sql =
                "UPDATE message SET snoozed = ?2, wake = NULL WHERE n = ?1 AND way = 'in' AND state = 'read'";
            let snoozed = tx.prepare_cached(sql)?.execute([message.n, until])? > 0;
            if snoozed {
                let detail = format!("until {}", rfc3339(until));
                log(tx, now, Way::In, &message.peer, message.id.as_str(), "snoozed", Some(&detail))?;
            }
            Ok(snoozed)
        })
    }

    /// Brings snoozed mail back whose time has come, unread, as if it came now; `wake`: its agent is to be woken for it.
    /// Returns how much.
    pub fn end_snoozes(&mut self, wake: bool, now: i64) -> Result<usize> {
        let due = self.all_due(
            &format!("SELECT n, peer, id FROM {SNOOZED} AND snoozed <= ?1 ORDER BY snoozed, n"),
            now,
        )?;
        if due.is_empty() {
            return Ok(0);
        }
        self.write("bring mail back in", |tx| {
            for (n, peer, id) in &due {
                come_back(tx, *n, wake)?;
                log(tx, now, Way::In, peer, id, "unsnoozed", Some("its time has come"))?;
            }
            Ok(due.len())
        })
    }

    /// How many messages are snoozed.
    pub fn snoozed(&self) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {SNOOZED}");
        self.query("read", |c| c.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0)))
            .map(i64::unsigned_abs)
    }

    /// Of each sender with unread mail that may expire, when the first of it does, by the sender's clock.
    pub fn unread_expiries(&self) -> Result<Vec<(String, i64)>> {
        let sql = format!("SELECT peer, min(expires) FROM {UNREAD} GROUP BY peer");
        self.query("read", |c| {
            c.prepare_cached(&sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Ends unread mail of `peer` whose time ran out by `theirs`, the sender's clock; returns how much.
    pub fn expire_unread(&mut self, peer: &str, theirs: i64, now: i64) -> Result<usize> {
        let late: Vec<Message> = self.query("read", |c| {
            let sql = format!("SELECT {COLUMNS} FROM {UNREAD} AND peer = ?1 AND expires <= ?2 ORDER BY n");
            c.prepare_cached(&sql)?.query_map(params![peer, theirs], Message::from_row)?.collect()
        })?;
        if late.is_empty() {
            return Ok(0);
        }
        self.write("expire mail in", |tx| {
            let why = "its time ran out before anybody read it";
            let mut ended = 0;
            for message in &late {
                let id = message.id.as_str();
                if receipts::advance(tx, Way::In, peer, id, State::Expired, Some(why), why, now)? {
                    tx.prepare_cached("UPDATE message SET wake = NULL WHERE n = ?1")?.execute([message.n])?;
                    if understands_receipts(tx, message)? {
                        receipts::owe(tx, peer, id, State::Expired.as_str(), now, Some(why))?;
                    }
                    ended += 1;
                }
            }
            Ok(ended)
        })
    }

    /// Rows, peers and ids of what is due at `now`.
    fn all_due(&self, sql: &str, now: i64) -> Result<Vec<(i64, String, String)>> {
        self.query("read", |c| {
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            c.prepare_cached(sql)?.query_map([now], row)?.collect()
        })
    }
}

/// A snoozed message is unread again, in a row of now: whoever follows the inbox sees it.
fn come_back(tx: &Transaction, n: i64, wake: bool) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE message SET state = 'delivered', snoozed = 0, n = {NEXT_ROW}, wake_at = 0, accepted = 0, failures = 0,
           misses = 0, wake = iif(?2 AND kind NOT IN ('{EXEC}', '{RESULT}', '{REPORT}', '{TRUST_REPORT}'), 'due', NULL)
         WHERE n = ?1 AND state = 'read' AND snoozed > 0 RETURNING n"
    );
    let moved =
        tx.prepare_cached(&sql)?.query_row(params![n, wake], |row| row.get::<_, i64>(0)).optional()?;
    moved.map_or(Ok(()), |moved| follow(tx, n, moved))
}

/// What is kept of a message by its row goes along to the next one.
pub(super) fn follow(tx: &Transaction, n: i64, moved: i64) -> rusqlite::Result<()> {
    search::forget(tx, n)?;
    // It is no other message that says the same.
    tx.prepare_cached("UPDATE woken SET message = ?2 WHERE message = ?1")?.execute([n, moved])?;
    tx.prepare_cached("UPDATE wake_message SET message = ?2 WHERE message = ?1")?
        .execute([n, moved])
        .map(drop)
}
