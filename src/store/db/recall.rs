//! What a store that went back in time, to a backup, is told of what it did since: by its own lanes on the share.
//!
//! Mail of ours that stands there was sent: it is `sent` here, too, under its lease and number, so that the receipts
//! for it, which are read again, move it on, and nothing is written twice. What we told senders of their mail holds:
//! the mail, which is read again, enters the inbox in that state, and nobody is woken for it.
//!
//! The same is done with mail that an agent got by another way than through this lanpost, and acknowledged before a copy
//! of it came ([`Db::ack_ahead`]).

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::message::{NewMessage, Way};
use super::outbox::RESEND;
use super::{Db, RECALL, cancel, receipts};
use crate::error::Result;
use crate::model::envelope::{Envelope, RECEIPT};
use crate::model::id::MessageId;
use crate::model::receipt::Receipt;
use crate::model::state::State;

const WHY: &str = "found in our own lane, after the state folder was restored";

/// What a look at our own lanes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// Messages that this store did not know, or not as sent.
    pub sent: usize,
    /// Messages whose senders were told more than this store knows.
    pub told: usize,
}

impl Db {
    /// Whether this store went back in time, and was not told yet what it did since. Until then nothing is handed over.
    pub fn is_to_recall(&self) -> Result<bool> {
        Ok(self.meta(RECALL)?.is_some_and(|why| !why.is_empty()))
    }

    /// Takes in what stands in our lane to `peer` under `lease`.
    pub fn recall(&mut self, peer: &str, lease: u64, lines: &[Envelope], now: i64) -> Result<Recalled> {
        self.write("recall mail in", |tx| {
            let mut recalled = Recalled::default();
            for envelope in lines {
                if envelope.kind == RECEIPT {
                    let receipt = Receipt::from_content(&envelope.content).unwrap_or_default();
                    recalled.told += learn(tx, peer, &receipt, now)?;
                } else if let (Some(id), Some(seq)) = (&envelope.id, envelope.seq) {
                    recalled.sent += usize::from(sent(tx, peer, id, Some((lease, seq)), envelope, now)?);
                }
            }
            Ok(recalled)
        })
    }

    /// Remembers that mail of `peer` which has not come yet is done with, and owes its sender the receipt; returns how much
    /// of it is news. What is here by now is left alone.
    pub fn ack_ahead(
        &mut self,
        peer: &str,
        ids: &[MessageId],
        state: State,
        outcome: Option<&str>,
        now: i64,
    ) -> Result<usize> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.write("mark mail in", |tx| {
            let mut news = 0;
            for id in ids {
                let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'in' AND peer = ?1 AND id = ?2)";
                let here: bool = tx.prepare_cached(sql)?.query_row([peer, id.as_str()], |row| row.get(0))?;
                if here || told(tx, peer, id, "")?.is_some_and(|(before, _)| !before.may_become(state)) {
                    continue;
                }
                let sql =
                    "INSERT OR REPLACE INTO told (peer, id, state, outcome, at) VALUES (?1, ?2, ?3, ?4, ?5)";
                tx.prepare_cached(sql)?.execute(params![peer, id.as_str(), state.as_str(), outcome, now])?;
                let sql = "SELECT EXISTS (SELECT 1 FROM peer WHERE fold = ?1 AND heartbeat IS NOT NULL)";
                if tx.prepare_cached(sql)?.query_row([peer], |row| row.get(0))? {
                    receipts::owe(tx, peer, id.as_str(), state.as_str(), now, outcome)?;
                }
                log(
                    tx,
                    now,
                    Way::In,
                    peer,
                    id.as_str(),
                    state.as_str(),
                    Some("acknowledged before it came"),
                )?;
                news += 1;
            }
            Ok(news)
        })
    }

    /// Takes in what we wrote into the open slot of `peer`.
    pub fn recall_plain(&mut self, peer: &str, lines: &[Envelope], now: i64) -> Result<Recalled> {
        self.write("recall mail in", |tx| {
            let mut recalled = Recalled::default();
            for (envelope, id) in lines.iter().filter_map(|line| Some((line, line.id.as_ref()?))) {
                recalled.sent += usize::from(sent(tx, peer, id, None, envelope, now)?);
            }
            Ok(recalled)
        })
    }
}

