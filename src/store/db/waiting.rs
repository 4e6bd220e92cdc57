//! What waits for a wake: incoming messages by the word in their column `wake`.
//!
//! ```text
//! due ──wake──> woken | failed | accepted ──time, unread──> due | unread
//!  ^─────────────────────┴──────(unwoken.rs)────────────────────────┘
//!  └──> NULL: read before the wake fired, or a rule says never;  stopped: an exchange that went in circles
//! ```
//! `due` with a `wake_at` in the future waits for that moment, and goes along with any wake before it. `accepted` is a
//! wake that was queued for the agent, or cut off by a crash: what is read by its `wake_at` was woken for.

use rusqlite::{Transaction, params};

use super::audit::log;
use super::message::{COLUMNS, Message, WIDTH, Way};
use super::{Db, receipts, reports};
use crate::error::Result;
use crate::model::ask::REQUEST;
use crate::model::envelope::Envelope;
use crate::model::id::MessageId;
use crate::model::receipt::WAKE_FAILED;
use crate::model::report::Cause;

/// What waits for a wake of one recipient, by one writer or by all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The address it was sent to.
    pub recipient: String,
    /// Who wrote it, as it names itself; empty: all.
    pub sender: String,
    /// The oldest of them.
    pub first: i64,
    /// How many they are.
    pub count: u64,
    /// One of them wants attention at once.
    pub urgent: bool,
    /// One of them that is by who it says it is by does.
    pub verified_urgent: bool,
    /// One of them is by who it says it is by.
    pub verified: bool,
}

/// Whether a message is by who it says it is by.
const VERIFIED: &str = "coalesce(verdict = 'verified', 0)";

/// Mail that one wake is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pile {
    /// To these addresses.
    pub recipients: Vec<String>,
    /// By these writers, as they name themselves; none: by all.
    pub senders: Vec<String>,
}

/// What the policy needs to know of a message that a wake is due for.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its row.
    pub n: i64,
    /// Who wrote it.
    pub sender: String,
    /// Its type.
    pub kind: String,
    /// It wants attention at once.
    pub urgent: bool,
    /// It is by who it says it is by.
    pub verified: bool,
    /// Automatic answers that led to it.
    pub hops: u64,
    /// It is a copy of a broadcast.
    pub broadcast: bool,
    /// Wakes for it that were accepted, and after which nobody read it.
    pub accepted: u32,
    /// Wakes for it that failed for now.
    pub failures: u32,
    /// When somebody was last woken for another message that says the same.
    pub twin: Option<i64>,
}

/// What becomes of a message that a wake is due for, other than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// Nobody is woken for it.
    Never,
    /// Nor for this one, and both sides are told why.
    Stopped(String),
    /// Not before this time.
    Later(i64),
}

