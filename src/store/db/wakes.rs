//! Wakes: which messages wait for the agent to be woken, each attempt, and its result.
//!
//! A row is written before the adapter starts and ended after it; a crash in between leaves `running`, which the next
//! daemon turns into `interrupted`: its messages are still due. A wake that is `done` is never repeated.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::audit::log;
use super::message::{COLUMNS, Message, Way, rfc3339};
use super::{Db, receipts};
use crate::error::Result;
use crate::model::receipt::WAKE_FAILED;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The agent was woken.
    Done,
    /// It will be tried again.
    Retry,
    /// It will not.
    Failed,
}

/// What waits for a wake of one recipient.
#[derive(Clone, Debug)]
pub struct Due {
    /// The address it was sent to.
    pub recipient: String,
    /// The oldest of them.
    pub first: i64,
    /// One of them is urgent.
    pub urgent: bool,
}

/// One attempt, for `status`.
#[derive(Clone, Debug, Serialize)]
pub struct Wake {
    /// Number of the attempt since the store was made.
    pub n: i64,
    /// The agent; empty for the instance itself.
    pub agent: String,
    /// When it began (RFC 3339).
    pub at: String,
    /// Which attempt in a row.
    pub attempt: i64,
    /// `running`, `done`, `retry`, `failed` or `interrupted`.
    pub state: String,
    /// The adapter's result in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Db {
    /// Whom a wake is due for, by the oldest message. Reads an index, no message.
    pub fn wakes_due(&self) -> Result<Vec<Due>> {
        self.query("read", |c| {
            let sql =
                "SELECT recipient, min(n), max(priority = 'urgent') FROM message INDEXED BY message_wake
                       WHERE wake = 'due' AND state = 'delivered' GROUP BY recipient ORDER BY 2";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Due { recipient: row.get(0)?, first: row.get(1)?, urgent: row.get(2)? })
            })?;
            rows.collect()
        })
    }

    /// Messages that a wake is due for, oldest first; either those sent to one of `recipients` that nobody has read,
    /// or (`None`) those that were read or answered meanwhile.
    pub fn wake_messages(&self, recipients: Option<&[String]>, limit: usize) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let wanted = match recipients {
                Some(_) => "state = 'delivered' AND recipient IN (SELECT value FROM json_each(?1))",
                None => "state != 'delivered' AND ?1 = 'null'",
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_wake WHERE wake = 'due' AND {wanted}
                 ORDER BY n LIMIT ?2"
            );
            let list = serde_json::to_string(&recipients).unwrap_or_default();
            c.prepare_cached(&sql)?.query_map(params![list, limit as i64], Message::from_row)?.collect()
        })
    }

    /// Takes messages out of the wake queue that were read or answered before the wake fired.
    pub fn wake_not_needed(&mut self, messages: &[Message], now: i64) -> Result<()> {
        self.write("mark wakes in", |tx| {
            for message in messages {
                tx.prepare_cached("UPDATE message SET wake = NULL WHERE n = ?1")?.execute([message.n])?;
                let why = Some("read before the wake fired");
                log(tx, now, Way::In, &message.peer, message.id.as_str(), "wake-not-needed", why)?;
            }
            Ok(())
        })
    }

    /// Notes that an attempt begins; returns its number.
    pub fn begin_wake(&mut self, agent: &str, messages: &[Message], attempt: u32, now: i64) -> Result<i64> {
        self.write("note the wake in", |tx| {
            let sql = "INSERT INTO wake (agent, at, attempt, state) VALUES (?1, ?2, ?3, 'running')";
            tx.prepare_cached(sql)?.execute(params![agent, now, attempt])?;
            let wake = tx.last_insert_rowid();
            let mut link = tx.prepare_cached("INSERT INTO wake_message VALUES (?1, ?2)")?;
            for message in messages {
                link.execute([wake, message.n])?;
            }
            Ok(wake)
        })
    }

    /// Notes an attempt's end and what follows for its messages. An attempt that ended already stays as it is.
    pub fn end_wake(&mut self, wake: i64, ended: Ended, detail: &str, now: i64) -> Result<()> {
        self.write("note the wake in", |tx| {
            let (word, mark, what) = match ended {
                Ended::Done => ("done", Some("woken"), "woken"),
                Ended::Retry => ("retry", None, "wake-retry"),
                Ended::Failed => ("failed", Some("failed"), "wake-failed"),
            };
            let sql =
                "UPDATE wake SET state = ?2, ended = ?3, detail = ?4 WHERE n = ?1 AND state = 'running'";
            if tx.prepare_cached(sql)?.execute(params![wake, word, now, detail])? == 0 {
                return Ok(());
            }
            for (n, peer, id, reads_receipts) in messages_of(tx, wake)? {
                if let Some(mark) = mark {
                    let sql = "UPDATE message SET wake = ?2 WHERE n = ?1 AND wake = 'due'";
                    tx.prepare_cached(sql)?.execute(params![n, mark])?;
                }
                log(tx, now, Way::In, &peer, &id, what, Some(detail))?;
                if ended == Ended::Failed && reads_receipts {
                    receipts::owe(tx, &peer, &id, WAKE_FAILED, now, Some(detail))?;
                }
            }
            Ok(())
        })
    }

    /// Ends the attempts that a crash cut off; their messages are still due. Returns how many there were.
    pub fn interrupt_wakes(&mut self, now: i64) -> Result<usize> {
        let running: i64 = self.query("read", |c| {
            c.query_row("SELECT count(*) FROM wake WHERE state = 'running'", [], |r| r.get(0))
        })?;
        if running == 0 {
            return Ok(0);
        }
        self.write("mark wakes in", |tx| {
            let sql = "UPDATE wake SET state = 'interrupted', ended = ?1, detail = 'the daemon ended first'
                       WHERE state = 'running'";
            tx.execute(sql, [now])
        })
    }

    /// Failed attempts in a row for `agent`, and when the last of them ended.
    pub fn wake_failures(&self, agent: &str) -> Result<(u32, i64)> {
        self.query("read", |c| {
            let sql = "SELECT count(*), coalesce(max(ended), 0) FROM wake WHERE agent = ?1 AND state = 'retry' AND n >
                       coalesce((SELECT max(n) FROM wake WHERE agent = ?1 AND state IN ('done', 'failed')), 0)";
            c.prepare_cached(sql)?.query_row([agent], |row| Ok((row.get(0)?, row.get(1)?)))
        })
    }

    /// When the last wake that did not fail for now began (wall-clock milliseconds), for the batch window.
    pub fn last_wake(&self, agent: &str) -> Result<Option<i64>> {
        self.query("read", |c| {
            let sql = "SELECT at FROM wake WHERE agent = ?1 AND state = 'done' ORDER BY n DESC LIMIT 1";
            c.prepare_cached(sql)?.query_row([agent], |row| row.get(0)).optional()
        })
    }

    /// The last attempts, newest last.
    pub fn wakes(&self, limit: usize) -> Result<Vec<Wake>> {
        self.query("read", |c| {
            let sql = "SELECT * FROM (SELECT n, agent, at, attempt, state, detail FROM wake ORDER BY n DESC LIMIT ?1)
                       ORDER BY n";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([limit as i64], |row| {
                Ok(Wake {
                    n: row.get(0)?,
                    agent: row.get(1)?,
                    at: rfc3339(row.get(2)?),
                    attempt: row.get(3)?,
                    state: row.get(4)?,
                    detail: row.get(5)?,
                })
            })?;
            rows.collect()
        })
    }
}

