//! Conversations: which messages of either direction belong together. Changes nothing.
//!
//! A conversation is called as its messages say in `thread`, or after the id of the one that began it. To it belong all
//! messages of that name, the one of that id, and what is joined to any of them by `in_reply_to` alone, as an answer of
//! a tool that knows no threads. What names another conversation belongs to that one, whatever it answers.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::Db;
use super::message::{COLUMNS, Message};
use crate::error::Result;
use crate::model::id::MessageId;

/// Answers that are followed back to the message that began it all, at most.
const BACK: usize = 1_000;

impl Db {
    /// The conversation that `message` belongs to: what it is called, its newest `most` messages, and whether there are
    /// older ones. They stand in the order in which they were accepted here.
    pub fn conversation(&self, message: &Message, most: usize) -> Result<(String, Vec<Message>, bool)> {
        self.query("read", |c| {
            let name = name(c, message)?;
            let mut members = named(c, &name, most.saturating_add(1))?;
            members.extend(of_id(c, &name, &message.peer)?);
            let (mut at, mut seen) = (0, HashSet::new());
            members.retain(|member| seen.insert(member.n));
            while at < members.len() && members.len() <= most.saturating_mul(2) {
                let joined = joined(c, &members[at], &name, most)?;
                members.extend(joined.into_iter().filter(|member| seen.insert(member.n)));
                at += 1;
            }
            members.sort_unstable_by_key(|member| member.n);
            let older = members.len().saturating_sub(most);
            members.drain(..older);
            Ok((name, members, older > 0))
        })
    }

    /// The conversation that an answer to the message of this id goes on with, that with `peer` rather than another of
    /// the same id; `None` if there is no such message.
    pub fn thread_of(&self, id: &MessageId, peer: &str) -> Result<Option<String>> {
        let answered = self.query("read", |c| of_id(c, id.as_str(), peer))?;
        Ok(answered.map(|answered| answered.conversation().to_owned()))
    }
}

/// What the conversation of `message` is called.
fn name(c: &Connection, message: &Message) -> rusqlite::Result<String> {
    let mut first = message.clone();
    // Two may say that each answers the other.
    for _ in 0..BACK {
        let (None, Some(answered)) = (&first.thread, &first.in_reply_to) else { break };
        match of_id(c, answered.as_str(), &first.peer)? {
            Some(earlier) if earlier.n != first.n => first = earlier,
            _ => break,
        }
    }
    Ok(first.conversation().to_owned())
}

/// The newest messages that say that they are of this conversation.
fn named(c: &Connection, name: &str, most: usize) -> rusqlite::Result<Vec<Message>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message INDEXED BY message_thread
         WHERE thread = ?1 AND thread IS NOT NULL AND kind != 'receipt' ORDER BY n DESC LIMIT ?2"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    c.prepare_cached(&sql)?.query_map(params![name, most], Message::from_row)?.collect()
}

/// The message of this id; among several the one with `peer`.
fn of_id(c: &Connection, id: &str, peer: &str) -> rusqlite::Result<Option<Message>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message WHERE id = ?1 AND kind != 'receipt' ORDER BY peer = ?2 DESC, n LIMIT 1"
    );
    c.prepare_cached(&sql)?.query_row([id, peer], Message::from_row).optional()
}

/// What names no conversation, and answers `member` or is answered by it.
fn joined(c: &Connection, member: &Message, name: &str, most: usize) -> rusqlite::Result<Vec<Message>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message INDEXED BY message_replies
         WHERE in_reply_to = ?1 AND in_reply_to IS NOT NULL AND coalesce(thread, ?2) = ?2 AND kind != 'receipt'
         ORDER BY n DESC LIMIT ?3"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map(params![member.id.as_str(), name, most], Message::from_row)?;
    let mut joined = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    if let Some(answered) = &member.in_reply_to {
        joined.extend(of_id(c, answered.as_str(), &member.peer)?.filter(|earlier| earlier.thread.is_none()));
    }
    Ok(joined)
}
