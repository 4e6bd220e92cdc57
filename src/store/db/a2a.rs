//! Mail that goes to peers' agents through their gateways: what was handed to which, and the place of each gateway.
//!
//! ```text
//! queued ──begun──> queued, and nobody else's ──taken──> sent, with a task ──answered──> processed, and the answer is here
//!    ^───nothing was done───/ \──not known──> detour <──its task failed, or is forgotten──/
//! ```
//! What is begun is written before its request leaves; whatever a crash leaves begun may have been taken or not, so it is
//! never handed over again: like all on a *detour* it goes by the other routes, under the same id. A thread has one
//! unanswered message at a time, in a context of the gateway that is given up for a fresh one (its *generation* goes up)
//! when a message in it had no known end. An answer enters the inbox in the transaction that ends what it answers.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::audit::log;
use super::inbox::Taken;
use super::intake::Intake;
use super::message::{COLUMNS, Message, WIDTH, Way};
use super::{Db, inbox, receipts};
use crate::error::Result;
use crate::model::envelope::RECEIPT;
use crate::model::id::MessageId;
use crate::model::route::Gateway;
use crate::model::state::State;

/// What gateways leave to the other routes, of the mail that waits.
pub(super) const LEFT: &str = "(detour OR kind = 'receipt' OR NOT EXISTS (SELECT 1 FROM gateway g
        WHERE g.peer = message.peer AND usable AND NOT (after_direct AND EXISTS
            (SELECT 1 FROM route r WHERE r.peer = g.peer AND r.via = 'direct' AND r.why IS NULL))))
     AND NOT EXISTS (SELECT 1 FROM a2a WHERE a2a.n = message.n)";

/// Whether they leave anything of the mail that waits for `q.peer`; asks about single messages only where there is one.
pub(super) const ANY_LEFT: &str = "(NOT EXISTS (SELECT 1 FROM gateway g WHERE g.peer = q.peer AND usable)
     AND NOT EXISTS (SELECT 1 FROM a2a WHERE a2a.peer = q.peer))";

/// A message that was handed to a gateway.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The message.
    pub message: Message,
    /// What to ask for it by.
    pub task: String,
    /// When it was handed over.
    pub at: i64,
}

impl Db {
    /// How it stands with the gateway of a peer, by its folded name.
    pub fn gateway(&self, peer: &str) -> Result<Option<Gateway>> {
        self.query("read", |c| {
            let sql =
                "SELECT usable, after_direct, url, since, why, failures, until, pause FROM gateway WHERE peer = ?1";
            let gateway = |row: &Row| {
                Ok(Gateway {
                    usable: row.get(0)?,
                    after_direct: row.get(1)?,
                    url: row.get(2)?,
                    since: row.get(3)?,
                    why: row.get(4)?,
                    failures: row.get(5)?,
                    until: row.get(6)?,
                    pause: row.get(7)?,
                })
            };
            c.prepare_cached(sql)?.query_row([peer], gateway).optional()
        })
    }

    /// Notes how it stands with the gateway of a peer.
    pub fn set_gateway(&mut self, peer: &str, gateway: &Gateway) -> Result<()> {
        let Gateway { usable, after_direct, url, since, why, failures, until, pause } = gateway;
        self.write("note the route in", |tx| {
            let sql = "INSERT OR REPLACE INTO gateway VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            let given = params![peer, usable, after_direct, url, since, why, failures, until, pause];
            tx.prepare_cached(sql)?.execute(given).map(drop)
        })
    }

    /// Forgets all gateways: nobody sees to them any more.
    pub fn clear_gateways(&mut self) -> Result<()> {
        let any = self
            .query("read", |c| c.query_row("SELECT EXISTS (SELECT 1 FROM gateway)", [], |row| row.get(0)))?;
        match any {
            true => self.write("forget routes in", |tx| tx.execute("DELETE FROM gateway", []).map(drop)),
            false => Ok(()),
        }
    }

