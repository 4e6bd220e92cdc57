//! What is handed to a peer's daemon: the lines of our lane to it, from the first that it did not acknowledge on.
//!
//! They have the numbers that they have, or would get, on the share, and no number ever means two messages. A peer takes
//! them only without a gap, so nothing overtakes what came before it, on whichever route that went. For this the order
//! of numbers must be that of acceptance: mail numbered under an earlier lease would come after what was numbered since,
//! so [`Db::align`] takes the numbers of all that is unacknowledged away, and they get new ones, in order. Whoever reads
//! the old lines on the share knows them by then.
//!
//! A number whose message ended, by its time, say, is no gap that could ever be filled; a receipt that says nothing
//! takes its place.
//!
//! `posted` says of mail that waits whether it was shown to the peer: 0 no, 1 it is on its way, 2 without an answer.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::a2a::LEFT;
use super::audit::log;
use super::message::{COLUMNS, Message, NewMessage, WIDTH, Way};
use super::outbox::Outgoing;
use super::{Db, receipts, reports};
use crate::error::Result;
use crate::model::envelope::{Envelope, RECEIPT, SIGNED};
use crate::model::receipt::Receipt;
use crate::model::state::State;

/// How much of a lane is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// From which number on; from the first that is not acknowledged if none.
    pub from: Option<u64>,
    /// At most so many lines.
    pub lines: usize,
    /// About so many bytes.
    pub bytes: usize,
    /// A longer line is more than the peer takes.
    pub max: usize,
}

struct Unacked {
    message: Message,
    numbered: Option<(u64, u64)>,
    size: usize,
    sealed: Option<String>,
}

impl Unacked {
    fn is_under(&self, lease: u64) -> bool {
        self.numbered.is_some_and(|(under, _)| under == lease)
    }
}

impl Db {
    /// Makes sure that the order of numbers under `lease` is that of acceptance, in all that `peer` has not acknowledged;
    /// `false` if a later lease is in use by now.
    pub fn align(&mut self, peer: &str, lease: u64) -> Result<bool> {
        let numbers: Option<Vec<(u64, u64)>> = self.query("read", |c| {
            if newest_lease(c, peer)? > lease {
                return Ok(None);
            }
            let sql = "SELECT lease, seq FROM message INDEXED BY message_unacked
                       WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease IS NOT NULL ORDER BY n";
            let row = |row: &Row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
            c.prepare_cached(sql)?.query_map([peer], row)?.collect::<rusqlite::Result<_>>().map(Some)
        })?;
        let Some(numbers) = numbers else { return Ok(false) };
        if numbers.iter().all(|(under, _)| *under == lease) && numbers.is_sorted() {
            return Ok(true);
        }
        self.write("number mail anew in", |tx| number_anew(tx, peer))?;
        Ok(true)
    }

