//! The spool: what waits to go out, its numbering, and what became of it.
//!
//! A batch is numbered in one transaction ([`Db::prepare`]), written to the share, and marked in a second one
//! ([`Db::sent`]). A crash between the two writes the same numbers again, into a new segment; the recipient knows them.

use rusqlite::{OptionalExtension, ToSql, Transaction, params};

use super::a2a::{ANY_LEFT, LEFT};
use super::audit::log;
use super::message::{COLUMNS, Message, NewMessage, WIDTH, Way, rfc3339};
use super::receipts::TELLABLE;
use super::reports::{self, End};
use super::{Db, attached, receipts};
use crate::error::Result;
use crate::model::attachment;
use crate::model::blob::Blob;
use crate::model::envelope::{Envelope, RECEIPT, SIGNED};
use crate::model::id::MessageId;
use crate::model::receipt::Receipt;
use crate::model::report::Cause;
use crate::model::state::State;

/// How long the recipient has to acknowledge, in milliseconds, before a message is written again for the first time.
pub(super) const RESEND: i64 = 60_000;

/// What the log says of a message whose recipient was never seen when it was accepted.
pub(super) const STRANGER: &str = "for an instance of which there was no sign yet";

/// What became of a message that was handed to the store.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is stored.
    New(Message),
    /// The same message was stored before under the same id: nothing was done.
    Known(Message),
    /// Another message has that id.
    Conflict(Message),
}

/// Where our lane to a peer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneOut {
    /// The lease its numbers belong to.
    pub lease: u64,
    /// The segment being written, and its length after the last write that was marked.
    pub position: Position,
}

/// Where the writer stands in its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Segment number; 0 before the first.
    pub segment: u64,
    /// Its length in bytes.
    pub size: u64,
    /// When it was begun (wall-clock milliseconds); 0: it is closed, and the next one follows.
    pub opened: i64,
}

impl Position {
    /// Whether the segment is to be there.
    pub fn is_open(&self) -> bool {
        self.segment > 0 && self.opened > 0
    }
}

/// One message that is ready to be written.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its row.
    pub n: i64,
    /// Its envelope, numbered if it goes into a lane.
    pub envelope: Envelope,
    /// It was written before, and the recipient seems not to have it.
    pub again: bool,
}

impl Db {
    /// Stores messages that go out, durable when it returns. All or none: a conflict leaves nothing stored.
    pub fn accept(&mut self, messages: &[NewMessage], now: i64) -> Result<Vec<Accepted>> {
        self.accept_with(messages, &[], now)
    }

    /// The same with the blobs that each of them needs, which are kept here.
    pub fn accept_with(
        &mut self,
        messages: &[NewMessage],
        blobs: &[Vec<Blob>],
        now: i64,
    ) -> Result<Vec<Accepted>> {
        self.write_if("store the message in", |tx| {
            let accepted = messages
                .iter()
                .map(|message| accept(tx, message, now))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for ((message, blobs), accepted) in messages.iter().zip(blobs).zip(&accepted) {
                if matches!(accepted, Accepted::New(_)) {
                    attached::attach(tx, message, blobs, true, now)?;
                }
            }
            let whole = !accepted.iter().any(|one| matches!(one, Accepted::Conflict(_)));
            Ok((accepted, whole))
        })
    }

