//! Questions that faces ask: the inbox, one message by its id, counts. None of them changes anything.

use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};

use super::audit::log;
use super::due::NEXT_ROW;
use super::message::{COLUMNS, Message, Way};
use super::{Db, attached, receipts, search};
use crate::error::Result;
use crate::model::envelope::RECEIPT;
use crate::model::id::MessageId;
use crate::model::report::REPORT;
use crate::model::state::State;
use crate::model::task::TASK_NOTICE;

/// Which messages of the inbox to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Also those that are done.
    pub all: bool,
    /// Only those that wait to be released; else those are left out, unless all are wanted.
    pub held: bool,
    /// Only those that are snoozed; else those are left out, unless all are wanted.
    pub snoozed: bool,
    /// Only of this instance (folded) or stranger.
    pub from: Option<String>,
    /// Only of this conversation.
    pub thread: Option<String>,
    /// Only accepted after this row.
    pub after: i64,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

impl Db {
    /// The inbox, oldest first.
    pub fn inbox(&self, filter: &Filter) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let (index, open) = match (filter.held, filter.all) {
                _ if filter.snoozed => ("INDEXED BY message_snoozed", "AND snoozed > 0 AND state = 'read'"),
                (true, _) => ("INDEXED BY message_held", "AND held AND state = 'delivered'"),
                (false, true) => ("NOT INDEXED", ""),
                // Questions are lanpost's to answer, not the agent's.
                (false, false) => (
                    "INDEXED BY message_open",
                    "AND state IN ('delivered', 'read') AND NOT held AND offered IS NULL AND kind != 'exec'
                     AND coalesce(snoozed, 0) = 0",
                ),
            };
            let from = filter.from.as_ref().map_or("", |_| "AND peer = ?2");
            let thread = filter.thread.as_ref().map_or("", |_| "AND thread = ?3");
            let sql = format!(
                "SELECT * FROM (SELECT {COLUMNS} FROM message {index} WHERE way = 'in' AND n > ?1 {open} {from} {thread}
                 AND (?2 IS NULL OR 1) AND (?3 IS NULL OR 1) ORDER BY n DESC LIMIT ?4) ORDER BY n"
            );
            let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
            let mut statement = c.prepare_cached(&sql)?;
            let rows =
                statement.query_map(params![filter.after, filter.from, filter.thread, limit], Message::from_row)?;
            rows.collect()
        })
    }

    /// The messages whose id begins with `prefix`, in either direction or in one; at most ten.
    pub fn find(&self, prefix: &str, way: Option<Way>) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message WHERE id >= ?1 AND id < ?2 AND kind != ?3 AND (?4 IS NULL OR way = ?4)
                 ORDER BY length(id), n LIMIT 10"
            );
            // Ids are ASCII, so everything with the prefix lies below prefix + DEL.
            let (end, way) = (format!("{prefix}\u{7f}"), way.map(Way::as_str));
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_map(params![prefix, end, RECEIPT, way], Message::from_row)?.collect()
        })
    }

    /// The message in this row; receipts are none.
    pub fn in_row(&self, n: i64, way: Option<Way>) -> Result<Option<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message WHERE n = ?1 AND kind != ?2 AND (?3 IS NULL OR way = ?3)"
            );
            let way = way.map(Way::as_str);
            c.prepare_cached(&sql)?.query_row(params![n, RECEIPT, way], Message::from_row).optional()
        })
    }

    /// One message.
    pub fn message(&self, way: Way, peer: &str, id: &MessageId) -> Result<Option<Message>> {
        self.query("read", |c| {
            let sql = format!("SELECT {COLUMNS} FROM message WHERE way = ?1 AND peer = ?2 AND id = ?3");
            let key = [way.as_str(), peer, id.as_str()];
            c.prepare_cached(&sql)?.query_row(params_from_iter(key), Message::from_row).optional()
        })
    }

    /// Whether a message of this id is sealed on the share: then so must be what answers it.
    pub fn is_sealed(&self, id: &MessageId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1 AND sealed IS NOT NULL)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0)))
    }

    /// Automatic answers that led to the message of this id, that with `peer` rather than another of the same id; `None`
    /// if there is no such message.
    pub fn hops(&self, id: &MessageId, peer: &str) -> Result<Option<u64>> {
        let sql =
            "SELECT coalesce(hops, 0) FROM message WHERE id = ?1 ORDER BY peer = ?2 DESC, 1 DESC LIMIT 1";
        self.query("read", |c| {
            c.prepare_cached(sql)?.query_row([id.as_str(), peer], |row| row.get::<_, i64>(0)).optional()
        })
        .map(|hops| hops.map(i64::unsigned_abs))
    }

    /// The bytes a message of the open slot was written in.
    pub fn raw(&self, n: i64) -> Result<Option<Vec<u8>>> {
        self.query("read", |c| {
            c.prepare_cached("SELECT raw FROM message WHERE n = ?1")?
                .query_row([n], |row| row.get(0))
                .optional()
        })
        .map(Option::flatten)
    }

    /// How many messages of each direction are in each state, receipts not counted.
    pub fn counts(&self) -> Result<Vec<(String, String, u64)>> {
        self.query("read", |c| {
            let sql =
                "SELECT way, state, count(*) FROM message WHERE kind != ?1 GROUP BY way, state ORDER BY 1, 2";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement
                .query_map([RECEIPT], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64)))?;
            rows.collect()
        })
    }

    /// The newest row, so that a follower lists only what comes after it.
    pub fn last_row(&self) -> Result<i64> {
        self.query("read", |c| c.query_row("SELECT coalesce(max(n), 0) FROM message", [], |row| row.get(0)))
    }

    /// Lets a held message in, as if it came now; `wake` if the agent is to be woken for it. `false` if it is not held.
    pub fn release(&mut self, message: &Message, wake: bool, now: i64) -> Result<bool> {
        self.write("release mail in", |tx| {
            // A row number of now, so that whoever follows the inbox sees it.
            // Nothing was fetched for what nobody may want.
            let fetches = message.state == State::Delivered
                && attached::has_any(tx, message.way, &message.peer, message.id.as_str())?;
            let state = if fetches { State::Fetching } else { message.state };
            let sql = format!(
                "UPDATE message SET held = 0, wake = iif(offered IS NULL, ?2, NULL), state = ?3, n = {NEXT_ROW}
                 WHERE n = ?1 AND held"
            );
            let wake = (wake && !fetches).then_some("due");
            let released = tx.prepare_cached(&sql)?.execute(params![message.n, wake, state.as_str()])? > 0;
            if released {
                search::forget(tx, message.n)?;
                log(tx, now, Way::In, &message.peer, message.id.as_str(), "released", None)?;
            }
            Ok(released)
        })
    }

    /// How many messages wait to be released.
    pub fn held(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM message INDEXED BY message_held WHERE held AND state = 'delivered'";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)))
            .map(|n| n as u64)
    }

    /// Moves incoming messages to `state` and owes their senders a receipt; returns those that moved.
    pub fn mark(
        &mut self,
        messages: &[Message],
        state: State,
        outcome: Option<&str>,
        now: i64,
    ) -> Result<usize> {
        self.write("mark mail in", |tx| mark(tx, messages, state, outcome, now))
    }
}

