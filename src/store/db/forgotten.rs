//! What a recipient forgot, because its store went back in time to a backup, and only its senders still have: mail that
//! came directly since, and is on no share to be read again.
//!
//! The restored one says once to each peer how far it has its lanes ([`Db::lanes_in`]), in the transaction that lets mail
//! in again ([`Db::end_recall`]). Its sender hands over anew, in the order of acceptance, what it has as delivered or read
//! beyond that: whatever came all the same is known there by its id. What was processed, or failed, is done with. It also says
//! once more what became of the other's mail, since receipts come directly, too.

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction, params};

use super::audit::{self, log};
use super::message::{NewMessage, Way};
use super::{Db, RECALL, receipts, remember, retention};
use crate::error::Result;
use crate::model::envelope::RECEIPT;
use crate::model::id::MessageId;
use crate::model::receipt::{Delivered, WAKE_FAILED};

/// Lanes of one sender that are told of: the newest. A sender gives all that waits to its newest lane.
const LANES: i64 = 50;
/// Gaps that are told of in each.
const GAPS: usize = 20;

const WHY: &str = "the recipient's store went back in time";

impl Db {
    /// How far the lanes of `peer` were taken in, the newest of them, by lease.
    pub fn lanes_in(&self, peer: &str) -> Result<Vec<Delivered>> {
        self.query("read", |c| {
            let sql = "SELECT lease, seq, missing FROM lane_in WHERE peer = ?1 ORDER BY lease DESC LIMIT ?2";
            let row = |row: &Row| {
                let (lease, up_to) = (row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64);
                let missing = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
                Ok(Delivered { lease, up_to, missing }.within(GAPS))
            };
            let mut lanes: Vec<Delivered> = c
                .prepare_cached(sql)?
                .query_map(params![peer, LANES], row)?
                .collect::<rusqlite::Result<_>>()?;
            lanes.reverse();
            Ok(lanes)
        })
    }

    /// Nothing is to be recalled any more; `receipts` wait for those who are to hear of it.
    pub fn end_recall(&mut self, receipts: &[NewMessage], now: i64) -> Result<()> {
        self.write("end the recall in", |tx| {
            for receipt in receipts {
                receipt.insert(tx, now)?;
            }
            remember(tx, RECALL, "")
        })
    }
}

/// Has all handed over again that `peer` took, by our own word, and does not have by its own, in `lanes`. `said_by` is the
/// receipt that says so, which counts once, however often it comes.
pub(super) fn hand_over_again(
    tx: &Transaction,
    peer: &str,
    said_by: &MessageId,
    lanes: &[Delivered],
    now: i64,
) -> rusqlite::Result<()> {
    if retention::is_known(tx, peer, said_by)? {
        return Ok(());
    }
    retention::know(tx, peer, said_by, now)?;
    let lanes: BTreeMap<u64, &Delivered> = lanes.iter().map(|lane| (lane.lease, lane)).collect();
    let newest = lanes.keys().next_back().copied().unwrap_or(0);
    let is_there = |lease: u64, seq: u64| match lanes.get(&lease) {
        Some(lane) => seq <= lane.up_to && !lane.missing.contains(&seq),
        // Older than what it speaks of: what it did not have of that, came to it under a later one.
        None => lease <= newest,
    };
    let sql = "SELECT n, id, lease, seq FROM message WHERE way = 'out' AND peer = ?1 AND kind != ?2
               AND state IN ('fetching', 'delivered', 'read') AND lease IS NOT NULL AND NOT resend ORDER BY n";
    let row = |row: &Row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64))
    };
    let taken: Vec<(i64, String, u64, u64)> =
        tx.prepare_cached(sql)?.query_map([peer, RECEIPT], row)?.collect::<rusqlite::Result<_>>()?;
    let mut again = 0;
    for (n, id, ..) in taken.iter().filter(|(_, _, lease, seq)| !is_there(*lease, *seq)) {
        let sql = "UPDATE message SET lease = NULL, seq = NULL, resend = 1 WHERE n = ?1";
        tx.prepare_cached(sql)?.execute([n])?;
        log(tx, now, Way::Out, peer, id, "resend", Some(WHY))?;
        again += 1;
    }
    tell_again(tx, peer, now)?;
    let what = format!("{WHY}; {again} messages go to it again, as far as they are kept here");
    audit::event(tx, now, "peer-restored", peer, Some(&what))
}

