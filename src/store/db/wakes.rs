//! Wakes: each attempt to wake an agent, and its result.
//!
//! A row is written before the adapter starts and ended after it; a crash in between leaves `running`, which the next
//! daemon turns into `interrupted`. Whether the agent was woken by it nobody knows, so its messages count as accepted:
//! if nobody reads them they come again, and not at once. A wake that is `done` is never repeated.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::audit::log;
use super::message::{Message, Way, rfc3339};
use super::{Db, unwoken, waiting};
use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::trust::Verdict;

/// How long it is remembered that somebody was woken for the same.
const WOKEN: i64 = 7 * 24 * 3_600_000;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The agent was woken.
    Done,
    /// It was told, and may look; if not, it is told again.
    Accepted,
    /// It failed for now.
    Retry(Retry),
    /// It failed for good.
    Failed,
}

/// What follows from a failure for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The other side wants no further attempt before.
    pub not_before: Option<i64>,
    /// After so many of them a message is given up,
    pub attempts: u32,
    /// and due again, though its sender was told, at this time.
    pub again_at: i64,
}

/// Failed attempts in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// The number of the first of them.
    pub first: Option<i64>,
    /// How many.
    pub count: u32,
    /// When the last of them ended.
    pub last: i64,
    /// The other side wants no further one before.
    pub not_before: Option<i64>,
    /// All mail of the last one was given up.
    pub over: bool,
}

