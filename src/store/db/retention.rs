//! What ages out of the store: finished mail with its trace, old wakes, old quarantine; and the end of mail for peers
//! that are gone. Every call is one small transaction; a crash leaves whole messages, here or gone.
//!
//! Never deleted: mail that nobody read, mail that is owed a receipt or waits for one (`delivered`), what is in the
//! spool, and mail in an open slot of which nobody saw that it was read: its peer neither wrote nor took anything away
//! since (`peer.changed_at`). What waits for a peer is limited, so that this is, too. An incoming message leaves a hash behind, so that it is dropped as known when it comes again: from a sender
//! that was not told, a lane that was restored, an open slot that is read anew. Room is used again, not given back:
//! VACUUM would lock the store for as long as it takes, so it is left to people.

use rusqlite::{Transaction, params};

use super::Db;
use super::audit::{self, log};
use super::message::Way;
use super::outbox::STRANGER;
use super::reports::{self, End};
use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::report::Cause;

/// Rows that one call looks at.
const SPAN: i64 = 2_000;
/// Rows that one call deletes, where it looks at an index.
const BATCH: i64 = 500;
/// How long an id stays known after its message: longer than any sender keeps mail for us (at most a year).
const KNOWN: i64 = 400 * 86_400_000;
/// When an id counts as forgotten that must stay known for good: the open slot has no numbers that would say so instead.
const FOR_GOOD: i64 = i64::MAX;

/// Mail that is done, and for which nothing is owed or awaited. A peer that speaks the plain protocol acknowledges
/// nothing: any sign of it that is younger than the mail is all that can be had.
const DONE: &str = "(way = 'in' AND state IN ('read', 'processed', 'failed', 'expired', 'cancelled')
                     AND NOT EXISTS (SELECT 1 FROM receipt_due r WHERE r.peer = m.peer AND r.id = m.id))
                 OR (way = 'out' AND kind != 'receipt' AND NOT resend
                     AND (state IN ('read', 'processed', 'failed', 'expired', 'cancelled') OR (state = 'sent' AND lease IS NULL
                          AND NOT EXISTS (SELECT 1 FROM peer p WHERE p.fold = m.peer
                                          AND (p.changed_at IS NULL OR p.changed_at < m.at)))))";

impl Db {
    /// Deletes finished mail to which nothing happened since `before`, among the next rows after row `after`. Returns
    /// the row to go on after, `None` at the end.
    pub fn age_messages(&mut self, after: i64, before: i64, now: i64) -> Result<Option<i64>> {
        let last = self.last_row()?;
        let upto = after.saturating_add(SPAN);
        let aged: Vec<(i64, String, String, String)> = self.query("read", |c| {
            let sql = format!(
                "SELECT n, way, peer, id FROM message m WHERE n > ?1 AND n <= ?2 AND at < ?3 AND ({DONE})
                 AND NOT EXISTS (SELECT 1 FROM log t WHERE t.id = m.id AND t.way = m.way AND t.peer = m.peer
                                 AND t.at >= ?3)"
            );
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            c.prepare_cached(&sql)?.query_map(params![after, upto, before], row)?.collect()
        })?;
        if !aged.is_empty() {
            self.write("delete old mail from", |tx| {
                for (n, way, peer, id) in &aged {
                    forget(tx, *n, way, peer, id, before)?;
                }
                audit::drop_aged(tx)?;
                audit::event(tx, now, "aged-out", "", Some(&format!("{} messages", aged.len())))
            })?;
        }
        Ok((upto < last).then_some(upto))
    }

