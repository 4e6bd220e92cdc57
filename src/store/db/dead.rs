//! Dead letters: mail of ours that ended without being processed, and mail that came for which nobody could be woken.
//!
//! One of ours is dealt with when `settled` says so: it holds the id of the message that was sent in its place, or nothing if it
//! was dropped. Both happen in one transaction, in which the reports on it are finished, too; so it is sent again
//! once, whatever crashes. Its row stays as it ended, and ages out as all mail does.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::message::{COLUMNS, Message, NewMessage, WIDTH, Way, rfc3339};
use super::outbox::{self, Accepted};
use super::{Db, attached, unwoken};
use crate::error::Result;
use crate::model::blob::Blob;
use crate::model::report::REPORT;

/// Mail of ours that nobody dealt with yet. What asks for a command is not sent again by itself.
const OURS: &str = "message INDEXED BY message_dead
    WHERE way = 'out' AND state IN ('failed', 'expired') AND settled IS NULL AND kind NOT IN ('receipt', 'exec')";

/// A dead letter.
#[derive(Clone, Debug)]
pub struct Dead {
    /// It as it ended.
    pub message: Message,
    /// What the report on it calls the cause.
    pub cause: Option<String>,
    /// When it ended, or was given up (RFC 3339).
    pub since: String,
}

/// What was done about a dead letter before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was sent again, under this id.
    Redriven(String),
    /// It was dropped.
    Dropped,
}

impl Db {
    /// All dead letters, the oldest first: ours, then those that came.
    pub fn dead(&self) -> Result<Vec<Dead>> {
        self.query("read", |c| {
            let since = "(SELECT max(t.at) FROM log t WHERE t.id = message.id AND t.way = message.way AND t.peer = message.peer)";
            let cause = format!(
                "(SELECT r.content ->> 'cause' FROM message r WHERE r.in_reply_to = message.id AND r.kind = '{REPORT}'
                  AND r.way = 'in' AND message.way = 'out' ORDER BY r.n DESC LIMIT 1)"
            );
            let unwoken = unwoken::MAIL;
            let mut dead = vec![];
            for from in [OURS, unwoken] {
                let sql = format!("SELECT {COLUMNS}, {cause}, coalesce({since}, at) FROM {from} ORDER BY n");
                let mut statement = c.prepare_cached(&sql)?;
                let rows = statement.query_map([], |row| {
                    Ok(Dead {
                        message: Message::from_row(row)?,
                        cause: row.get(WIDTH)?,
                        since: rfc3339(row.get(WIDTH + 1)?),
                    })
                })?;
                for one in rows {
                    dead.push(one?);
                }
            }
            Ok(dead)
        })
    }

    /// What was done about a dead letter of ours.
    pub fn settled(&self, n: i64) -> Result<Option<Settled>> {
        self.query("read", |c| {
            let sql = "SELECT settled FROM message WHERE n = ?1";
            c.prepare_cached(sql)?.query_row([n], |row| row.get::<_, Option<String>>(0)).optional()
        })
        .map(|settled| match settled.flatten()?.as_str() {
            "" => Some(Settled::Dropped),
            id => Some(Settled::Redriven(id.to_owned())),
        })
    }

    /// Sends messages in place of dead letters, with the blobs that each of them needs, all or none; durable when it returns. A letter that somebody settled meanwhile
    /// is a conflict.
    pub fn redrive(
        &mut self,
        letters: &[(Message, NewMessage, Vec<Blob>)],
        now: i64,
    ) -> Result<Vec<Accepted>> {
        self.write_if("store the message in", |tx| {
            let mut accepted = vec![];
            for (dead, message, blobs) in letters {
                let one = outbox::accept(tx, message, now)?;
                attached::attach(tx, message, blobs, true, now)?;
                let id = message.id.as_str();
                let settled = settle(tx, dead, id, "redriven", &format!("as {id} to {}", message.peer), now)?;
                accepted.push(match one {
                    Accepted::New(_) | Accepted::Known(_) if !settled => Accepted::Conflict(dead.clone()),
                    one => one,
                });
            }
            let whole = !accepted.iter().any(|one| matches!(one, Accepted::Conflict(_)));
            Ok((accepted, whole))
        })
    }

    /// Drops dead letters; returns how many were not settled before. Of those that came none is woken for any more; they stay in the inbox.
    pub fn drop_dead(&mut self, letters: &[Message], now: i64) -> Result<usize> {
        self.write("settle mail in", |tx| {
            let mut dropped = 0;
            for letter in letters {
                dropped += usize::from(match letter.way {
                    Way::Out => settle(tx, letter, "", "dropped", "by hand", now)?,
                    Way::In => unwoken::drop_one(tx, letter, now)?,
                });
            }
            Ok(dropped)
        })
    }
}

/// Notes what was done about a letter of ours, and finishes the reports on it; `false` if somebody did something before.
fn settle(
    tx: &Transaction,
    dead: &Message,
    id: &str,
    what: &str,
    detail: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql = "UPDATE message SET settled = ?2 WHERE n = ?1 AND settled IS NULL";
    if tx.prepare_cached(sql)?.execute(params![dead.n, id])? == 0 {
        return Ok(false);
    }
    log(tx, now, Way::Out, &dead.peer, dead.id.as_str(), what, Some(detail))?;
    let sql = format!(
        "UPDATE message SET state = 'processed' WHERE way = 'in' AND kind = '{REPORT}' AND in_reply_to = ?1
         AND state IN ('delivered', 'read') AND content ->> 'to' = ?2 RETURNING peer, id"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![dead.id.as_str(), dead.to], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let reports: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    for (peer, report) in reports {
        log(tx, now, Way::In, &peer, &report, "processed", Some(what))?;
    }
    Ok(true)
}