impl Db {
    /// Whom a wake is due for at `now`, by the oldest message; `by_sender`: and whose mail. Reads an index, no message.
    pub fn wakes_due(&self, by_sender: bool, now: i64) -> Result<Vec<Due>> {
        self.query("read", |c| {
            let sender = if by_sender { "sender" } else { "''" };
            let sql = format!(
                "SELECT recipient, {sender}, min(n), count(*), max(priority = 'urgent'),
                        max(priority = 'urgent' AND {VERIFIED}), max({VERIFIED}) FROM message INDEXED BY message_wake
                 WHERE wake = 'due' AND state = 'delivered' AND wake_at <= ?1 GROUP BY 1, 2 ORDER BY 3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map([now], |row| {
                Ok(Due {
                    recipient: row.get(0)?,
                    sender: row.get(1)?,
                    first: row.get(2)?,
                    count: row.get::<_, i64>(3)? as u64,
                    urgent: row.get(4)?,
                    verified_urgent: row.get(5)?,
                    verified: row.get(6)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The messages of this pile that a wake is due for at `now`: verified ones first, then urgent ones, then the oldest.
    pub fn wake_heads(&self, pile: &Pile, now: i64, limit: usize) -> Result<Vec<Head>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT m.n, sender, kind, priority = 'urgent', {VERIFIED}, coalesce(hops, 0), accepted, w.at, failures + misses,
                        audience IS NOT NULL AND term IS NULL
                 FROM message m INDEXED BY message_wake
                 LEFT JOIN woken w ON w.digest = m.digest AND w.message != m.n
                 WHERE wake = 'due' AND state = 'delivered' AND wake_at <= ?3 AND {}
                 ORDER BY {VERIFIED} DESC, priority = 'urgent' DESC, m.n LIMIT ?4",
                pile.belongs()
            );
            let mut statement = c.prepare_cached(&sql)?;
            let (to, by) = (json(&pile.recipients), json(&pile.senders));
            let rows = statement.query_map(params![to, by, now, limit as i64], |row| {
                Ok(Head {
                    n: row.get(0)?,
                    sender: row.get(1)?,
                    kind: row.get(2)?,
                    urgent: row.get(3)?,
                    verified: row.get(4)?,
                    hops: row.get::<_, i64>(5)?.unsigned_abs(),
                    accepted: row.get(6)?,
                    twin: row.get(7)?,
                    failures: row.get(8)?,
                    broadcast: row.get(9)?,
                })
            })?;
            rows.collect()
        })
    }

    /// What goes into a wake for this pile at `now`: what is due, verified ones before urgent ones, for which it may be made,
    /// before those whose wakes failed less often before the oldest; then what may go along; in the order in which it came.
    /// No more than `limit`, and no more than `together` says of any of them, by its failures.
    pub fn wake_messages(
        &self,
        pile: &Pile,
        now: i64,
        limit: usize,
        together: impl Fn(u32) -> usize,
    ) -> Result<Vec<Message>> {
        let first: Vec<(Message, u32)> = self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS}, failures FROM message INDEXED BY message_wake
                 WHERE wake = 'due' AND state = 'delivered' AND {}
                 ORDER BY wake_at > ?3, {VERIFIED} DESC, priority = 'urgent' DESC, failures, n LIMIT ?4",
                pile.belongs()
            );
            let mut statement = c.prepare_cached(&sql)?;
            let (to, by) = (json(&pile.recipients), json(&pile.senders));
            let row = |row: &rusqlite::Row| Ok((Message::from_row(row)?, row.get(WIDTH)?));
            statement.query_map(params![to, by, now, limit as i64], row)?.collect()
        })?;
        let mut most = limit;
        let mut messages = vec![];
        for (message, failures) in first {
            most = most.min(together(failures).max(1));
            if messages.len() >= most {
                break;
            }
            messages.push(message);
        }
        messages.sort_unstable_by_key(|message| message.n);
        Ok(messages)
    }

    /// Takes messages out of the queue that were read or answered before their wake fired.
    pub fn drop_answered(&mut self, limit: usize, now: i64) -> Result<()> {
        let answered = self.query("read", |c| {
            let sql = "SELECT n, peer, id FROM message INDEXED BY message_wake
                       WHERE wake = 'due' AND state != 'delivered' ORDER BY n LIMIT ?1";
            c.prepare_cached(sql)?.query_map([limit as i64], row)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        if answered.is_empty() {
            return Ok(());
        }
        self.write("mark wakes in", |tx| {
            answered.iter().try_for_each(|one| unneeded(tx, one, "read before the wake fired", now))
        })
    }

    /// Looks at wakes that were accepted, and whose time is over at `now`: what was read, was woken for; what was not, is
    /// due again; after `most` of them its sender is told. What waits for longer than `longest` waits for a clock that
    /// was set back.
    pub fn wake_again(&mut self, most: u32, longest: i64, now: i64) -> Result<()> {
        const OVER: &str = "wake = 'accepted' AND (wake_at <= ?1 OR wake_at > ?2)";
        let late = now.saturating_add(longest);
        let over = self.query("read", |c| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_again WHERE {OVER})");
            c.prepare_cached(&sql)?.query_row([now, late], |row| row.get::<_, bool>(0))
        })?;
        if !over {
            return Ok(());
        }
        self.write("look at wakes in", |tx| {
            let read = format!("UPDATE message SET wake = 'woken' WHERE {OVER} AND state != 'delivered'");
            tx.prepare_cached(&read)?.execute([now, late])?;
            let sql = format!("SELECT n, peer, id FROM message WHERE {OVER} AND accepted >= ?3");
            let mut statement = tx.prepare_cached(&sql)?;
            let unseen =
                statement.query_map(params![now, late, most], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            for one in unseen {
                let why = format!("{most} wakes were accepted, and nobody read it");
                tx.prepare_cached("UPDATE message SET wake = 'unread' WHERE n = ?1")?.execute([one.0])?;
                give_up(tx, &one, "wake-failed", &why, now)?;
            }
            let again = format!("UPDATE message SET wake = 'due', wake_at = 0 WHERE {OVER}");
            tx.prepare_cached(&again)?.execute([now, late]).map(drop)
        })
    }

    /// Lets what waits for longer than `longest` be due at once: it waits for a clock that was set back.
    pub fn wake_sooner(&mut self, longest: i64, now: i64) -> Result<()> {
        let late = now.saturating_add(longest);
        let over = self.query("read", |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_wake WHERE wake = 'due' AND wake_at > ?1)";
            c.prepare_cached(sql)?.query_row([late], |row| row.get::<_, bool>(0))
        })?;
        if !over {
            return Ok(());
        }
        self.write("mark wakes in", |tx| {
            let sql = "UPDATE message SET wake_at = 0 WHERE wake = 'due' AND wake_at > ?1";
            tx.prepare_cached(sql)?.execute([late]).map(drop)
        })
    }

    /// Puts messages aside that no wake is due for after all.
    pub fn sort_out(&mut self, sorted: &[(i64, Sorted)], now: i64) -> Result<()> {
        self.write("mark wakes in", |tx| {
            for (n, sorted) in sorted {
                let one = tx
                    .prepare_cached("SELECT n, peer, id FROM message WHERE n = ?1 AND wake = 'due'")?
                    .query_row([n], row)?;
                match sorted {
                    Sorted::Never => unneeded(tx, &one, "a rule says never", now)?,
                    Sorted::Later(at) => {
                        tx.prepare_cached("UPDATE message SET wake_at = ?2 WHERE n = ?1")?
                            .execute([n, at])?;
                        log(
                            tx,
                            now,
                            Way::In,
                            &one.1,
                            &one.2,
                            "wake-later",
                            Some("the same was woken for lately"),
                        )?;
                    }
                    Sorted::Stopped(why) => {
                        tx.prepare_cached("UPDATE message SET wake = 'stopped' WHERE n = ?1")?
                            .execute([n])?;
                        give_up(tx, &one, "wake-stopped", why, now)?;
                        reports::tell_recipient(tx, *n, Cause::NotWoken, why, now)?;
                    }
                }
            }
            Ok(())
        })
    }
}