    /// Deletes some wakes, quarantined lines and events of the log from before the given times, and ids that need not be
    /// known any more. Returns whether there may be more.
    pub fn age_rows(&mut self, wakes: i64, quarantine: i64, events: i64, now: i64) -> Result<bool> {
        // The newest result of each agent decides about its next wake, so that and what follows it stay.
        let old = "SELECT n FROM wake w WHERE state != 'running' AND ended < ?1 AND n <
                   (SELECT l.n FROM wake l WHERE l.agent = w.agent AND l.state IN ('done', 'accepted', 'failed')
                    ORDER BY l.n DESC LIMIT 1) ORDER BY n LIMIT ?2";
        let any: bool = self.query("read", |c| {
            let sql = format!(
                "SELECT EXISTS ({old}) OR EXISTS (SELECT 1 FROM quarantine WHERE at < ?3)
                 OR EXISTS (SELECT 1 FROM known WHERE at < ?4) OR EXISTS (SELECT 1 FROM refusal WHERE last < ?3)
                 OR EXISTS (SELECT 1 FROM log INDEXED BY log_event WHERE way = 'event' AND at < ?5)"
            );
            let given = params![wakes, 1, quarantine, now.saturating_sub(KNOWN), events];
            c.prepare_cached(&sql)?.query_row(given, |row| row.get(0))
        })?;
        if !any {
            return Ok(false);
        }
        self.write("delete old rows from", |tx| {
            let sql = format!("DELETE FROM wake_message WHERE wake IN ({old})");
            tx.execute(&sql, params![wakes, BATCH])?;
            let mut gone = tx.execute("DELETE FROM refusal WHERE last < ?1", [quarantine])?;
            gone += tx.execute(&format!("DELETE FROM wake WHERE n IN ({old})"), params![wakes, BATCH])?;
            for (table, key, before) in
                [("quarantine", "n", quarantine), ("known", "key", now.saturating_sub(KNOWN))]
            {
                let sql = format!(
                    "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE at < ?1 LIMIT ?2)"
                );
                gone += tx.execute(&sql, params![before, BATCH])?;
            }
            tx.execute("DELETE FROM told WHERE at < ?1", [now.saturating_sub(KNOWN)])?;
            tx.execute("DELETE FROM a2a_thread WHERE at < ?1", [now.saturating_sub(KNOWN)])?;
            let old =
                "n IN (SELECT n FROM log INDEXED BY log_event WHERE way = 'event' AND at < ?1 LIMIT ?2)";
            gone += audit::age(tx, old, params![events, BATCH])?;
            audit::drop_aged(tx)?;
            Ok(gone > 0)
        })
    }

    /// Ends some of the mail for `peer` that has waited since before `before`, and drops the receipts for it. Returns
    /// how many messages ended; as long as it is some, there may be more.
    pub fn fail_gone(&mut self, peer: &str, before: i64, reason: &str, now: i64) -> Result<usize> {
        let waiting = |tx: &rusqlite::Connection, kind: &str| -> rusqlite::Result<Vec<(i64, String)>> {
            let sql = format!(
                "SELECT n, id FROM message INDEXED BY message_queue WHERE way = 'out' AND (state = 'queued' OR resend)
                   AND peer = ?1 AND state = 'queued' AND at < ?2 AND {kind}
                 UNION ALL SELECT n, id FROM message INDEXED BY message_unacked WHERE way = 'out' AND state = 'sent'
                   AND peer = ?1 AND lease IS NOT NULL AND at < ?2 AND {kind} LIMIT ?3"
            );
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
            tx.prepare_cached(&sql)?.query_map(params![peer, before, BATCH], row)?.collect()
        };
        let (mail, receipts) =
            self.query("read", |c| Ok((waiting(c, "kind != 'receipt'")?, waiting(c, "kind = 'receipt'")?)))?;
        if mail.is_empty() && receipts.is_empty() {
            return Ok(0);
        }
        self.write("fail mail in", |tx| {
            for (n, _) in &receipts {
                tx.prepare_cached("DELETE FROM message WHERE n = ?1")?.execute([n])?;
            }
            for (_, id) in &mail {
                reports::end(tx, peer, id, &End { cause: Cause::Gone, reason, detail: reason }, now)?;
            }
            Ok(mail.len())
        })
    }

    /// Tells the senders of mail from before `before` that lies in the open slot of `peer`, of which there never was a sign:
    /// it was addressed unseen, and has neither beaten, nor written, nor taken anything out of its slot since. The mail
    /// stays as it is. Returns how much there was.
    pub fn tell_unknown(&mut self, peer: &str, before: i64, reason: &str, now: i64) -> Result<usize> {
        let unheard: Vec<String> = self.query("read", |c| {
            // Its slot was made by our first mail, and after that it counted as seen.
            let sql = "SELECT id FROM message m INDEXED BY message_unacked
                       WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease IS NULL AND at < ?2
                       AND EXISTS (SELECT 1 FROM peer WHERE fold = ?1 AND heartbeat IS NULL AND changed_at IS NULL)
                       AND EXISTS (SELECT 1 FROM message f INDEXED BY message_unacked JOIN log t USING (id, way, peer)
                                   WHERE f.way = 'out' AND f.state = 'sent' AND f.peer = ?1 AND f.lease IS NULL
                                   AND t.what = 'queued' AND t.detail = ?3)
                       AND NOT EXISTS (SELECT 1 FROM log t WHERE t.id = m.id AND t.way = 'out' AND t.peer = ?1
                                       AND t.what = ?4) LIMIT ?5";
            let given = params![peer, before, STRANGER, Cause::Unknown.as_str(), BATCH];
            c.prepare_cached(sql)?.query_map(given, |row| row.get(0))?.collect()
        })?;
        if unheard.is_empty() {
            return Ok(0);
        }
        self.write("report on mail in", |tx| {
            for id in &unheard {
                log(tx, now, Way::Out, peer, id, Cause::Unknown.as_str(), Some(reason))?;
                reports::tell(tx, peer, id, Cause::Unknown, reason, now)?;
            }
            Ok(unheard.len())
        })
    }