    /// The peers for whom something waits that is not their gateways': mail, a resend, a receipt.
    pub fn waiting_peers(&self) -> Result<Vec<String>> {
        self.query("read", |c| {
            let queue =
                "FROM message INDEXED BY message_queue WHERE way = 'out' AND (state = 'queued' OR resend)";
            let sql = format!(
                "SELECT peer FROM (SELECT DISTINCT peer {queue}) q
                 WHERE {ANY_LEFT} OR EXISTS (SELECT 1 {queue} AND peer = q.peer AND {LEFT})
                 UNION SELECT peer FROM receipt_due WHERE {TELLABLE} UNION SELECT peer FROM lane_in WHERE due"
            );
            c.prepare_cached(&sql)?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Ends what waited longer than its sender wanted; returns how many.
    pub fn expire_queued(&mut self, now: i64) -> Result<usize> {
        let late: Vec<(String, String)> = self.query("read", |c| {
            let sql = "SELECT peer, id FROM message INDEXED BY message_expires
                       WHERE way = 'out' AND state = 'queued' AND expires IS NOT NULL AND expires <= ?1 AND posted = 0";
            c.prepare_cached(sql)?.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        if late.is_empty() {
            return Ok(0);
        }
        let why = "its time ran out before it could be sent";
        self.write("expire mail in", |tx| {
            for (peer, id) in &late {
                reports::end(tx, peer, id, &End { cause: Cause::Expired, reason: why, detail: why }, now)?;
            }
            Ok(late.len())
        })
    }

    /// Where our lane to `peer` stands.
    pub fn lane_out(&self, peer: &str) -> Result<Option<LaneOut>> {
        self.query("read", |c| {
            let sql = "SELECT lease, segment, size, opened FROM lane_out WHERE peer = ?1";
            let row = c.prepare_cached(sql)?.query_row([peer], |row| {
                let position = Position {
                    segment: row.get::<_, i64>(1)? as u64,
                    size: row.get::<_, i64>(2)? as u64,
                    opened: row.get(3)?,
                };
                Ok(LaneOut { lease: row.get::<_, i64>(0)? as u64, position })
            });
            row.optional()
        })
    }

    /// Whether we sent `peer` a message of this id.
    pub fn has_sent(&self, peer: &str, id: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([peer, id], |row| row.get(0)))
    }

    /// The next batch for `peer`'s lane: what waits, oldest first, plus the receipts it is owed, all numbered under
    /// `lease`. At most `lines` messages and about `bytes` of content; a line over `max` bytes is more than the
    /// recipient takes, and ends its message. `wrap` puts a receipt into a message.
    pub fn prepare(
        &mut self,
        peer: &str,
        lease: u64,
        (lines, bytes, max): (usize, usize, usize),
        now: i64,
        wrap: &mut dyn FnMut(Receipt) -> NewMessage,
    ) -> Result<Vec<Outgoing>> {
        self.write("number mail in", |tx| {
            for receipt in receipts::collect(tx, peer, max)? {
                wrap(receipt).insert(tx, now)?;
            }
            let mut next = next_seq(tx, peer, lease)?;
            let mut batch = Vec::new();
            for Waiting { message, numbered, again, size, sealed } in
                waiting(tx, peer, (lines, bytes), false)?
            {
                // The content is most of a line, so that few lines have to be made to be measured.
                let envelope = message.to_envelope(next, sealed);
                let line = if size * 2 + 1_024 < max { 0 } else { envelope.to_line().len() + SIGNED };
                if line > max {
                    reports::too_large(tx, &message, line, max, now)?;
                    continue;
                }
                let seq = match numbered {
                    Some((under, seq)) if under == lease => seq,
                    _ => {
                        let sql = "UPDATE message SET lease = ?2, seq = ?3 WHERE n = ?1";
                        tx.prepare_cached(sql)?.execute(params![message.n, lease as i64, next as i64])?;
                        next += 1;
                        next - 1
                    }
                };
                batch.push(Outgoing {
                    n: message.n,
                    envelope: Envelope { seq: Some(seq), ..envelope },
                    again,
                });
            }
            numbered(tx, peer, lease, next)?;
            Ok(batch)
        })
    }

    /// What waits for a peer that speaks the plain protocol, oldest first; receipts are not for it, and what is sealed
    /// waits until it speaks otherwise.
    pub fn waiting_plain(&self, peer: &str, lines: usize) -> Result<Vec<Outgoing>> {
        self.query("read", |c| {
            let rows = waiting(c, peer, (lines, usize::MAX), true)?;
            let mail = rows.into_iter().filter(|row| row.message.kind != RECEIPT);
            let outgoing = |Waiting { message, again, sealed, .. }: Waiting| Outgoing {
                n: message.n,
                envelope: message.to_envelope(0, sealed),
                again,
            };
            Ok(mail.map(outgoing).collect())
        })
    }

    /// Marks a batch as being on the share. `position` is where the lane's writer stands now, `None` in an open slot.
    pub fn sent(
        &mut self,
        peer: &str,
        batch: &[Outgoing],
        position: Option<Position>,
        route: &str,
        now: i64,
    ) -> Result<()> {
        self.write("mark mail in", |tx| {
            for Outgoing { n, envelope, .. } in batch {
                // Unacknowledged, it is written again after this long, doubling with each time.
                let patience = (position.is_some() && is_missed(envelope)).then_some(RESEND);
                let sql = "UPDATE message SET resend = 0, tries = tries + 1, overdue_at = ?2 + (?3 << min(tries, 10)),
                           state = iif(state = 'queued', 'sent', state) WHERE n = ?1";
                tx.prepare_cached(sql)?.execute(params![n, now, patience])?;
                if envelope.kind != RECEIPT {
                    let id = envelope.id.as_ref().map_or("", MessageId::as_str);
                    log(tx, now, Way::Out, peer, id, State::Sent.as_str(), Some(route))?;
                }
            }
            if let Some(at) = position {
                let sql = "UPDATE lane_out SET segment = ?2, size = ?3, opened = ?4 WHERE peer = ?1";
                tx.prepare_cached(sql)?.execute(params![peer, at.segment as i64, at.size as i64, at.opened])?;
            }
            Ok(())
        })
    }

    /// Remembers that a segment of our lane to `peer` was begun; no number below it is used any more.
    pub fn begin_segment(&mut self, peer: &str, at: Position) -> Result<()> {
        self.write("note the segment in", |tx| {
            let sql = "UPDATE lane_out SET segment = ?2, size = ?3, opened = ?4 WHERE peer = ?1";
            let given = params![peer, at.segment as i64, at.size as i64, at.opened];
            tx.prepare_cached(sql)?.execute(given).map(drop)
        })
    }

    /// Remembers that this segment of our lane to `peer` is never written again, nor missed: it is about to be deleted.
    pub fn close_segment(&mut self, peer: &str, lease: u64, segment: u64) -> Result<()> {
        self.write("note the segment in", |tx| {
            let sql = "UPDATE lane_out SET opened = 0 WHERE peer = ?1 AND lease = ?2 AND segment = ?3";
            tx.prepare_cached(sql)?.execute(params![peer, lease as i64, segment as i64]).map(drop)
        })
    }

    /// Has everything written again that `peer` did not acknowledge in time; returns how many.
    pub fn resend_overdue(&mut self, peer: &str, now: i64) -> Result<usize> {
        const OVERDUE: &str = "way = 'out' AND state = 'sent' AND overdue_at IS NOT NULL AND peer = ?1
                               AND overdue_at <= ?2 AND NOT resend";
        let overdue: bool = self.query("read", |c| {
            let sql =
                format!("SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_overdue WHERE {OVERDUE})");
            c.prepare_cached(&sql)?.query_row(params![peer, now], |row| row.get(0))
        })?;
        if !overdue {
            return Ok(0);
        }
        self.write("mark mail in", |tx| {
            let which = format!("{OVERDUE} AND kind != 'receipt'");
            log_resend(tx, &which, params![peer, now], "the recipient did not acknowledge it in time", now)?;
            let sql = format!("UPDATE message SET resend = 1 WHERE {OVERDUE}");
            tx.prepare_cached(&sql)?.execute(params![peer, now])
        })
    }

    /// Has everything written again that is not acknowledged, of one peer or of all; returns how many, receipts not
    /// counted.
    pub fn resend(&mut self, peer: Option<&str>, now: i64) -> Result<usize> {
        // Bare receipts, too: who lost them does not ask for them again.
        const UNACKED: &str = "way = 'out' AND state = 'sent' AND lease IS NOT NULL AND NOT resend
                               AND (?1 IS NULL OR peer = ?1)";
        self.write("mark mail in", |tx| {
            let which = format!("{UNACKED} AND kind != 'receipt'");
            let mail = log_resend(tx, &which, params![peer], "the share lost what we wrote", now)?;
            tx.execute(&format!("UPDATE message SET resend = 1 WHERE {UNACKED}"), [peer])?;
            Ok(mail)
        })
    }

    /// The peers with mail or receipts that are written and not acknowledged, and where our lane to each stands; not
    /// if its last segment was closed.
    pub fn unacknowledged_lanes(&self) -> Result<Vec<(String, LaneOut)>> {
        self.query("read", |c| {
            let sql = "SELECT DISTINCT peer FROM message INDEXED BY message_unacked
                       WHERE way = 'out' AND state = 'sent' AND lease IS NOT NULL AND NOT resend";
            c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        })?
        .into_iter()
        .filter_map(|peer| match self.lane_out(&peer) {
            Ok(lane) => lane.filter(|lane| lane.position.is_open()).map(|lane| Ok((peer, lane))),
            Err(error) => Some(Err(error)),
        })
        .collect()
    }

    /// When the oldest message that waits to go out was accepted (wall-clock milliseconds).
    pub fn oldest_spooled(&self) -> Result<Option<i64>> {
        self.query("read", |c| {
            let sql = "SELECT min(at) FROM message INDEXED BY message_counts
                       WHERE way = 'out' AND state = 'queued' AND kind != ?1";
            c.prepare_cached(sql)?.query_row([RECEIPT], |row| row.get(0))
        })
    }

    /// How many messages wait to go out, receipts not counted.
    pub fn spooled(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM message WHERE way = 'out' AND state = 'queued' AND kind != ?1";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([RECEIPT], |row| row.get::<_, i64>(0)))
            .map(|count| count as u64)
    }
}

pub(super) fn accept(tx: &Transaction, message: &NewMessage, now: i64) -> rusqlite::Result<Accepted> {
    let id = message.id.as_str();
    if let Some(n) = message.insert(tx, now)? {
        let detail = match message.not_before.filter(|_| message.state == State::Scheduled) {
            Some(at) => Some(format!("until {}", rfc3339(at))),
            None => stranger(tx, &message.peer)?.map(str::to_owned),
        };
        log(tx, now, Way::Out, &message.peer, id, message.state.as_str(), detail.as_deref())?;
        return Ok(Accepted::New(message.stored(n, now)));
    }
    let sql = format!("SELECT {COLUMNS} FROM message WHERE way = ?1 AND peer = ?2 AND id = ?3");
    let key = params![message.way.as_str(), message.peer, id];
    let stored = tx.prepare_cached(&sql)?.query_row(key, Message::from_row)?;
    let e = &message.envelope;
    let to = e.to.as_ref().map(ToString::to_string).unwrap_or_default();
    let same = stored.content == e.content
        && stored.kind == e.kind
        && stored.to == to
        && stored.thread == e.thread
        && stored.in_reply_to == e.in_reply_to
        && Ok(&stored.attachments) == attachment::of(&e.rest).as_ref()
        // What was stored unsealed goes out so, whatever is wanted now.
        && (stored.sealed || e.sealed.is_none());
    Ok(if same { Accepted::Known(stored) } else { Accepted::Conflict(stored) })
}

/// What the log says of mail that waits for `peer`, if there was no sign of that one yet. An open slot alone is no sign:
/// anybody may have made it, by a typing error, say.
pub(super) fn stranger(tx: &Transaction, peer: &str) -> rusqlite::Result<Option<&'static str>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM peer WHERE fold = ?1
                              AND (heartbeat IS NOT NULL OR changed_at IS NOT NULL))";
    let known: bool = tx.prepare_cached(sql)?.query_row([peer], |row| row.get(0))?;
    Ok((!known).then_some(STRANGER))
}

/// Logs that the messages of a condition are written again; returns how many.
fn log_resend(
    tx: &Transaction,
    which: &str,
    given: &[&dyn ToSql],
    why: &str,
    now: i64,
) -> rusqlite::Result<usize> {
    let mut statement =
        tx.prepare_cached(&format!("SELECT peer, id FROM message WHERE {which} ORDER BY n"))?;
    let rows = statement.query_map(given, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    for (peer, id) in &rows {
        log(tx, now, Way::Out, peer, id, "resend", Some(why))?;
    }
    Ok(rows.len())
}

/// Remembers the next number of our lane to `peer` under `lease`.
pub(super) fn numbered(tx: &Transaction, peer: &str, lease: u64, next: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO lane_out VALUES (?1, ?2, ?3, 0, 0, 0) ON CONFLICT (peer) DO UPDATE SET
               segment = iif(lease = excluded.lease, segment, 0), size = iif(lease = excluded.lease, size, 0),
               lease = excluded.lease, next_seq = excluded.next_seq";
    tx.prepare_cached(sql)?.execute(params![peer, lease as i64, next as i64]).map(drop)
}

pub(super) fn next_seq(tx: &Transaction, peer: &str, lease: u64) -> rusqlite::Result<u64> {
    let sql = "SELECT next_seq FROM lane_out WHERE peer = ?1 AND lease = ?2";
    let next = tx.prepare_cached(sql)?.query_row(params![peer, lease as i64], |row| row.get::<_, i64>(0));
    Ok(next.optional()?.map_or(1, |next| next as u64))
}

/// Whether the sender must know that it arrived. A receipt that carries nothing but "all up to here" is made again
/// when what it acknowledges comes again; to press it would keep two idle peers writing for ever.
fn is_missed(envelope: &Envelope) -> bool {
    envelope.kind != RECEIPT
        || Receipt::from_content(&envelope.content)
            .is_some_and(|receipt| !receipt.items.is_empty() || receipt.restored.is_some())
}

struct Waiting {
    message: Message,
    numbered: Option<(u64, u64)>,
    again: bool,
    size: usize,
    sealed: Option<String>,
}

fn waiting(
    c: &rusqlite::Connection,
    peer: &str,
    (lines, bytes): (usize, usize),
    plain: bool,
) -> rusqlite::Result<Vec<Waiting>> {
    let sql = format!(
        "SELECT {COLUMNS}, lease, seq, resend, coalesce(length(sealed), length(content)), sealed
         FROM message INDEXED BY message_queue WHERE way = 'out' AND (state = 'queued' OR resend) AND peer = ?1
         AND (NOT ?3 OR sealed IS NULL) AND {LEFT} ORDER BY n LIMIT ?2"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map(params![peer, lines as i64, plain], |row| {
        let lease: Option<i64> = row.get(WIDTH)?;
        let seq: Option<i64> = row.get(WIDTH + 1)?;
        Ok(Waiting {
            message: Message::from_row(row)?,
            numbered: lease.zip(seq).map(|(lease, seq)| (lease as u64, seq as u64)),
            again: row.get(WIDTH + 2)?,
            size: row.get::<_, i64>(WIDTH + 3)? as usize,
            sealed: row.get(WIDTH + 4)?,
        })
    })?;
    let mut room = bytes;
    let mut batch = Vec::new();
    for row in rows {
        let row = row?;
        // The first one goes whatever its size: it was accepted.
        if !batch.is_empty() && row.size > room {
            break;
        }
        room = room.saturating_sub(row.size);
        batch.push(row);
    }
    Ok(batch)
}
