//! Ending our own messages: the state, the log, and the report to whoever sent it, in the caller's transaction.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::message::{COLUMNS, Message, NewMessage, Way, rfc3339};
use super::{Db, receipts};
use crate::error::Result;
use crate::model::envelope::RECEIPT;
use crate::model::name::Address;
use crate::model::report::{Cause, REPORT, Undelivered, report};
use crate::model::state::State;

/// Why a message ends, and what the log says of it.
pub(super) struct End<'a> {
    /// The named cause.
    pub cause: Cause,
    /// The same for people.
    pub reason: &'a str,
    /// The log's words.
    pub detail: &'a str,
}

impl Db {
    /// Ends messages to `peer` that can't be delivered; returns how many were not at their end yet.
    pub fn fail(
        &mut self,
        peer: &str,
        ids: &[String],
        cause: Cause,
        reason: &str,
        now: i64,
    ) -> Result<usize> {
        self.write("fail mail in", |tx| {
            let mut failed = 0;
            for id in ids {
                failed += usize::from(end(tx, peer, id, &End { cause, reason, detail: reason }, now)?);
            }
            Ok(failed)
        })
    }
}

/// Ends a message of ours and reports it; `false` if it was at its end already, or is not known.
pub(super) fn end(tx: &Transaction, peer: &str, id: &str, why: &End, now: i64) -> rusqlite::Result<bool> {
    let state = if why.cause == Cause::Expired { State::Expired } else { State::Failed };
    let ended = receipts::advance(tx, Way::Out, peer, id, state, Some(why.reason), why.detail, now)?;
    if ended {
        tell(tx, peer, id, why.cause, why.reason, now)?;
    }
    Ok(ended)
}

/// Puts the report on a message of ours into our inbox, unless it is there.
pub(super) fn tell(
    tx: &Transaction,
    peer: &str,
    id: &str,
    cause: Cause,
    reason: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2");
    let message = tx.prepare_cached(&sql)?.query_row([peer, id], Message::from_row)?;
    let Ok(from) = message.from.parse::<Address>() else { return Ok(()) };
    if message.kind == RECEIPT || message.kind == REPORT {
        return Ok(());
    }
    put(tx, &message, &from, cause, reason, now)
}

/// The same on a message to us, for its recipient.
pub(super) fn tell_recipient(
    tx: &Transaction,
    n: i64,
    cause: Cause,
    reason: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE n = ?1");
    let message = tx.prepare_cached(&sql)?.query_row([n], Message::from_row)?;
    let own = "SELECT value FROM meta WHERE key = 'instance'";
    let own: Option<String> = tx.prepare_cached(own)?.query_row([], |row| row.get(0)).optional()?;
    // A line by hand may leave out whom it is for.
    let us = message.to.parse::<Address>().ok().or_else(|| own?.parse().ok());
    us.map_or(Ok(()), |us| put(tx, &message, &us, cause, reason, now))
}

fn put(
    tx: &Transaction,
    message: &Message,
    from: &Address,
    cause: Cause,
    reason: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let undelivered =
        Undelivered { id: &message.id, from, to: &message.to, thread: message.thread.as_deref() };
    let envelope = report(&undelivered, cause, reason, rfc3339(now));
    let Some(id) = envelope.id.clone() else { return Ok(()) };
    let (peer, state) = (from.instance.fold(), State::Delivered);
    let report =
        NewMessage { way: Way::In, peer, id: id.clone(), envelope, state, outcome: None, not_before: None };
    if report.insert(tx, now)?.is_some() {
        log(tx, now, Way::In, &report.peer, id.as_str(), state.as_str(), Some("a report of our own"))?;
    }
    Ok(())
}

/// Ends a message whose row is known, and whose line is larger than its recipient takes.
pub(super) fn too_large(
    tx: &Transaction,
    message: &Message,
    size: usize,
    max: usize,
    now: i64,
) -> rusqlite::Result<()> {
    let reason = format!("it is {size} bytes long; {} takes at most {max}", message.peer);
    let why = End { cause: Cause::TooLarge, reason: &reason, detail: &reason };
    if message.kind == RECEIPT {
        // Nobody reads it; what it said is said again.
        return tx.prepare_cached("DELETE FROM message WHERE n = ?1")?.execute(params![message.n]).map(drop);
    }
    end(tx, &message.peer, message.id.as_str(), &why, now).map(drop)
}
