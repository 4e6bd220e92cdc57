//! Broadcasts: the messages that were sent together to several, each a message of its own with its own id and states.

use rusqlite::params;

use super::Db;
use super::message::{COLUMNS, Message};
use crate::error::Result;
use crate::model::id::MessageId;

impl Db {
    /// The copies of a broadcast of ours, in the order of its members; none: there is no such broadcast.
    pub fn copies(&self, broadcast: &MessageId) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_broadcast
                 WHERE way = 'out' AND broadcast IS NOT NULL AND broadcast = ?1 ORDER BY n"
            );
            c.prepare_cached(&sql)?.query_map([broadcast.as_str()], Message::from_row)?.collect()
        })
    }

    /// The broadcasts of ours whose id begins with `prefix`, in that order; at most two.
    pub fn broadcasts(&self, prefix: &str) -> Result<Vec<MessageId>> {
        self.query("read", |c| {
            let sql = "SELECT DISTINCT broadcast FROM message INDEXED BY message_broadcast
                       WHERE way = 'out' AND broadcast IS NOT NULL AND broadcast >= ?1 AND broadcast < ?2
                       ORDER BY broadcast LIMIT 2";
            // Ids are ASCII, so everything with the prefix lies below prefix + DEL.
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map(params![prefix, format!("{prefix}\u{7f}")], |row| row.get(0))?;
            let ids = rows.collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
        })
    }

    /// Whether the message of this id that came went to several. (Work for one of them is no word to all.)
    pub fn is_broadcast(&self, id: &MessageId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message
                   WHERE id = ?1 AND way = 'in' AND audience IS NOT NULL AND term IS NULL)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0)))
    }

    /// Whether a wake was for such a message, besides whatever else.
    pub fn woke_for_broadcast(&self, wake: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM wake_message JOIN message ON message.n = wake_message.message
                                  WHERE wake_message.wake = ?1 AND audience IS NOT NULL AND term IS NULL)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([wake], |row| row.get(0)))
    }
}
