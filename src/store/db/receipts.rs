//! Receipts in both directions: what we owe to senders, and what recipients told us.
//!
//! What is owed lies in `receipt_due` and `lane_in.due` until it is put into an envelope, in the transaction that
//! queues the envelope; what arrives is applied in the transaction that moves the cursor past it.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::{cut, log};
use super::message::Way;
use super::reports::{self, End};
use super::{ask, attached};
use crate::model::ask::REQUEST;
use crate::model::envelope::RECEIPT;
use crate::model::receipt::{ABANDONED, Delivered, Item, Receipt, WAKE_FAILED};
use crate::model::report::Cause;
use crate::model::state::State;

/// Items in one receipt envelope.
const MAX_ITEMS: usize = 500;
/// Room in a receipt's line for what is not its content: addresses, id, times, the signature.
const ENVELOPE: usize = 700;
/// Bytes of a number in `missing`, at most.
const DIGITS: usize = 21;

/// Notes that `peer` is to be told of a message's state.
pub(super) fn owe(
    tx: &Transaction,
    peer: &str,
    id: &str,
    state: &str,
    now: i64,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO receipt_due (peer, id, state, at, reason) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.prepare_cached(sql)?.execute(params![peer, id, state, now, reason]).map(drop)
}

/// Takes what is owed to `peer` out of the tables, as the receipts to send, each of at most `most` bytes: one for each
/// lane with news, or, as long as more items wait than one receipt can hold, one of items alone.
pub(super) fn collect(tx: &Transaction, peer: &str, most: usize) -> rusqlite::Result<Vec<Receipt>> {
    let room = most.saturating_sub(ENVELOPE);
    let (items, all) = items(tx, peer, room / 4 * 3)?;
    if !all {
        return Ok(vec![Receipt { items, ..Receipt::default() }]);
    }
    let sql = "SELECT lease, seq, missing FROM lane_in WHERE peer = ?1 AND due ORDER BY lease";
    let delivered: Vec<Delivered> = tx
        .prepare_cached(sql)?
        .query_map([peer], |row| {
            let missing: String = row.get(2)?;
            let delivered = Delivered {
                lease: row.get::<_, i64>(0)? as u64,
                up_to: row.get::<_, i64>(1)? as u64,
                missing: serde_json::from_str(&missing).unwrap_or_default(),
            };
            Ok(delivered.within(room / 4 / DIGITS))
        })?
        .collect::<rusqlite::Result<_>>()?;
    tx.prepare_cached("UPDATE lane_in SET due = 0, untold = 0 WHERE peer = ?1 AND due")?.execute([peer])?;
    let mut receipts: Vec<Receipt> = delivered
        .into_iter()
        .map(|delivered| Receipt { delivered: Some(delivered), ..Receipt::default() })
        .collect();
    if !items.is_empty() && receipts.is_empty() {
        receipts.push(Receipt::default());
    }
    // What expired or was refused must be known before its lane's `delivered` counts it in; all else follows after.
    for item in items {
        let receipt = match item.is_undelivered() {
            true => receipts.first_mut(),
            false => receipts.last_mut(),
        };
        receipt.into_iter().for_each(|receipt| receipt.items.push(item.clone()));
    }
    Ok(receipts)
}

/// The answer to lines of a lane that were handed over: how far it was taken in, and what of it never entered the inbox.
/// The latter stays owed, since the answer may get lost; what it says of the lane is said again when its lines come again.
pub(super) fn answer(tx: &Transaction, peer: &str, lease: u64, most: usize) -> rusqlite::Result<Receipt> {
    let room = most.saturating_sub(ENVELOPE);
    let (items, all) = owed(tx, peer, room / 4 * 3, true)?;
    let items = items.into_iter().map(|(_, item)| item).collect();
    if !all {
        return Ok(Receipt { items, ..Receipt::default() });
    }
    let sql = "SELECT seq, missing FROM lane_in WHERE peer = ?1 AND lease = ?2";
    let stands = tx.prepare_cached(sql)?.query_row(params![peer, lease as i64], |row| {
        Ok((row.get::<_, i64>(0)? as u64, row.get::<_, String>(1)?))
    });
    let (up_to, missing) = stands.optional()?.unwrap_or_default();
    let missing = serde_json::from_str(&missing).unwrap_or_default();
    let delivered = Delivered { lease, up_to, missing }.within(room / 4 / DIGITS);
    let sql = "UPDATE lane_in SET due = 0, untold = 0 WHERE peer = ?1 AND lease = ?2 AND (due OR untold > 0)";
    tx.prepare_cached(sql)?.execute(params![peer, lease as i64])?;
    Ok(Receipt { delivered: Some(delivered), items, restored: None })
}