    /// Whether `peer` has not acknowledged something that is on the share.
    pub fn is_unacknowledged(&self, peer: &str) -> Result<bool> {
        self.query("read", |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_unacked
                       WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease IS NOT NULL)";
            c.prepare_cached(sql)?.query_row([peer], |row| row.get(0))
        })
    }

    /// The next lines for `peer` under `lease`, numbered without a gap; none if nothing waits, or a later lease is in use
    /// by now. `wrap` puts a receipt into a message.
    pub fn prepare_direct(
        &mut self,
        peer: &str,
        lease: u64,
        portion: Portion,
        now: i64,
        wrap: &mut dyn FnMut(Receipt) -> NewMessage,
    ) -> Result<Vec<Outgoing>> {
        self.write("number mail in", |tx| {
            if newest_lease(tx, peer)? > lease {
                return Ok(vec![]);
            }
            for receipt in receipts::collect(tx, peer, portion.max)? {
                wrap(receipt).insert(tx, now)?;
            }
            let first = super::outbox::next_seq(tx, peer, lease)?;
            let mut next = first;
            let mut batch: Vec<Outgoing> = vec![];
            let mut found = unacked(tx, peer, lease, portion)?;
            if found.iter().any(|one| one.message.state >= State::Fetching && !one.is_under(lease)) {
                // What the peer forgot comes before all that it never had.
                number_anew(tx, peer)?;
                found = unacked(tx, peer, lease, portion)?;
            }
            for Unacked { message, numbered, size, sealed } in found {
                let envelope = message.to_envelope(next, sealed);
                let line = if size * 2 + 1_024 < portion.max { 0 } else { envelope.to_line().len() + SIGNED };
                if line > portion.max {
                    reports::too_large(tx, &message, line, portion.max, now)?;
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
                    again: false,
                });
            }
            if next > first {
                super::outbox::numbered(tx, peer, lease, next)?;
            }
            let batch = fill(tx, peer, lease, portion, batch, wrap)?;
            mark(tx, &batch, "posted = 1", "posted = 0")?;
            Ok(batch)
        })
    }

    /// Notes of a batch that nothing of it was taken.
    pub fn not_posted(&mut self, batch: &[Outgoing]) -> Result<()> {
        self.write("mark mail in", |tx| mark(tx, batch, "posted = 0", "posted = 1").map(drop))
    }

    /// Notes of a batch that nobody knows whether it was taken: its recipient alone can say that its time ran out.
    pub fn unanswered(&mut self, peer: &str, batch: &[Outgoing], why: &str, now: i64) -> Result<()> {
        self.write("mark mail in", |tx| {
            for outgoing in mark(tx, batch, "posted = 2", "posted < 2")? {
                let Envelope { id: Some(id), kind, .. } = &outgoing.envelope else { continue };
                if kind != RECEIPT {
                    let detail = format!("handed over directly, without an answer: it {why}");
                    log(tx, now, Way::Out, peer, id.as_str(), "posted", Some(&detail))?;
                }
            }
            Ok(())
        })
    }

    /// A daemon that was killed left what it handed over without knowing what became of it.
    pub fn doubt_posts(&mut self) -> Result<()> {
        let any: bool = self.query("read", |c| {
            let sql =
                "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'out' AND state = 'queued' AND posted = 1)";
            c.query_row(sql, [], |row| row.get(0))
        })?;
        if !any {
            // A full disk keeps no daemon from its start.
            return Ok(());
        }
        self.write("mark mail in", |tx| {
            let sql = "UPDATE message SET posted = 2 WHERE way = 'out' AND state = 'queued' AND posted = 1";
            tx.execute(sql, []).map(drop)
        })
    }

    /// Notes that `peer` took a batch of our lane under `lease`, and what its answer says; `route` is how it went, in words.
    pub fn handed_over(
        &mut self,
        (peer, lease): (&str, u64),
        batch: &[Outgoing],
        receipts: &[Receipt],
        route: &str,
        now: i64,
    ) -> Result<()> {
        self.write("mark mail in", |tx| {
            for Outgoing { n, envelope, .. } in batch.iter().filter(|outgoing| outgoing.n > 0) {
                // Its number may have been taken away meanwhile: it has it now.
                let sql = "UPDATE message SET resend = 0, tries = tries + 1, overdue_at = NULL, lease = ?2, seq = ?3,
                           state = iif(state = 'queued', 'sent', state)
                           WHERE n = ?1 AND (state IN ('queued', 'sent') OR resend)";
                let seq = envelope.seq.map(|seq| seq as i64);
                let waited = tx.prepare_cached(sql)?.execute(params![n, lease as i64, seq])? > 0;
                if let Some(id) = envelope.id.as_ref().filter(|_| waited && envelope.kind != RECEIPT) {
                    log(tx, now, Way::Out, peer, id.as_str(), State::Sent.as_str(), Some(route))?;
                }
            }
            receipts.iter().try_for_each(|receipt| receipts::apply(tx, peer, receipt, now))
        })
    }

    /// Notes what the answer to a batch says that was not taken.
    pub fn told_directly(&mut self, peer: &str, receipts: &[Receipt], now: i64) -> Result<()> {
        self.write("note receipts in", |tx| {
            receipts.iter().try_for_each(|receipt| receipts::apply(tx, peer, receipt, now))
        })
    }
}

/// Takes the numbers of all that `peer` has not acknowledged away. What was sent goes again.
fn number_anew(tx: &Transaction, peer: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE message SET lease = NULL, seq = NULL, resend = 1
               WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease IS NOT NULL";
    tx.prepare_cached(sql)?.execute([peer])?;
    let sql = "UPDATE message SET lease = NULL, seq = NULL
               WHERE way = 'out' AND state = 'queued' AND peer = ?1 AND lease IS NOT NULL";
    tx.prepare_cached(sql)?.execute([peer]).map(drop)
}

/// Marks those of a batch that wait, and of which `were` is so; returns them.
fn mark<'a>(
    tx: &Transaction,
    batch: &'a [Outgoing],
    is: &str,
    were: &str,
) -> rusqlite::Result<Vec<&'a Outgoing>> {
    let sql = format!("UPDATE message SET {is} WHERE n = ?1 AND state = 'queued' AND {were}");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut marked = vec![];
    for outgoing in batch.iter().filter(|outgoing| outgoing.n > 0) {
        if statement.execute([outgoing.n])? > 0 {
            marked.push(outgoing);
        }
    }
    Ok(marked)
}