/// The same in the caller's transaction.
pub(super) fn mark<'a>(
    tx: &Transaction,
    messages: impl IntoIterator<Item = &'a Message>,
    state: State,
    outcome: Option<&str>,
    now: i64,
) -> rusqlite::Result<usize> {
    let mut moved = 0;
    for message in messages {
        moved += usize::from(move_on(tx, message, state, outcome, now)?);
    }
    Ok(moved)
}

/// Moves an incoming message to `state` and owes its sender a receipt; `false` if it did not move.
pub(super) fn move_on(
    tx: &Transaction,
    message: &Message,
    state: State,
    outcome: Option<&str>,
    now: i64,
) -> rusqlite::Result<bool> {
    let (peer, id) = (&message.peer, message.id.as_str());
    let moved = receipts::advance(tx, Way::In, peer, id, state, outcome, outcome.unwrap_or_default(), now)?;
    if moved && understands_receipts(tx, message)? {
        receipts::owe(tx, peer, id, state.as_str(), now, outcome)?;
    }
    Ok(moved)
}

/// A lane has a lanpost at its other end; of the open slot's writers only those with a heartbeat do. A report has none.
pub(super) fn understands_receipts(tx: &Transaction, message: &Message) -> rusqlite::Result<bool> {
    if message.kind == REPORT || message.kind == TASK_NOTICE {
        return Ok(false);
    }
    let sql = "SELECT ?2 IS NULL OR EXISTS (SELECT 1 FROM peer WHERE fold = ?1 AND heartbeat IS NOT NULL)";
    tx.prepare_cached(sql)?.query_row(params![message.peer, message.encoding], |row| row.get(0))
}