/// Takes the oldest items that are owed to `peer` and fit into `room` bytes, one at least; and whether these are all.
fn items(tx: &Transaction, peer: &str, room: usize) -> rusqlite::Result<(Vec<Item>, bool)> {
    let (owed, all) = owed(tx, peer, room, false)?;
    let mut delete = tx.prepare_cached("DELETE FROM receipt_due WHERE n = ?1")?;
    for (n, _) in &owed {
        delete.execute([n])?;
    }
    Ok((owed.into_iter().map(|(_, item)| item).collect(), all))
}

/// Of what is owed: what need not wait. That a message is done with is told behind the answer to it whose files are on
/// their way to the share; otherwise whoever asked hears that it is done, and of no answer.
pub(super) const TELLABLE: &str = "NOT (receipt_due.state = 'processed' AND EXISTS
    (SELECT 1 FROM message a INDEXED BY message_parcels WHERE a.state IN ('attaching', 'fetching') AND a.state = 'attaching'
     AND a.way = 'out' AND a.peer = receipt_due.peer AND a.in_reply_to = receipt_due.id))";

/// The oldest items that are owed to `peer` and fit into `room` bytes, one at least, with the numbers of their rows; and
/// whether these are all. `undelivered`: only of messages that never entered the inbox.
fn owed(
    tx: &Transaction,
    peer: &str,
    room: usize,
    undelivered: bool,
) -> rusqlite::Result<(Vec<(i64, Item)>, bool)> {
    let sql = format!(
        "SELECT n, id, state, at, reason, reason IS NOT NULL AND EXISTS (SELECT 1 FROM message
         WHERE way = 'in' AND message.peer = ?1 AND message.id = receipt_due.id AND sealed IS NOT NULL)
         FROM receipt_due WHERE peer = ?1 AND {TELLABLE} ORDER BY n"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([peer])?;
    let (mut owed, mut size) = (vec![], 0);
    while let Some(row) = rows.next()? {
        // An id is one, since it was when it came in.
        let Ok(id) = row.get::<_, String>(1)?.parse() else { continue };
        let (state, at) = (row.get(2)?, super::message::rfc3339(row.get(3)?));
        let item = Item { id, state, at, reason: row.get(4)?, sealed: None, private: row.get(5)? };
        if undelivered && !item.is_undelivered() {
            continue;
        }
        let item = item.within(room);
        size += item.size();
        if owed.len() == MAX_ITEMS || (size > room && !owed.is_empty()) {
            return Ok((owed, false));
        }
        owed.push((row.get(0)?, item));
    }
    Ok((owed, true))
}

/// Applies what `peer` told us of our messages to it. A late or doubled receipt changes nothing.
pub(super) fn apply(tx: &Transaction, peer: &str, receipt: &Receipt, now: i64) -> rusqlite::Result<()> {
    let (undelivered, others): (Vec<&Item>, Vec<&Item>) =
        receipt.items.iter().partition(|item| item.is_undelivered());
    for item in undelivered {
        apply_item(tx, peer, item, now)?;
    }
    if let Some(delivered) = &receipt.delivered {
        apply_delivered(tx, peer, delivered, now)?;
    }
    for item in others {
        apply_item(tx, peer, item, now)?;
    }
    Ok(())
}