fn newest_lease(c: &rusqlite::Connection, peer: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT lease FROM lane_out WHERE peer = ?1";
    let lease = c.prepare_cached(sql)?.query_row([peer], |row| row.get::<_, i64>(0)).optional()?;
    Ok(lease.map_or(0, |lease| lease as u64))
}

fn row(row: &Row) -> rusqlite::Result<Unacked> {
    let (lease, seq): (Option<i64>, Option<i64>) = (row.get(WIDTH)?, row.get(WIDTH + 1)?);
    Ok(Unacked {
        message: Message::from_row(row)?,
        numbered: lease.zip(seq).map(|(lease, seq)| (lease as u64, seq as u64)),
        size: row.get::<_, i64>(WIDTH + 2)? as usize,
        sealed: row.get(WIDTH + 3)?,
    })
}

/// What is not acknowledged, oldest first: what was written under `lease`, and what waits; also what `peer` forgot.
fn unacked(tx: &Transaction, peer: &str, lease: u64, portion: Portion) -> rusqlite::Result<Vec<Unacked>> {
    let sql = format!(
        "SELECT {COLUMNS}, lease, seq, coalesce(length(sealed), length(content)), sealed FROM message WHERE n IN (
           SELECT n FROM (SELECT n FROM message INDEXED BY message_queue
             WHERE way = 'out' AND (state = 'queued' OR resend) AND peer = ?1 AND {LEFT} ORDER BY n LIMIT ?3)
           UNION SELECT n FROM (SELECT n FROM message INDEXED BY message_unacked
             WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease = ?2 ORDER BY seq LIMIT ?3))
         AND state IN ('queued', 'sent', 'fetching', 'delivered', 'read') ORDER BY n LIMIT ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query_map(params![peer, lease as i64, portion.lines as i64], row)?;
    let (mut room, mut found) = (portion.bytes, vec![]);
    while let Some(next) = rows.next().transpose()? {
        // The first one goes whatever its size: it was accepted.
        if !found.is_empty() && next.size > room {
            break;
        }
        room = room.saturating_sub(next.size);
        found.push(next);
    }
    Ok(found)
}

/// Puts something in the place of each number that is missing in a batch: what the peer took before, if it is wanted
/// again (its store went back in time), else a receipt that says nothing.
fn fill(
    tx: &Transaction,
    peer: &str,
    lease: u64,
    portion: Portion,
    batch: Vec<Outgoing>,
    wrap: &mut dyn FnMut(Receipt) -> NewMessage,
) -> rusqlite::Result<Vec<Outgoing>> {
    let seq_of = |outgoing: &Outgoing| outgoing.envelope.seq.unwrap_or_default();
    let Some(first) = batch.first().map(seq_of) else { return Ok(batch) };
    let mut next = portion.from.filter(|from| (1..first).contains(from)).unwrap_or(first);
    let mut former = match next < first {
        true => taken_before(tx, peer, lease, (next, first))?,
        false => vec![],
    };
    former.reverse();
    let mut filled = vec![];
    for outgoing in batch {
        while next < seq_of(&outgoing) && filled.len() < portion.lines {
            let known = former.pop_if(|known| seq_of(known) == next);
            filled.push(known.unwrap_or_else(|| {
                let envelope = Envelope { seq: Some(next), ..wrap(Receipt::default()).envelope };
                Outgoing { n: 0, envelope, again: false }
            }));
            next += 1;
        }
        if filled.len() >= portion.lines {
            break;
        }
        next = seq_of(&outgoing) + 1;
        filled.push(outgoing);
    }
    Ok(filled)
}

/// The mail of these numbers that `peer` has taken. Cost: a look at all mail; asked for only if a peer forgot some.
fn taken_before(
    tx: &Transaction,
    peer: &str,
    lease: u64,
    (from, to): (u64, u64),
) -> rusqlite::Result<Vec<Outgoing>> {
    let sql = format!(
        "SELECT {COLUMNS}, lease, seq, 0, sealed FROM message WHERE way = 'out' AND peer = ?1 AND lease = ?2
         AND seq >= ?3 AND seq < ?4 AND state IN ('fetching', 'delivered', 'read', 'processed') AND kind != ?5 ORDER BY seq"
    );
    let given = params![peer, lease as i64, from as i64, to as i64, RECEIPT];
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(given, row)?;
    rows.map(|found| {
        let Unacked { message, numbered, sealed, .. } = found?;
        let envelope = message.to_envelope(numbered.map_or(0, |(_, seq)| seq), sealed);
        Ok(Outgoing { n: 0, envelope, again: true })
    })
    .collect()
}