    /// The oldest message that waits for the gateway of `peer`, in a thread where nothing is unanswered.
    pub fn next_errand(&self, peer: &str) -> Result<Option<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message INDEXED BY message_queue
                 WHERE way = 'out' AND (state = 'queued' OR resend) AND state = 'queued' AND peer = ?1
                 AND NOT detour AND NOT resend AND kind != ?2
                 AND coalesce(thread, id) NOT IN (SELECT thread FROM a2a WHERE a2a.peer = ?1)
                 AND NOT EXISTS (SELECT 1 FROM gateway g JOIN route r USING (peer)
                                 WHERE g.peer = ?1 AND after_direct AND r.via = 'direct' AND r.why IS NULL) ORDER BY n LIMIT 1"
            );
            c.prepare_cached(&sql)?.query_row([peer, RECEIPT], Message::from_row).optional()
        })
    }

    /// Notes that a message is about to be handed over; returns the generation of its thread's context. `None`: it is not
    /// to be, since it ended meanwhile.
    pub fn begin_errand(&mut self, message: &Message, now: i64) -> Result<Option<u64>> {
        let (peer, thread) = (&message.peer, message.conversation());
        self.write("note the route in", |tx| {
            let sql = "INSERT INTO a2a SELECT n, peer, ?2, NULL, ?3 FROM message
                       WHERE n = ?1 AND way = 'out' AND state = 'queued' AND NOT detour";
            if tx.prepare_cached(sql)?.execute(params![message.n, thread, now])? == 0 {
                return Ok(None);
            }
            let sql = "SELECT generation FROM a2a_thread WHERE peer = ?1 AND thread = ?2";
            let generation = tx.prepare_cached(sql)?.query_row([peer, thread], |row| row.get::<_, i64>(0));
            Ok(Some(generation.optional()?.map_or(0, i64::unsigned_abs)))
        })
    }

    /// Nothing was done: the message waits as before. `why` is noted, in words, unless that is what was noted last.
    pub fn errand_undone(&mut self, message: &Message, why: Option<&str>, now: i64) -> Result<()> {
        self.write("note the route in", |tx| {
            tx.prepare_cached("DELETE FROM a2a WHERE n = ?1")?.execute([message.n])?;
            let (peer, id) = (&message.peer, message.id.as_str());
            let Some(why) = why.map(|why| format!("its gateway did not take it: {why}")) else {
                return Ok(());
            };
            let sql =
                "SELECT what = 'detour' AND detail = ?3 FROM log WHERE id = ?1 AND way = 'out' AND peer = ?2
                       ORDER BY n DESC LIMIT 1";
            let given = params![id, peer, why];
            let known =
                tx.prepare_cached(sql)?.query_row(given, |row| row.get::<_, Option<bool>>(0)).optional()?;
            match known.flatten() {
                Some(true) => Ok(()),
                _ => log(tx, now, Way::Out, peer, id, "detour", Some(&why)),
            }
        })
    }

    /// Notes that a gateway took a message; `route` is how it went, in words.
    pub fn errand_taken(&mut self, n: i64, task: &str, route: &str, now: i64) -> Result<()> {
        self.write("mark mail in", |tx| {
            tx.prepare_cached("UPDATE a2a SET task = ?2 WHERE n = ?1")?.execute(params![n, task])?;
            let sql = "UPDATE message SET state = 'sent', tries = tries + 1 WHERE n = ?1 AND state = 'queued'
                       RETURNING peer, id";
            let row = |row: &Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
            let sent = tx.prepare_cached(sql)?.query_row([n], row).optional()?;
            sent.map_or(Ok(()), |(peer, id)| {
                log(tx, now, Way::Out, &peer, &id, State::Sent.as_str(), Some(route))
            })
        })
    }

    /// What was handed to the gateway of `peer` and has no end yet, the oldest first.
    pub fn errands(&self, peer: &str) -> Result<Vec<Errand>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS}, (SELECT task FROM a2a WHERE a2a.n = message.n), (SELECT at FROM a2a WHERE a2a.n = message.n)
                 FROM message WHERE n IN (SELECT n FROM a2a WHERE a2a.peer = ?1 AND task IS NOT NULL) ORDER BY n"
            );
            let errand = |row: &Row| {
                Ok(Errand { message: Message::from_row(row)?, task: row.get(WIDTH)?, at: row.get(WIDTH + 1)? })
            };
            c.prepare_cached(&sql)?.query_map([peer], errand)?.collect()
        })
    }

    /// What keeps a message from its gateway: the one of its thread that has no end yet, or itself, if it is being handed
    /// over.
    pub fn keeper(&self, message: &Message) -> Result<Option<MessageId>> {
        self.query("read", |c| {
            let sql = "SELECT m.id FROM a2a JOIN message m USING (n) WHERE a2a.peer = ?1 AND a2a.thread = ?2
                       AND EXISTS (SELECT 1 FROM message WHERE n = ?3 AND NOT detour) LIMIT 1";
            let given = params![message.peer, message.conversation(), message.n];
            let id = c.prepare_cached(sql)?.query_row(given, |row| row.get::<_, String>(0)).optional()?;
            Ok(id.and_then(|id| id.parse().ok()))
        })
    }

    /// Leaves a message to the other routes, and its thread's context to what came of it there; why, in words.
    pub fn detour(&mut self, n: i64, why: &str, now: i64) -> Result<()> {
        self.write("note the route in", |tx| detour(tx, n, why, now))
    }

    /// The same for all that was begun by a daemon that is no more; returns how many.
    pub fn detour_begun(&mut self, why: &str, now: i64) -> Result<usize> {
        let begun: Vec<i64> = self.query("read", |c| {
            c.prepare("SELECT n FROM a2a WHERE task IS NULL")?.query_map([], |row| row.get(0))?.collect()
        })?;
        if begun.is_empty() {
            return Ok(0);
        }
        self.write("note the route in", |tx| begun.iter().try_for_each(|n| detour(tx, *n, why, now)))?;
        Ok(begun.len())
    }

    /// Mail for `peer` that is left to other routes, of which it has none: the ids.
    pub fn detoured(&self, peer: &str) -> Result<Vec<MessageId>> {
        self.query("read", |c| {
            let sql = "SELECT id FROM message INDEXED BY message_queue WHERE way = 'out' AND (state = 'queued' OR resend)
                       AND peer = ?1 AND detour AND kind != ?2";
            let mut found = c.prepare_cached(sql)?;
            let ids = found.query_map([peer, RECEIPT], |row| row.get::<_, String>(0))?;
            Ok(ids.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|id| id.parse::<MessageId>().ok()).collect())
        })
    }

    /// Ends a message that was answered, and takes the answer in, if it has words.
    pub fn errand_answered(&mut self, message: &Message, answer: Option<&Intake>, now: i64) -> Result<Taken> {
        self.write("take mail into", |tx| {
            tx.prepare_cached("DELETE FROM a2a WHERE n = ?1")?.execute([message.n])?;
            let outcome = answer.map_or("its agent is done, and said nothing", |_| "answered");
            let (id, state) = (message.id.as_str(), State::Processed);
            receipts::advance(tx, Way::Out, &message.peer, id, state, Some(outcome), "answered by a2a", now)?;
            answer.map_or(Ok(Taken::default()), |answer| inbox::take(tx, answer, now))
        })
    }
}

fn detour(tx: &Transaction, n: i64, why: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM a2a WHERE n = ?1 RETURNING peer, thread";
    let row = |row: &Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    if let Some((peer, thread)) = tx.prepare_cached(sql)?.query_row([n], row).optional()? {
        let sql = "INSERT INTO a2a_thread VALUES (?1, ?2, 1, ?3)
                   ON CONFLICT (peer, thread) DO UPDATE SET generation = generation + 1, at = excluded.at";
        tx.prepare_cached(sql)?.execute(params![peer, thread, now])?;
    }
    let sql = "UPDATE message SET detour = 1, resend = (state = 'sent') WHERE n = ?1 AND state IN ('queued', 'sent')
               RETURNING peer, id";
    let left = tx.prepare_cached(sql)?.query_row([n], row).optional()?;
    left.map_or(Ok(()), |(peer, id)| log(tx, now, Way::Out, &peer, &id, "detour", Some(why)))
}