/// One attempt, for `status` and `wake log`.
#[derive(Clone, Debug, Serialize)]
pub struct Wake {
    /// Number of the attempt since the store was made.
    pub n: i64,
    /// The agent; empty for the instance itself.
    pub agent: String,
    /// Whose mail it was for, where each sender is woken for by itself; empty: everybody's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sender: String,
    /// When it began (RFC 3339).
    pub at: String,
    /// Which attempt in a row.
    pub attempt: i64,
    /// `running`, `done`, `accepted`, `retry`, `failed` or `interrupted`.
    pub state: String,
    /// Why it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The adapter's result in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Db {
    /// Notes that an attempt begins; returns its number. Costs no fsync: if the PC's power fails right now, the mail is due
    /// again, and the attempt gets the same number, by which a server knows it.
    pub fn begin_wake(
        &mut self,
        agent: &str,
        sender: &str,
        messages: &[Message],
        attempt: u32,
        reason: &str,
        now: i64,
    ) -> Result<i64> {
        self.write_soon("note the wake in", |tx| {
            let sql = "INSERT INTO wake (agent, sender, at, attempt, state, reason, verified)
                       VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6)";
            let verified = messages.iter().any(|message| message.verdict == Some(Verdict::Verified));
            tx.prepare_cached(sql)?.execute(params![agent, sender, now, attempt, reason, verified])?;
            let wake = tx.last_insert_rowid();
            let mut link = tx.prepare_cached("INSERT INTO wake_message VALUES (?1, ?2)")?;
            for message in messages {
                link.execute([wake, message.n])?;
            }
            Ok(wake)
        })
    }

    /// Notes an attempt's end and what follows for its messages; `reached`: it may have got to the other side; `again` is the pause after so many accepted wakes. An
    /// attempt that ended already stays as it is.
    pub fn end_wake(
        &mut self,
        wake: i64,
        ended: Ended,
        reached: bool,
        detail: &str,
        again: impl Fn(u32) -> Duration,
        now: i64,
    ) -> Result<()> {
        self.write("note the wake in", |tx| {
            let messages = messages_of(tx, wake)?;
            let (word, not_before) = match ended {
                Ended::Done => ("done", None),
                Ended::Accepted => ("accepted", None),
                Ended::Retry(retry) if messages.iter().all(|one| one.is_over(&retry, reached)) => {
                    ("failed", retry.not_before)
                }
                Ended::Retry(retry) => ("retry", retry.not_before),
                Ended::Failed => ("failed", None),
            };
            let sql = "UPDATE wake SET state = ?2, ended = ?3, detail = ?4, not_before = ?5, reached = ?6
                       WHERE n = ?1 AND state = 'running'";
            if tx.prepare_cached(sql)?.execute(params![wake, word, now, detail, not_before, reached])? == 0 {
                return Ok(());
            }
            if matches!(ended, Ended::Done | Ended::Accepted) {
                remember(tx, wake, now)?;
                unwoken::after_wake(tx, wake, now)?;
            }
            for one in messages {
                let accepted = one.accepted.saturating_add(u32::from(ended == Ended::Accepted));
                let (failures, misses) = match ended {
                    Ended::Retry(_) => one.failed(reached),
                    _ => (0, 0),
                };
                let (mark, at, what) = match ended {
                    Ended::Done => ("woken", 0, "woken"),
                    Ended::Accepted => ("accepted", after(now, again(accepted)), "wake-accepted"),
                    Ended::Retry(retry) if one.is_over(&retry, reached) => {
                        ("failed", retry.again_at, "wake-failed")
                    }
                    Ended::Retry(_) => ("due", 0, "wake-retry"),
                    Ended::Failed => ("failed", 0, "wake-failed"),
                };
                let sql =
                    "UPDATE message SET wake = ?2, wake_at = ?3, accepted = ?4, failures = ?5, misses = ?6
                           WHERE n = ?1 AND wake = 'due'";
                tx.prepare_cached(sql)?.execute(params![one.n, mark, at, accepted, failures, misses])?;
                let detail = match (ended, mark) {
                    (Ended::Retry(_), "failed") => format!("{detail}, the last one for now"),
                    _ => detail.to_owned(),
                };
                match mark {
                    "failed" => waiting::give_up(tx, &(one.n, one.peer, one.id), what, &detail, now)?,
                    _ => log(tx, now, Way::In, &one.peer, &one.id, what, Some(&detail))?,
                }
            }
            Ok(())
        })
    }

    /// Ends the attempts that a crash cut off. Their agents may have been woken, so what they were for waits for `pause`.
    pub fn interrupt_wakes(&mut self, pause: Duration, now: i64) -> Result<()> {
        self.cut_off(Some(pause), now)
    }

    /// Ends the attempts that this daemon cuts off itself: what they were for stays due.
    pub fn withdraw_wakes(&mut self, now: i64) -> Result<()> {
        self.cut_off(None, now)
    }

    fn cut_off(&mut self, pause: Option<Duration>, now: i64) -> Result<()> {
        let running: Vec<i64> = self.query("read", |c| {
            let sql = "SELECT n FROM wake INDEXED BY wake_running WHERE state = 'running'";
            c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })?;
        if running.is_empty() {
            return Ok(());
        }
        self.write("mark wakes in", |tx| {
            for wake in running {
                let sql =
                    "UPDATE wake SET state = 'interrupted', ended = ?2, detail = 'the daemon ended first'
                           WHERE n = ?1";
                tx.execute(sql, params![wake, now])?;
                let Some(pause) = pause else { continue };
                remember(tx, wake, now)?;
                let sql = "UPDATE message SET wake = 'accepted', wake_at = ?2 WHERE wake = 'due'
                           AND n IN (SELECT message FROM wake_message WHERE wake = ?1)";
                tx.execute(sql, params![wake, after(now, pause)])?;
            }
            Ok(())
        })
    }

    /// Failed attempts in a row for `agent` and mail of `sender` (empty: of all). A row goes on while some of its mail is due:
    /// [`Failures::over`] says that it may have ended.
    pub fn wake_failures(&self, agent: &str, sender: &str) -> Result<Failures> {
        self.query("read", |c| {
            let sql = "SELECT min(n), count(*), coalesce(max(ended), 0), max(not_before),
                              coalesce(max(iif(state = 'failed', n, 0)) = max(n), 0) FROM wake
                       WHERE agent = ?1 AND sender = ?2 AND state IN ('retry', 'failed')
                         AND n > coalesce((SELECT max(n) FROM wake
                                           WHERE agent = ?1 AND sender = ?2 AND state IN ('done', 'accepted')), 0)
                         AND n >= coalesce((SELECT max(n) FROM wake
                                            WHERE agent = ?1 AND sender = ?2 AND attempt = 1), 0)";
            c.prepare_cached(sql)?.query_row([agent, sender], |row| {
                Ok(Failures {
                    first: row.get(0)?,
                    count: row.get(1)?,
                    last: row.get(2)?,
                    not_before: row.get(3)?,
                    over: row.get(4)?,
                })
            })
        })
    }

    /// When the last wake for both that did not fail for now began (wall-clock milliseconds), for the batch window.
    pub fn last_wake(&self, agent: &str, sender: &str) -> Result<Option<i64>> {
        self.query("read", |c| {
            let sql = "SELECT at FROM wake WHERE agent = ?1 AND sender = ?2 AND state IN ('done', 'accepted')
                       ORDER BY n DESC LIMIT 1";
            c.prepare_cached(sql)?.query_row([agent, sender], |row| row.get(0)).optional()
        })
    }

    /// Which attempt in a row a wake is.
    pub fn attempt_of_wake(&self, wake: i64) -> Result<u32> {
        self.query("read", |c| {
            let sql = "SELECT attempt FROM wake WHERE n = ?1";
            c.prepare_cached(sql)?.query_row([wake], |row| row.get(0)).optional()
        })
        .map(Option::unwrap_or_default)
    }

    /// When wakes began, after `since` and up to `now`, whatever came of them, unless they never got to the other side;
    /// oldest first.
    pub fn wake_times(&self, since: i64, now: i64) -> Result<Vec<i64>> {
        self.query("read", |c| {
            let sql =
                "SELECT at FROM wake INDEXED BY wake_time WHERE at > ?1 AND at <= ?2 AND reached ORDER BY at";
            c.prepare_cached(sql)?.query_map([since, now], |row| row.get(0))?.collect()
        })
    }

    /// The same of those that were for unverified mail alone.
    pub fn unverified_wake_times(&self, since: i64, now: i64) -> Result<Vec<i64>> {
        self.query("read", |c| {
            let sql = "SELECT at FROM wake INDEXED BY wake_time WHERE at > ?1 AND at <= ?2 AND reached AND NOT verified
                       ORDER BY at";
            c.prepare_cached(sql)?.query_map([since, now], |row| row.get(0))?.collect()
        })
    }

    /// Forgets which pauses other sides asked for.
    pub fn end_asked_pauses(&mut self, now: i64) -> Result<()> {
        self.write("mark wakes in", |tx| {
            let sql =
                "UPDATE wake SET not_before = NULL WHERE state IN ('retry', 'failed') AND not_before > ?1";
            tx.execute(sql, [now]).map(drop)
        })
    }

    /// The last attempts, newest last.
    pub fn wakes(&self, limit: usize) -> Result<Vec<Wake>> {
        self.query("read", |c| {
            let sql =
                "SELECT * FROM (SELECT n, agent, at, attempt, state, detail, reason, sender FROM wake ORDER BY n DESC
                       LIMIT ?1) ORDER BY n";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([limit as i64], |row| {
                Ok(Wake {
                    n: row.get(0)?,
                    agent: row.get(1)?,
                    at: rfc3339(row.get(2)?),
                    attempt: row.get(3)?,
                    state: row.get(4)?,
                    detail: row.get(5)?,
                    reason: row.get(6)?,
                    sender: row.get(7)?,
                })
            })?;
            rows.collect()
        })
    }

    /// What a wake was for: the ids and writers of its messages that are still here.
    pub fn messages_of_wake(&self, wake: i64) -> Result<Vec<(MessageId, String)>> {
        self.query("read", |c| {
            let sql = "SELECT id, sender FROM wake_message JOIN message ON message.n = wake_message.message
                       WHERE wake_message.wake = ?1 ORDER BY message.n";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([wake], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(rows.into_iter().filter_map(|(id, from)| Some((id.parse().ok()?, from))).collect())
        })
    }

    /// How many automatic answers led to what is sent to `peer` in this wake: as many as its mail in it says; if it has
    /// none there, the fewest, so that nobody's count stops mail to others and a circle of three still counts. `None`:
    /// the wake had no mail.
    pub fn hops_of_wake(&self, wake: i64, peer: &str) -> Result<Option<u64>> {
        self.query("read", |c| {
            let sql = "SELECT coalesce(max(iif(peer = ?2, coalesce(hops, 0), NULL)), min(coalesce(hops, 0)))
                       FROM wake_message JOIN message ON message.n = wake_message.message
                       WHERE wake_message.wake = ?1";
            c.prepare_cached(sql)?.query_row(params![wake, peer], |row| row.get::<_, Option<i64>>(0))
        })
        .map(|hops| hops.map(i64::unsigned_abs))
    }

    /// How many automatic answers led to the newest mail of `peer`, or of anybody, that wakes were for which went on after
    /// `since` and began up to `now`.
    pub fn hops_of_wakes(&self, peer: Option<&str>, since: i64, now: i64) -> Result<Option<u64>> {
        self.query("read", |c| {
            // None takes longer than a day, and few began within it.
            let sql = "SELECT coalesce(hops, 0) FROM wake INDEXED BY wake_time
                       JOIN wake_message ON wake_message.wake = wake.n
                       JOIN message ON message.n = wake_message.message
                       WHERE wake.at > ?2 - 86400000 AND wake.at <= ?3 AND coalesce(wake.ended, ?3) > ?2
                       AND (?1 IS NULL OR peer = ?1) ORDER BY message.n DESC LIMIT 1";
            c.prepare_cached(sql)?.query_row(params![peer, since, now], |row| row.get::<_, i64>(0)).optional()
        })
        .map(|hops| hops.map(i64::unsigned_abs))
    }
}