    /// How many messages wait for `peer`, and the bytes of their contents: not sent, not acknowledged, or in its open slot
    /// without a sign of it since.
    pub fn waits_for(&self, peer: &str) -> Result<(u64, u64)> {
        self.query("read", |c| {
            let sql = "SELECT count(*), coalesce(sum(size), 0) FROM (
                 SELECT octet_length(content) AS size FROM message INDEXED BY message_queue WHERE way = 'out'
                   AND (state = 'queued' OR resend) AND peer = ?1 AND state = 'queued' AND kind != 'receipt'
                 UNION ALL SELECT octet_length(content) FROM message INDEXED BY message_unacked WHERE way = 'out'
                   AND state = 'sent' AND peer = ?1 AND kind != 'receipt' AND (lease IS NOT NULL
                   OR NOT EXISTS (SELECT 1 FROM peer WHERE fold = ?1 AND changed_at >= message.at)))";
            let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
            c.prepare_cached(sql)?.query_row([peer], row)
        })
    }

    /// Whether `peer` has yet to acknowledge something that we wrote under `lease` and accepted by `by`.
    pub fn awaits_since(&self, peer: &str, lease: u64, by: i64) -> Result<bool> {
        self.query("read", |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_unacked WHERE way = 'out'
                       AND state = 'sent' AND peer = ?1 AND lease = ?2 AND overdue_at IS NOT NULL AND at <= ?3)";
            c.prepare_cached(sql)?.query_row(params![peer, lease as i64, by], |row| row.get(0))
        })
    }
}

/// Whether a message came once that aged out since.
pub(super) fn is_known(tx: &Transaction, peer: &str, id: &MessageId) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM known WHERE key = ?1)";
    tx.prepare_cached(sql)?.query_row([key(peer, id.as_str())], |row| row.get(0))
}

/// Remembers the id of something that came.
pub(super) fn know(tx: &Transaction, peer: &str, id: &MessageId, at: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO known VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET at = excluded.at";
    tx.prepare_cached(sql)?.execute(params![key(peer, id.as_str()), at]).map(drop)
}

fn forget(tx: &Transaction, n: i64, way: &str, peer: &str, id: &str, at: i64) -> rusqlite::Result<()> {
    if way == Way::In.as_str() {
        let written: String = tx
            .prepare_cached("SELECT timestamp FROM message WHERE n = ?1")?
            .query_row([n], |row| row.get(0))?;
        let sql = "UPDATE lane_in SET floor = max(floor, m.seq), floor_at = max(floor_at, ?2) FROM message m
                   WHERE m.n = ?1 AND lane_in.peer = m.peer AND lane_in.lease = m.lease";
        tx.prepare_cached(sql)?.execute(params![n, written_at(&written).unwrap_or_default()])?;
        let sql = "SELECT lease IS NULL AND verdict = 'verified' FROM message WHERE n = ?1";
        let signed_in_slot: Option<bool> = tx.prepare_cached(sql)?.query_row([n], |row| row.get(0))?;
        let at = if signed_in_slot == Some(true) { FOR_GOOD } else { at };
        let sql = "INSERT INTO known VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET at = excluded.at";
        tx.prepare_cached(sql)?.execute(params![key(peer, id), at])?;
    }
    tx.prepare_cached("DELETE FROM wake_message WHERE message = ?1")?.execute([n])?;
    audit::age(tx, "id = ?1 AND way = ?2 AND peer = ?3", params![id, way, peer])?;
    tx.prepare_cached("DELETE FROM message WHERE n = ?1")?.execute([n]).map(drop)
}

/// A sender's own time in milliseconds.
pub(super) fn written_at(timestamp: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(timestamp).ok().map(|at| at.timestamp_millis())
}

fn key(peer: &str, id: &str) -> Vec<u8> {
    let hash = blake3::hash(format!("{peer}\0{id}").as_bytes());
    hash.as_bytes()[..16].to_vec()
}