fn apply_item(tx: &Transaction, peer: &str, item: &Item, now: i64) -> rusqlite::Result<()> {
    let detail = match &item.reason {
        Some(reason) => format!("{reason} (at {} there)", item.at),
        None => format!("at {} there", item.at),
    };
    let (id, reason) = (item.id.as_str(), item.reason.as_deref());
    let said = reason.unwrap_or("no reason was given");
    match item.state() {
        Some(State::Expired) => {
            let why = End { cause: Cause::Expired, reason: said, detail: &detail };
            reports::end(tx, peer, id, &why, now).map(drop)
        }
        Some(State::Failed) => {
            let why = End { cause: Cause::of_failed(said), reason: said, detail: &detail };
            reports::end(tx, peer, id, &why, now).map(drop)
        }
        Some(State::Fetching) => {
            if let Some(hash) = reason.and_then(|reason| reason.parse().ok()) {
                attached::doubt(tx, peer, id, &hash, now)?;
            }
            advance(tx, Way::Out, peer, id, State::Fetching, None, &detail, now).map(drop)
        }
        Some(state) => advance(tx, Way::Out, peer, id, state, reason, &detail, now).map(drop),
        None if item.state == WAKE_FAILED => match log_once(tx, now, peer, id, "wake-failed", &detail)? {
            true => reports::tell(tx, peer, id, Cause::of_unwoken(said), said, now),
            false => Ok(()),
        },
        None if item.state == ABANDONED => match log_once(tx, now, peer, id, "abandoned", &detail)? {
            true if !ask::is_answered(tx, Way::In, peer, id)? => {
                reports::tell(tx, peer, id, Cause::Abandoned, said, now)
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

/// Logs what changes no state, unless the same receipt said it before; `false` if it did, or there is no such message.
fn log_once(
    tx: &Transaction,
    now: i64,
    peer: &str,
    id: &str,
    what: &str,
    detail: &str,
) -> rusqlite::Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2) AND NOT EXISTS
               (SELECT 1 FROM log WHERE way = 'out' AND peer = ?1 AND id = ?2 AND what = ?3 AND detail = ?4)";
    let detail = cut(detail);
    let news: bool = tx.prepare_cached(sql)?.query_row(params![peer, id, what, detail], |row| row.get(0))?;
    if news {
        log(tx, now, Way::Out, peer, id, what, Some(detail))?;
    }
    Ok(news)
}

fn apply_delivered(tx: &Transaction, peer: &str, delivered: &Delivered, now: i64) -> rusqlite::Result<()> {
    let (lease, up_to) = (delivered.lease as i64, i64::try_from(delivered.up_to).unwrap_or(i64::MAX));
    let sql = "SELECT n, id, kind, seq FROM message INDEXED BY message_unacked
               WHERE way = 'out' AND state = 'sent' AND peer = ?1 AND lease = ?2 AND seq <= ?3";
    let rows: Vec<(i64, String, String, i64)> = tx
        .prepare_cached(sql)?
        .query_map(params![peer, lease, up_to], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (n, id, kind, seq) in rows {
        if delivered.missing.contains(&(seq as u64)) {
            tx.prepare_cached("UPDATE message SET resend = 1 WHERE n = ?1")?.execute([n])?;
            log(tx, now, Way::Out, peer, &id, "resend", Some("the recipient misses it"))?;
        } else if kind == RECEIPT {
            tx.prepare_cached("DELETE FROM message WHERE n = ?1")?.execute([n])?;
        } else {
            // What is attached to it is fetched by its recipient first, who says when all is there.
            let state = match attached::has_any(tx, Way::Out, peer, &id)? {
                true => State::Fetching,
                false => State::Delivered,
            };
            tx.prepare_cached("UPDATE message SET state = ?2, resend = 0 WHERE n = ?1")?
                .execute(params![n, state.as_str()])?;
            log(tx, now, Way::Out, peer, &id, state.as_str(), None)?;
        }
    }
    Ok(())
}

/// Moves a message to `state` if that is a move forward, and logs it; `false` if nothing changed.
#[expect(clippy::too_many_arguments, reason = "one row's key, its new state, why, and when")]
pub(super) fn advance(
    tx: &Transaction,
    way: Way,
    peer: &str,
    id: &str,
    state: State,
    outcome: Option<&str>,
    detail: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let sql = "SELECT n, state FROM message WHERE way = ?1 AND peer = ?2 AND id = ?3";
    let row = tx.prepare_cached(sql)?.query_row(params![way.as_str(), peer, id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    });
    let Some((n, current)) = row.optional()? else { return Ok(false) };
    if !current.parse().is_ok_and(|current: State| current.may_become(state)) {
        return Ok(false);
    }
    // What has ended is not written again, even if it was missed before. A request that is read waits for a word.
    let sql = "UPDATE message SET state = ?2, outcome = coalesce(?3, outcome), resend = iif(?4, 0, resend),
               silent_since = iif(way = 'in' AND kind = ?6 AND ?2 = 'read', ?5, NULL) WHERE n = ?1";
    tx.prepare_cached(sql)?.execute(params![n, state.as_str(), outcome, state.is_final(), now, REQUEST])?;
    log(tx, now, way, peer, id, state.as_str(), (!detail.is_empty()).then_some(detail))?;
    Ok(true)
}