/// Owes `peer` once more what became of its mail here. What it knows changes nothing.
fn tell_again(tx: &Transaction, peer: &str, now: i64) -> rusqlite::Result<()> {
    type Told = (String, String, i64, Option<String>);
    let row =
        |row: &Row| -> rusqlite::Result<Told> { Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)) };
    let ended =
        "SELECT id, state, ?2, outcome FROM message WHERE way = 'in' AND peer = ?1 AND lease IS NOT NULL
                 AND state IN ('read', 'processed', 'failed', 'expired', 'cancelled') ORDER BY n";
    let ended: Vec<Told> =
        tx.prepare_cached(ended)?.query_map(params![peer, now], row)?.collect::<rusqlite::Result<_>>()?;
    // Word for word, with its time, by which it is known if it was told before.
    let unwoken = "SELECT l.id, ?2, l.at, l.detail FROM message m JOIN log l ON l.id = m.id AND l.way = m.way
                   AND l.peer = m.peer WHERE m.way = 'in' AND m.peer = ?1 AND m.lease IS NOT NULL
                   AND m.wake IN ('failed', 'unread', 'stopped') AND l.what IN ('wake-failed', 'wake-stopped') ORDER BY l.n";
    let unwoken: Vec<Told> =
        tx.prepare_cached(unwoken)?.query_map([peer, WAKE_FAILED], row)?.collect::<rusqlite::Result<_>>()?;
    for (id, state, at, reason) in ended.into_iter().chain(unwoken) {
        receipts::owe(tx, peer, &id, &state, at, reason.as_deref())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::envelope::Envelope;
    use crate::model::receipt::Receipt;
    use crate::model::state::State;
    use crate::store::db::{Outgoing, Portion};

    fn message(id: &str, kind: &str) -> NewMessage {
        let value = json!({"id": id, "from": "a", "to": "b", "content": id, "type": kind});
        let envelope = Envelope::from_value(value).unwrap();
        let (peer, state) = ("b".to_owned(), State::Queued);
        NewMessage {
            way: Way::Out,
            peer,
            id: id.parse().unwrap(),
            envelope,
            state,
            outcome: None,
            not_before: None,
        }
    }

    fn portion(db: &mut Db, lease: u64, from: Option<u64>) -> Vec<Outgoing> {
        let portion = Portion { from, lines: 10, bytes: 1 << 20, max: 1 << 20 };
        let mut bare = 0;
        let mut wrap = |_| {
            bare += 1;
            message(&format!("bare-{lease}-{bare}"), RECEIPT)
        };
        db.prepare_direct("b", lease, portion, 0, &mut wrap).unwrap()
    }

    /// What would go, by id and number.
    fn shown(batch: &[Outgoing]) -> Vec<(&str, u64)> {
        let of = |one: &Outgoing| one.envelope.seq.unwrap();
        batch.iter().map(|one| (one.envelope.id.as_ref().unwrap().as_str(), of(one))).collect()
    }

    /// Hands over all that waits, and has it acknowledged.
    fn hand_over(db: &mut Db, lease: u64) {
        let batch = portion(db, lease, None);
        let up_to = shown(&batch).last().unwrap().1;
        let delivered = Some(Delivered { lease, up_to, missing: vec![] });
        let receipt = Receipt { delivered, ..Receipt::default() };
        db.handed_over(("b", lease), &batch, &[receipt], "directly", 0).unwrap();
    }

    fn send(db: &mut Db, ids: &[&str]) {
        let messages: Vec<NewMessage> = ids.iter().map(|id| message(id, "message")).collect();
        db.accept(&messages, 0).unwrap();
    }

    fn forgets(db: &mut Db, receipt: &str, lanes: &[(u64, u64)]) {
        let lanes: Vec<Delivered> = lanes
            .iter()
            .map(|(lease, up_to)| Delivered { lease: *lease, up_to: *up_to, missing: vec![] })
            .collect();
        db.write("tell", |tx| hand_over_again(tx, "b", &receipt.parse().unwrap(), &lanes, 0)).unwrap();
    }

    #[test]
    fn what_was_forgotten_goes_again_before_what_waits() {
        let mut db = Db::in_memory().unwrap();
        send(&mut db, &["m1"]);
        hand_over(&mut db, 1);
        send(&mut db, &["m2", "m3"]);
        hand_over(&mut db, 1);
        send(&mut db, &["m4"]);
        // Posted under the new lease, and not answered.
        assert_eq!(shown(&portion(&mut db, 2, None)), [("m4", 1)]);
        forgets(&mut db, "r1", &[(1, 1)]);
        // In order, and under numbers that mean nothing else.
        assert_eq!(shown(&portion(&mut db, 2, None)), [("m2", 2), ("m3", 3), ("m4", 4)]);
        let wanted = portion(&mut db, 2, Some(1));
        assert_eq!(shown(&wanted)[1..], [("m2", 2), ("m3", 3), ("m4", 4)]);
        assert_eq!((shown(&wanted)[0].1, wanted[0].envelope.kind.as_str()), (1, RECEIPT));
        hand_over(&mut db, 2);
        assert_eq!(shown(&portion(&mut db, 2, None)), []);
        // The same receipt says nothing new, nor does another one that has it all.
        forgets(&mut db, "r1", &[(1, 1)]);
        forgets(&mut db, "r2", &[(2, 4)]);
        assert_eq!(shown(&portion(&mut db, 2, None)), []);
        // One that has nothing does.
        forgets(&mut db, "r3", &[]);
        let again = portion(&mut db, 2, None);
        assert_eq!(shown(&again), [("m1", 5), ("m2", 6), ("m3", 7), ("m4", 8)]);
    }

    #[test]
    fn an_answer_counts_for_a_post_whose_numbers_were_taken_away_meanwhile() {
        let mut db = Db::in_memory().unwrap();
        send(&mut db, &["m1"]);
        hand_over(&mut db, 1);
        send(&mut db, &["m2"]);
        let on_its_way = portion(&mut db, 1, None);
        forgets(&mut db, "r1", &[]);
        assert_eq!(shown(&portion(&mut db, 1, None)), [("m1", 3), ("m2", 4)]);
        let delivered = Some(Delivered { lease: 1, up_to: 2, missing: vec![] });
        let receipt = Receipt { delivered, ..Receipt::default() };
        db.handed_over(("b", 1), &on_its_way, &[receipt], "directly", 0).unwrap();
        assert_eq!(shown(&portion(&mut db, 1, None)), [("m1", 3)], "m2 is delivered");
    }

    #[test]
    fn what_is_told_of_lanes_has_an_end() {
        let mut db = Db::in_memory().unwrap();
        db.write("fill", |tx| {
            for lease in 1..=LANES + 5 {
                let sql = "INSERT INTO lane_in (peer, lease, seq, missing) VALUES ('b', ?1, 99, ?2)";
                let gaps = serde_json::to_string(&(1..=40).collect::<Vec<u64>>()).unwrap();
                tx.execute(sql, params![lease, gaps])?;
            }
            Ok(())
        })
        .unwrap();
        let lanes = db.lanes_in("b").unwrap();
        assert_eq!((lanes.len() as i64, lanes[0].lease), (LANES, 6), "the newest, by lease");
        assert_eq!(
            (lanes[0].up_to, lanes[0].missing.len()),
            (20, GAPS),
            "what follows is asked for as a whole"
        );
    }
}