/// A message of a wake.
struct Woken {
    n: i64,
    peer: String,
    id: String,
    accepted: u32,
    failures: u32,
    misses: u32,
}

impl Woken {
    /// Its failures and misses after one more. They count apart: what never got there says nothing of the letter.
    fn failed(&self, reached: bool) -> (u32, u32) {
        match reached {
            true => (self.failures.saturating_add(1), self.misses),
            false => (self.failures, self.misses.saturating_add(1)),
        }
    }

    /// Whether it is given up after one more.
    fn is_over(&self, retry: &Retry, reached: bool) -> bool {
        let (failures, misses) = self.failed(reached);
        let count = if reached { failures } else { misses };
        count >= retry.attempts
    }
}

fn messages_of(tx: &Transaction, wake: i64) -> rusqlite::Result<Vec<Woken>> {
    let sql = "SELECT message.n, peer, id, accepted, failures, misses
               FROM wake_message JOIN message ON message.n = wake_message.message
               WHERE wake_message.wake = ?1 ORDER BY message.n";
    let mut statement = tx.prepare_cached(sql)?;
    let row = |row: &rusqlite::Row| {
        Ok(Woken {
            n: row.get(0)?,
            peer: row.get(1)?,
            id: row.get(2)?,
            accepted: row.get(3)?,
            failures: row.get(4)?,
            misses: row.get(5)?,
        })
    };
    statement.query_map([wake], row)?.collect()
}