/// A message of ours is on the share; `false` if that was known.
fn sent(
    tx: &Transaction,
    peer: &str,
    id: &MessageId,
    place: Option<(u64, u64)>,
    envelope: &Envelope,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql = "SELECT state FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2";
    let known =
        tx.prepare_cached(sql)?.query_row([peer, id.as_str()], |row| row.get::<_, String>(0)).optional()?;
    match known.as_deref() {
        Some("queued" | "scheduled" | "attaching") => {}
        Some(_) => return Ok(false),
        None => {
            let (envelope, state) = (envelope.clone(), State::Queued);
            let message = NewMessage {
                way: Way::Out,
                peer: peer.to_owned(),
                id: id.clone(),
                envelope,
                state,
                outcome: None,
                not_before: None,
            };
            message.insert(tx, now)?;
        }
    }
    let (lease, seq) = place.map(|(lease, seq)| (lease as i64, seq as i64)).unzip();
    let sql = "UPDATE message SET state = 'sent', lease = ?3, seq = ?4, resend = 0, tries = tries + 1, overdue_at = ?5
               WHERE way = 'out' AND peer = ?1 AND id = ?2";
    let overdue = lease.map(|_| now.saturating_add(RESEND));
    tx.prepare_cached(sql)?.execute(params![peer, id.as_str(), lease, seq, overdue])?;
    log(tx, now, Way::Out, peer, id.as_str(), State::Sent.as_str(), Some(WHY))?;
    Ok(true)
}

/// What we told `peer` of its mail; returns how much of it is news.
fn learn(tx: &Transaction, peer: &str, receipt: &Receipt, now: i64) -> rusqlite::Result<usize> {
    let mut news = 0;
    for item in receipt.items.iter().filter(|item| !item.is_undelivered()) {
        let Some(state) = item.state().filter(|state| *state > State::Delivered) else { continue };
        let (id, reason) = (item.id.as_str(), item.reason.as_deref());
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'in' AND peer = ?1 AND id = ?2)";
        if tx.prepare_cached(sql)?.query_row([peer, id], |row| row.get(0))? {
            news += usize::from(receipts::advance(tx, Way::In, peer, id, state, reason, WHY, now)?);
            continue;
        }
        if told(tx, peer, &item.id, "")?.is_none_or(|(before, _)| before.may_become(state)) {
            let sql =
                "INSERT OR REPLACE INTO told (peer, id, state, outcome, at) VALUES (?1, ?2, ?3, ?4, ?5)";
            tx.prepare_cached(sql)?.execute(params![peer, id, state.as_str(), reason, now])?;
            news += 1;
        }
    }
    Ok(news)
}

/// What the sender of a message that arrives was told of it before. What it says by an order of `sender` holds for mail of
/// that one alone.
pub(super) fn told(
    tx: &Transaction,
    peer: &str,
    id: &MessageId,
    sender: &str,
) -> rusqlite::Result<Option<(State, Option<String>)>> {
    let sql = "SELECT state, outcome, sender FROM told WHERE peer = ?1 AND id = ?2";
    let row =
        |row: &rusqlite::Row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?));
    let found = tx.prepare_cached(sql)?.query_row([peer, id.as_str()], row).optional()?;
    let holds = |by: &Option<String>| by.as_ref().is_none_or(|by| cancel::is_same(by, sender));
    let found = found.filter(|(_, _, by)| holds(by));
    Ok(found.and_then(|(state, outcome, _)| Some((state.parse().ok()?, outcome))))
}