/// The messages of a wake: row, peer, id, and whether their writer reads receipts, as a lane's does; of the open slot's
/// writers only those with a heartbeat do.
fn messages_of(tx: &Transaction, wake: i64) -> rusqlite::Result<Vec<(i64, String, String, bool)>> {
    let sql = "SELECT message.n, peer, id, encoding IS NULL
                 OR EXISTS (SELECT 1 FROM peer WHERE fold = message.peer AND heartbeat IS NOT NULL)
               FROM wake_message JOIN message ON message.n = wake_message.message
               WHERE wake_message.wake = ?1 ORDER BY message.n";
    let mut statement = tx.prepare_cached(sql)?;
    statement.query_map([wake], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::envelope::Envelope;
    use crate::model::trust::{Policy, Verdict};
    use crate::store::db::{Arrival, Cursor, Intake, Via};
    use serde_json::json;

    #[test]
    fn much_mail_for_one_agent_hides_no_other() {
        let mut db = Db::in_memory().unwrap();
        let arrival = |n: usize, to: &str, priority: &str| Arrival {
            envelope: Envelope::from_value(
                json!({"id": format!("m{n}"), "from": "a", "to": to, "content": n, "priority": priority}),
            )
            .unwrap(),
            peer: "a".into(),
            text: String::new(),
            at: 0,
            verdict: Verdict::Unverified,
            policy: Policy::Allow,
            written: None,
            expired: false,
            wake: true,
            receipt: false,
        };
        let mut arrivals: Vec<_> = (0..1_100).map(|n| arrival(n, "lab/a", "normal")).collect();
        arrivals.push(arrival(1_100, "lab/b", "urgent"));
        let (lane, via, mailbox) = ("slot".into(), Via::Slot, "lab".into());
        let cursor = Cursor::default();
        let intake = Intake {
            lane,
            source: String::new(),
            via,
            mailbox,
            arrivals,
            refused: vec![],
            quarantined: vec![],
            room: 0,
            refusals: vec![],
            cursor,
            restarted: false,
        };
        db.take_in(&intake, 0).unwrap();
        let due: Vec<_> =
            db.wakes_due().unwrap().into_iter().map(|due| (due.recipient, due.urgent)).collect();
        assert_eq!(due, [("lab/a".to_owned(), false), ("lab/b".to_owned(), true)]);
        let of_b = db.wake_messages(Some(&["lab/b".to_owned()]), 100).unwrap();
        assert_eq!(of_b.len(), 1);
        db.mark(&of_b, crate::model::state::State::Read, None, 1).unwrap();
        assert_eq!(db.wakes_due().unwrap().len(), 1);
        assert_eq!(db.wake_messages(None, 100).unwrap().len(), 1, "it needs no wake any more");
    }

    #[test]
    fn who_reads_no_receipts_is_owed_none_for_a_failed_wake() {
        let mut db = Db::in_memory().unwrap();
        let arrival = Arrival {
            envelope: Envelope::from_value(json!({"from": "hand", "content": 1})).unwrap(),
            peer: "hand".into(),
            text: "1".into(),
            at: 0,
            verdict: Verdict::Unverified,
            policy: Policy::Allow,
            written: Some(("utf-8".into(), vec![])),
            expired: false,
            wake: true,
            receipt: false,
        };
        let intake = Intake {
            lane: "slot".into(),
            source: String::new(),
            via: Via::Slot,
            mailbox: "lab".into(),
            arrivals: vec![arrival],
            refused: vec![],
            quarantined: vec![],
            room: 0,
            refusals: vec![],
            cursor: Cursor::default(),
            restarted: false,
        };
        db.take_in(&intake, 0).unwrap();
        let due = db.inbox(&crate::store::db::Filter::default()).unwrap();
        let wake = db.begin_wake("", &due, 1, 0).unwrap();
        db.end_wake(wake, Ended::Failed, "no such agent", 1).unwrap();
        assert_eq!(db.waiting_peers().unwrap(), [""; 0], "nothing could ever be sent there");
    }
}
