//! Requests of ours that somebody waits for at this moment, and what came in reply.
//!
//! Whoever waits says so in `awaited`, for a few seconds at a time: an answer that comes meanwhile wakes nobody before
//! that time is over. One that was shown is finished in the transaction that ends the waiting; one that was not, is
//! mail from then on. A waiter that was killed leaves a row that ends by itself, and so do the pauses that it brought.

use std::collections::HashSet;

use rusqlite::{Transaction, params};

use super::message::{COLUMNS, Message, Way};
use super::{Db, lists};
use crate::error::Result;
use crate::model::ask::{PROGRESS, REQUEST};
use crate::model::envelope::Envelope;
use crate::model::id::MessageId;
use crate::model::report::REPORT;
use crate::model::state::State;

/// How long a waiter counts as one that lives, in milliseconds.
pub const WAITS: i64 = 15_000;
/// Replies to one request that one look takes, the oldest.
const REPLIES: i64 = 100;

impl Db {
    /// Somebody, called `waiter`, waits for answers to these requests (peer and id) for the next [`WAITS`].
    pub fn await_answers(&mut self, requests: &[(String, MessageId)], waiter: &str, now: i64) -> Result<()> {
        self.write("note who waits in", |tx| {
            let sql = "INSERT INTO awaited VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (peer, id, waiter) DO UPDATE SET until = excluded.until";
            for (peer, id) in requests {
                tx.prepare_cached(sql)?.execute(params![peer, id.as_str(), waiter, now + WAITS])?;
            }
            tx.prepare_cached("DELETE FROM awaited WHERE until <= ?1")?.execute([now]).map(drop)
        })
    }

    /// `waiter` waits no more. It showed these: they are done with. What it did not show of what came wakes as any mail.
    pub fn end_waiting(&mut self, waiter: &str, shown: &[Message], now: i64) -> Result<()> {
        self.write("note who waits in", |tx| {
            let (asked, others): (Vec<&Message>, Vec<&Message>) =
                shown.iter().partition(|message| message.kind == REQUEST);
            // What asks something itself is to be answered yet.
            lists::mark(tx, asked, State::Read, None, now)?;
            lists::mark(tx, others, State::Processed, None, now)?;
            tx.prepare_cached("DELETE FROM awaited WHERE waiter = ?1 RETURNING peer, id")?
                .query_map([waiter], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?
                .iter()
                .try_for_each(|(peer, id)| wake_at_once(tx, peer, id, now))
        })
    }

    /// The requests, by peer and id, for whose answers somebody waits.
    pub fn awaited(&self, now: i64) -> Result<HashSet<(String, String)>> {
        self.query("read", |c| {
            let mut statement = c.prepare_cached("SELECT peer, id FROM awaited WHERE until > ?1")?;
            statement.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// What came in reply to a message of ours after row `after`, from whom it was for; and our own reports on it. A reply
    /// whose files are on their way gets a row of its own when they are here.
    pub fn replies(&self, to: &Message, after: i64) -> Result<Vec<Message>> {
        let mut found: Vec<Message> = self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_replies
                 WHERE in_reply_to = ?1 AND way = 'in' AND n > ?2 AND (peer = ?3 OR kind = ?4)
                 AND state NOT IN ('fetching', 'expired', 'cancelled') ORDER BY n LIMIT {REPLIES}"
            );
            let key = params![to.id.as_str(), after, to.peer, REPORT];
            c.prepare_cached(&sql)?.query_map(key, Message::from_row)?.collect()
        })?;
        // Messages to several may have one id; a report names whom its own was for.
        found.retain(|reply| reply.kind != REPORT || reply.content["to"] == to.to.as_str());
        Ok(found)
    }

    /// Whether an answer to a message of ours is here, but not all of its files.
    pub fn is_answer_fetched(&self, to: &Message) -> Result<bool> {
        self.query("read", |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_replies
                       WHERE in_reply_to = ?1 AND way = 'in' AND peer = ?2 AND state = 'fetching')";
            c.prepare_cached(sql)?.query_row([to.id.as_str(), &to.peer], |row| row.get(0))
        })
    }
}

/// Nobody waits for what answers this request, unless somebody else does: it wakes as it would have.
fn wake_at_once(tx: &Transaction, peer: &str, id: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE message INDEXED BY message_replies SET wake_at = 0
               WHERE in_reply_to = ?2 AND way = 'in' AND peer = ?1 AND wake = 'due' AND wake_at > ?3
               AND NOT EXISTS (SELECT 1 FROM awaited a WHERE a.peer = ?1 AND a.id = ?2 AND a.until > ?3)";
    tx.prepare_cached(sql)?.execute(params![peer, id, now]).map(drop)
}

/// Until when what answers this request of ours, if it answers one, is to wake nobody; 0: nobody waits for it.
pub(super) fn awaited_until(
    tx: &Transaction,
    peer: &str,
    answered: Option<&MessageId>,
    now: i64,
) -> rusqlite::Result<i64> {
    let Some(answered) = answered else { return Ok(0) };
    // A clock that was set back keeps no mail waiting for longer.
    let sql = "SELECT coalesce(max(until), 0) FROM awaited WHERE peer = ?1 AND id = ?2 AND until > ?3 AND until <= ?4";
    let key = params![peer, answered.as_str(), now, now + WAITS];
    tx.prepare_cached(sql)?.query_row(key, |row| row.get(0))
}

/// Whether it says how far a message of ours is. Other mail of that type is mail.
pub(super) fn is_note(tx: &Transaction, peer: &str, envelope: &Envelope) -> rusqlite::Result<bool> {
    let Some(asked) = envelope.in_reply_to.as_ref().filter(|_| envelope.kind == PROGRESS) else {
        return Ok(false);
    };
    let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = ?3 AND peer = ?1 AND id = ?2)";
    tx.prepare_cached(sql)?.query_row([peer, asked.as_str(), Way::Out.as_str()], |row| row.get(0))
}

/// Whether there is an answer going this way to a message that went the other way; a note is none.
pub(super) fn is_answered(tx: &Transaction, answers: Way, peer: &str, id: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_replies
               WHERE in_reply_to = ?1 AND way = ?2 AND peer = ?3 AND kind != ?4)";
    let key = params![id, answers.as_str(), peer, PROGRESS];
    tx.prepare_cached(sql)?.query_row(key, |row| row.get(0))
}