/// Remembers what somebody was woken for.
fn remember(tx: &Transaction, wake: i64, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM woken WHERE at < ?1")?.execute([now.saturating_sub(WOKEN)])?;
    let sql = "INSERT OR REPLACE INTO woken SELECT digest, n, ?2 FROM wake_message
               JOIN message ON message.n = wake_message.message
               WHERE wake_message.wake = ?1 AND digest IS NOT NULL";
    tx.prepare_cached(sql)?.execute([wake, now]).map(drop)
}

fn after(now: i64, pause: Duration) -> i64 {
    now.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::envelope::Envelope;
    use crate::model::trust::Policy;
    use crate::store::db::{Arrival, Cursor, Intake, Pile, Via};
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
            refused: None,
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
            db.wakes_due(false, 0).unwrap().into_iter().map(|due| (due.recipient, due.count)).collect();
        assert_eq!(due, [("lab/a".to_owned(), 1_100), ("lab/b".to_owned(), 1)]);
        let of_b = Pile { recipients: vec!["lab/b".into()], senders: vec![] };
        assert!(db.wake_heads(&of_b, 0, 100).unwrap()[0].urgent);
        let of_b = db.wake_messages(&of_b, 0, 100, |_| usize::MAX).unwrap();
        assert_eq!(of_b.len(), 1);
        db.mark(&of_b, crate::model::state::State::Read, None, 1).unwrap();
        assert_eq!(db.wakes_due(false, 0).unwrap().len(), 1);
        db.drop_answered(100, 2).unwrap();
        assert_eq!(db.message(crate::store::db::Way::In, "a", &of_b[0].id).unwrap().unwrap().wake, None);
    }

    const RETRY: Ended = Ended::Retry(Retry { not_before: None, attempts: 9, again_at: 0 });

    #[test]
    fn what_never_reached_the_other_side_costs_no_budget() {
        let mut db = Db::in_memory().unwrap();
        for (at, reached) in [(1_u32, false), (2, true), (3, false)] {
            let wake = db.begin_wake("", "", &[], at, "new mail", at.into()).unwrap();
            assert_eq!(db.wake_times(0, 9).unwrap().last(), Some(&i64::from(at)), "it counts while it runs");
            db.end_wake(wake, RETRY, reached, "refused", |_| Duration::ZERO, at.into()).unwrap();
        }
        assert_eq!(
            (db.wake_times(0, 9).unwrap(), db.unverified_wake_times(0, 9).unwrap()),
            (vec![2], vec![2])
        );
        assert_eq!(db.wake_failures("", "").unwrap().count, 3, "the pauses are as ever");
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
            refused: None,
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
        let wake = db.begin_wake("", "", &due, 1, "new mail", 0).unwrap();
        db.end_wake(wake, Ended::Failed, true, "no such agent", |_| Duration::ZERO, 1).unwrap();
        assert_eq!(db.waiting_peers().unwrap(), [""; 0], "nothing could ever be sent there");
    }
}