impl Pile {
    /// Which messages are of it, in SQL: `?1` and `?2` are its lists.
    fn belongs(&self) -> &'static str {
        if self.senders.is_empty() {
            "recipient IN (SELECT value FROM json_each(?1)) AND ?2 IS NOT NULL"
        } else {
            "recipient IN (SELECT value FROM json_each(?1)) AND sender IN (SELECT value FROM json_each(?2))"
        }
    }
}

/// A message's row, peer and id.
type Key = (i64, String, String);

fn row(row: &rusqlite::Row) -> rusqlite::Result<Key> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn json(names: &[String]) -> String {
    serde_json::to_string(names).unwrap_or_default()
}

fn unneeded(tx: &Transaction, (n, peer, id): &Key, why: &str, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE message SET wake = NULL WHERE n = ?1")?.execute([n])?;
    log(tx, now, Way::In, peer, id, "wake-not-needed", Some(why))
}

/// Logs that nobody will be woken for a message, and has its writer told the first time, if that one reads receipts, as a lane's does;
/// of the open slot's writers only those with a heartbeat do.
pub(super) fn give_up(
    tx: &Transaction,
    (n, peer, id): &Key,
    what: &str,
    why: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM log WHERE way = 'in' AND peer = ?1 AND id = ?2 AND what = ?3)";
    let told: bool = tx.prepare_cached(sql)?.query_row([peer, id, what], |row| row.get(0))?;
    log(tx, now, Way::In, peer, id, what, Some(why))?;
    if told {
        return Ok(());
    }
    let sql = "SELECT encoding IS NULL OR EXISTS (SELECT 1 FROM peer WHERE fold = message.peer AND heartbeat IS NOT NULL)
               FROM message WHERE n = ?1";
    if tx.prepare_cached(sql)?.query_row([n], |row| row.get(0))? {
        receipts::owe(tx, peer, id, WAKE_FAILED, now, Some(why))?;
    }
    Ok(())
}

/// What a message says, to whom and in which conversation: equal for messages that tell nothing new. A request is always
/// news: somebody waits for its answer.
pub(super) fn digest(envelope: &Envelope) -> [u8; 16] {
    let to = envelope.to.as_ref().map(|to| to.to_string().to_lowercase()).unwrap_or_default();
    let content = envelope.content.to_string();
    let answers = envelope.in_reply_to.as_ref().map(MessageId::as_str).unwrap_or_default();
    let thread = envelope.thread.as_deref().unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    let request = envelope.id.as_ref().filter(|_| envelope.kind == REQUEST);
    let request = request.map(MessageId::as_str).unwrap_or_default();
    for part in [&envelope.from, &to, &envelope.kind, thread, answers, &content, request] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}
