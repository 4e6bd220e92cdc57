//! Requests that somebody read here, and then fell silent about: whoever asked is told, once.
//!
//! `silent_since` is set when a request is read, moved on by notes on how far it is, and cleared by whatever ends it, by an
//! answer, and by the word that it was abandoned. All of it is judged by this PC's clock; one that was set back
//! begins anew.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::lists::understands_receipts;
use super::message::{COLUMNS, Message, WIDTH, Way};
use super::{Db, ask, receipts};
use crate::error::Result;
use crate::model::ask::PROGRESS;
use crate::model::receipt::ABANDONED;

/// Too long ago, or in the future.
const SILENT: &str = "silent_since IS NOT NULL AND (silent_since <= ?1 OR silent_since > ?2)";
/// Requests that one call looks at.
const BATCH: i64 = 100;

impl Db {
    /// Tells the writers of requests that were read longer than `after` ago, and of which nobody said anything since.
    /// Returns of how many. Reads an index while there are none.
    pub fn tell_abandoned(&mut self, after: Duration, now: i64) -> Result<usize> {
        let before = now.saturating_sub(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        let any: bool = self.query("read", |c| {
            let sql =
                format!("SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_silent WHERE {SILENT})");
            c.prepare_cached(&sql)?.query_row([before, now], |row| row.get(0))
        })?;
        if !any {
            return Ok(0);
        }
        let why =
            format!("it was read, and for {} nobody said more of it", humantime::format_duration(after));
        self.write("report on requests in", |tx| {
            let sql = format!(
                "SELECT {COLUMNS}, silent_since > ?2 FROM message INDEXED BY message_silent WHERE {SILENT} LIMIT {BATCH}"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let row = |row: &rusqlite::Row| Ok((Message::from_row(row)?, row.get::<_, bool>(WIDTH)?));
            let silent = statement.query_map([before, now], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut told = 0;
            for (request, is_ahead) in &silent {
                let noted = last_note(tx, request)?.filter(|at| (before..=now).contains(at));
                let answered = ask::is_answered(tx, Way::Out, &request.peer, request.id.as_str())?;
                let since = noted.or(is_ahead.then_some(now)).filter(|_| !answered);
                let sql = "UPDATE message SET silent_since = ?2 WHERE n = ?1";
                tx.prepare_cached(sql)?.execute(params![request.n, since])?;
                if since.is_none() && !answered {
                    tell(tx, request, &why, now)?;
                    told += 1;
                }
            }
            Ok(told)
        })
    }
}

/// When it was last said how far a request is.
fn last_note(tx: &Transaction, request: &Message) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT max(at) FROM message INDEXED BY message_replies
               WHERE in_reply_to = ?1 AND way = 'out' AND peer = ?2 AND kind = ?3";
    let key = params![request.id.as_str(), request.peer, PROGRESS];
    Ok(tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?.flatten())
}

fn tell(tx: &Transaction, request: &Message, why: &str, now: i64) -> rusqlite::Result<()> {
    let (peer, id) = (&request.peer, request.id.as_str());
    log(tx, now, Way::In, peer, id, ABANDONED, Some(why))?;
    match understands_receipts(tx, request)? {
        true => receipts::owe(tx, peer, id, ABANDONED, now, Some(why)),
        false => Ok(()),
    }
}
