//! Questions of peers to have a command run: which wait, which is begun, how one ends.
//!
//! A question is a message of its own type: `delivered` while it waits, `read` from just before its program starts,
//! `processed` in the transaction that queues the answer, whatever it says. So a crash leaves it `read`, and whoever starts
//! next knows that it may have run.

use rusqlite::{OptionalExtension, params};

use super::audit::log;
use super::lists::understands_receipts;
use super::message::{COLUMNS, Message, NewMessage, Way};
use super::{Db, outbox, receipts};
use crate::error::Result;
use crate::model::exec::EXEC;
use crate::model::state::State;

impl Db {
    /// The questions in one state, oldest first. Reads an index while there are none.
    pub fn questions(&self, state: State, limit: usize) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_counts
                 WHERE way = 'in' AND state = ?1 AND kind = ?2 AND NOT held ORDER BY n LIMIT ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_map(params![state.as_str(), EXEC, limit as i64], Message::from_row)?.collect()
        })
    }

    /// The answer of the asked peer to a question of ours, if it has come.
    pub fn answer_to(&self, question: &Message, kind: &str) -> Result<Option<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_counts
                 WHERE way = 'in' AND state IN ('delivered', 'read', 'processed') AND kind = ?1 AND peer = ?2
                 AND in_reply_to = ?3 ORDER BY n LIMIT 1"
            );
            let key = params![kind, question.peer, question.id.as_str()];
            c.prepare_cached(&sql)?.query_row(key, Message::from_row).optional()
        })
    }

    /// Ends a question and queues its answer, if its writer can be answered; `false` if it had ended before.
    pub fn answer(
        &mut self,
        question: &Message,
        answer: Option<&NewMessage>,
        outcome: &str,
        now: i64,
    ) -> Result<bool> {
        self.write("store the answer in", |tx| {
            let (peer, id, done) = (&question.peer, question.id.as_str(), State::Processed);
            if !receipts::advance(tx, Way::In, peer, id, done, Some(outcome), outcome, now)? {
                return Ok(false);
            }
            if understands_receipts(tx, question)? {
                receipts::owe(tx, peer, id, done.as_str(), now, Some(outcome))?;
            }
            match answer {
                Some(answer) => drop(outbox::accept(tx, answer, now)?),
                None => log(
                    tx,
                    now,
                    Way::In,
                    peer,
                    id,
                    "unanswered",
                    Some("its writer cannot be addressed, or the answer not sealed"),
                )?,
            }
            Ok(true)
        })
    }
}
