//! Taking mail in: the lines of one read, their cursor, and what follows from them, in one transaction.
//!
//! An id that its sender used before is dropped as known: this is what makes at-least-once lanes deliver once. Known is
//! what is here, and what aged out less than a year ago ([`retention`]); and what its lane's mail has aged past, by
//! number and by the sender's time, is no news either, however old. The same id with another content is refused.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::cancel::Obeyed;
use super::cursors;
use super::intake::{Arrival, Intake, Refused, Via};
use super::message::{NewMessage, Origin, Way};
use super::quarantine::{self, Quarantined};
use super::refusals::{self, Refusal};
use super::{Db, ask, attached, cancel, forgotten, offers, peers, recall, receipts, retention, waiting};
use crate::error::Result;
use crate::model::attachment;
use crate::model::cancel::Order;
use crate::model::envelope::{Envelope, RECEIPT};
use crate::model::id::MessageId;
use crate::model::receipt::Receipt;
use crate::model::report::REFUSED;
use crate::model::state::State;
use crate::model::trust::{Cause, Policy, Verdict};

/// Gaps remembered per lane. What comes behind more of them is acknowledged by its id: a number would acknowledge the
/// gaps that are not remembered, too.
const MAX_MISSING: usize = 1_000;
/// Receipts taken in before they are acknowledged by a bare receipt, so that a one-way sender can forget its own.
const RECEIPTS_UNTOLD: i64 = 64;

/// What an intake came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Messages that are new in the inbox.
    pub new: usize,
    /// Messages that were there already.
    pub known: usize,
    /// Receipts applied.
    pub receipts: usize,
}

/// What became of lines that were handed over.
#[derive(Clone, Debug)]
pub struct Handed {
    /// What they came to; `None` if they were not taken, since others that come before them are missing.
    pub taken: Option<Taken>,
    /// What their sender is answered.
    pub answer: Receipt,
}

/// What became of one message.
enum Fate {
    New,
    Known,
    /// Its id is of another message.
    Conflict,
}

impl Db {
    /// The bytes of unread mail, by sender, and by whether it came through the open slot. Cost: a look at all mail that
    /// is not done with.
    pub fn unread(&self) -> Result<Vec<(String, bool, u64)>> {
        self.query("read", |c| {
            let sql = "SELECT peer, raw IS NOT NULL, sum(octet_length(content) + coalesce(octet_length(raw), 0))
                       FROM message INDEXED BY message_open WHERE way = 'in' AND state IN ('delivered', 'read')
                       AND state = 'delivered' GROUP BY 1, 2";
            let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64));
            c.prepare_cached(sql)?.query_map([], row)?.collect()
        })
    }

    /// Takes in everything one read yielded, and moves the cursor, in one transaction.
    pub fn take_in(&mut self, intake: &Intake, now: i64) -> Result<Taken> {
        self.write("take mail into", |tx| {
            let taken = take(tx, intake, now)?;
            cursors::store(tx, &intake.lane, &intake.cursor)?;
            Ok(taken)
        })
    }

    /// Takes in lines that were handed over, if none is missing before them, and makes the answer, of at most `most`
    /// bytes, in one transaction.
    pub fn take_handed(&mut self, intake: &Intake, most: usize, now: i64) -> Result<Handed> {
        let (peer, lease) = intake.via.lane().unwrap_or_default();
        self.write("take what was handed over into", |tx| {
            let sql = "SELECT seq FROM lane_in WHERE peer = ?1 AND lease = ?2";
            let highest =
                tx.prepare_cached(sql)?.query_row(params![peer, lease as i64], |row| row.get::<_, i64>(0));
            let mut highest = highest.optional()?.unwrap_or(0) as u64;
            let arrived = intake.arrivals.iter().filter_map(|arrival| arrival.envelope.seq);
            let mut numbers: Vec<u64> =
                arrived.chain(intake.refused.iter().map(|refused| refused.seq)).collect();
            numbers.sort_unstable();
            let follows = |seq: u64| {
                let follows = seq - 1 <= highest;
                highest = highest.max(seq);
                follows
            };
            let taken = match numbers.into_iter().all(follows) {
                true => Some(take(tx, intake, now)?),
                false => None,
            };
            Ok(Handed { taken, answer: receipts::answer(tx, peer, lease, most)? })
        })
    }
}

/// Takes in what was read.
pub(super) fn take(tx: &Transaction, intake: &Intake, now: i64) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    if intake.restarted && intake.via == Via::Slot {
        tx.execute("DELETE FROM slot_line", [])?;
    }
    for arrival in &intake.arrivals {
        let (counted, missed) = match intake.via.lane() {
            Some((peer, lease)) => {
                let bare = arrival.envelope.kind == RECEIPT;
                count_in(tx, peer, lease, arrival.envelope.seq.unwrap_or_default(), bare)?
            }
            None => (false, false),
        };
        match (arrival.envelope.kind.as_str(), intake.via.lane()) {
            (RECEIPT, Some((peer, _))) => {
                if let Some(receipt) = Receipt::from_content(&arrival.envelope.content) {
                    receipts::apply(tx, peer, &receipt, now)?;
                    let sure = arrival.verdict == Verdict::Verified;
                    if let (Some(lanes), Some(id), true) = (&receipt.restored, &arrival.envelope.id, sure) {
                        forgotten::hand_over_again(tx, peer, id, lanes, now)?;
                    }
                }
                taken.receipts += 1;
            }
            _ if arrival.policy == Policy::Deny => {
                let reason = format!("mail from {} is not taken there", arrival.envelope.from);
                deny(tx, intake, arrival, &reason, now)?;
            }
            (_, Some(_)) if arrival.refused.is_some() => {
                deny(tx, intake, arrival, arrival.refused.as_deref().unwrap_or_default(), now)?;
            }
            _ => match deliver(tx, intake, arrival, (counted, missed), now)? {
                Fate::New => taken.new += 1,
                Fate::Known => taken.known += 1,
                Fate::Conflict => {
                    let (peer, source) = (arrival.peer.clone(), intake.source.clone());
                    let reason = Cause::SameId.reason().to_owned();
                    let text = arrival.text.as_bytes();
                    let aside = Quarantined::new(&source, arrival.at, text, reason, None);
                    quarantine::set_aside(tx, &[aside], intake.room, now)?;
                    refusals::refuse(tx, &Refusal { peer, cause: Cause::SameId, source }, now)?;
                }
            },
        }
    }
    for Refused { id, seq, reason } in &intake.refused {
        if let Some((peer, lease)) = intake.via.lane() {
            count_in(tx, peer, lease, *seq, false)?;
            let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'in' AND peer = ?1 AND id = ?2)";
            let arrived: bool =
                tx.prepare_cached(sql)?.query_row(params![peer, id.as_str()], |row| row.get(0))?;
            if arrived || retention::is_known(tx, peer, id)? {
                // It was good when it came first: sealed to a key that was lost since, say.
                receipts::owe(tx, peer, id.as_str(), State::Delivered.as_str(), now, None)?;
                continue;
            }
            let (state, reason) = (State::Failed.as_str(), format!("{REFUSED}{reason}"));
            receipts::owe(tx, peer, id.as_str(), state, now, Some(&reason))?;
        }
    }
    quarantine::set_aside(tx, &intake.quarantined, intake.room, now)?;
    for refusal in &intake.refusals {
        refusals::refuse(tx, refusal, now)?;
    }
    Ok(taken)
}

/// Denied mail leaves a count, and for whom it is sure to be from, the reason.
fn deny(
    tx: &Transaction,
    intake: &Intake,
    arrival: &Arrival,
    reason: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let (peer, source) = (arrival.peer.clone(), intake.source.clone());
    if let Some(id) = arrival.envelope.id.as_ref().filter(|_| arrival.verdict == Verdict::Verified) {
        let reason = format!("{REFUSED}{reason}");
        receipts::owe(tx, &peer, id.as_str(), State::Failed.as_str(), now, Some(&reason))?;
    }
    refusals::refuse(tx, &Refusal { peer, cause: Cause::Denied, source }, now)
}

/// Takes one message in. `counted`: its number in the lane acknowledges it; `missed`: it fills a gap.
fn deliver(
    tx: &Transaction,
    intake: &Intake,
    arrival: &Arrival,
    (counted, missed): (bool, bool),
    now: i64,
) -> rusqlite::Result<Fate> {
    let envelope = arrival.envelope.clone();
    let id = match &envelope.id {
        Some(id) => id.clone().tame(&arrival.peer),
        None => derived_id(tx, &intake.mailbox, &arrival.text)?,
    };
    let peer = arrival.peer.clone();
    let mut envelope = Envelope { hops: hops(tx, arrival)?, ..envelope };
    let offered = offers::is_offer(intake, &envelope);
    if let Some(broadcast) = envelope.broadcast.as_mut().filter(|_| !offered) {
        broadcast.any = None;
    }
    let is_note = arrival.policy == Policy::Allow && ask::is_note(tx, &peer, &envelope)?;
    // What is said of files in an open slot is another tool's word.
    let lane = intake.via.lane();
    let blobs = lane.map_or_else(Vec::new, |_| attached::named(&envelope));
    let names_files = envelope.rest.contains_key(attachment::FIELD);
    // What its sender was told of it before this state folder was restored, still holds.
    let told = recall::told(tx, &peer, &id, &envelope.from)?;
    let (state, outcome) = match &told {
        Some((state, outcome)) => (*state, outcome.clone()),
        None if arrival.expired => (State::Expired, Some("its time had run out when it arrived".to_owned())),
        // For whoever looks: there is nothing to be done about it.
        None if is_note => (State::Processed, None),
        None if !blobs.is_empty() && arrival.policy != Policy::Hold => (State::Fetching, None),
        None => (State::Delivered, None),
    };
    let message =
        NewMessage { way: Way::In, peer, id: id.clone(), envelope, state, outcome, not_before: None };
    // What a person released before the restore is done with.
    let held = arrival.policy == Policy::Hold && told.is_none();
    let lane = intake.via.lane().and_then(|(_, lease)| Some((lease, arrival.envelope.seq?)));
    let origin = Origin { verdict: Some(arrival.verdict), held, lane };
    let known = retention::is_known(tx, &message.peer, &id)? || !missed && is_past(tx, intake, arrival)?;
    let n = if known { None } else { message.insert_from(tx, now, &origin)? };
    let Some(n) = n else {
        if !known && !is_same(tx, &message)? {
            return Ok(Fate::Conflict);
        }
        // Its writer was not told, or did not hear it.
        if !counted && intake.via.lane().is_some() {
            let sql = "SELECT state FROM message WHERE way = 'in' AND peer = ?1 AND id = ?2
                       AND state IN ('expired', 'fetching')";
            let state: Option<String> = tx
                .prepare_cached(sql)?
                .query_row(params![arrival.peer, id.as_str()], |row| row.get(0))
                .optional()?;
            let state = state.as_deref().unwrap_or(State::Delivered.as_str());
            receipts::owe(tx, &arrival.peer, id.as_str(), state, now, None)?;
        }
        return Ok(Fate::Known);
    };
    if let Some((encoding, raw)) = &arrival.written {
        tx.prepare_cached("UPDATE message SET encoding = ?2, raw = ?3 WHERE n = ?1")?
            .execute(params![n, encoding, raw])?;
    }
    attached::attach(tx, &message, &blobs, false, now)?;
    let order = Order::of(&message.envelope.kind)
        .filter(|_| arrival.verdict == Verdict::Verified && state == State::Delivered && !held);
    let obeyed = match order {
        Some(order) => cancel::obey(tx, &arrival.peer, order, &message.envelope, now)?,
        None => Obeyed::Mail,
    };
    let due =
        arrival.wake && state == State::Delivered && !held && !offered && !matches!(obeyed, Obeyed::Done(_));
    let awaited = if due {
        ask::awaited_until(tx, &arrival.peer, message.envelope.in_reply_to.as_ref(), now)?
    } else {
        0
    };
    tx.prepare_cached(
        "UPDATE message SET digest = ?2, wake = iif(?3, 'due', NULL), wake_at = ?4, offered = iif(?5, 0, NULL)
         WHERE n = ?1",
    )?
    .execute(params![n, waiting::digest(&message.envelope).as_slice(), due, awaited, offered])?;
    peers::wrote(tx, &arrival.peer, now)?;
    let route = match &intake.via {
        Via::Lane { lease, .. } => format!("from the lane under lease {lease}"),
        Via::Direct { lease, .. } => format!("directly, under lease {lease}"),
        Via::Gateway { .. } => "as the answer of its agent, by a2a".to_owned(),
        Via::Slot | Via::Answer { .. } => "from the open slot".to_owned(),
    };
    let told_before = if told.is_some() { ", as its sender was told before" } else { "" };
    let on_hold = if held { ", held" } else { "" };
    let verdict = match arrival.verdict {
        Verdict::Verified => ", verified",
        Verdict::Unverified => ", unverified",
    };
    let route = format!("{route}{verdict}{on_hold}{told_before}");
    log(tx, now, Way::In, &arrival.peer, id.as_str(), state.as_str(), Some(&route))?;
    // A lane's deliveries are acknowledged all at once by seq, if they are counted; the open slot has no seq.
    // Whose files are of a form that nobody knows here has no files, and its sender waits for a word of them.
    let bare = blobs.is_empty() && names_files;
    if arrival.receipt && told.is_none() && (state > State::Delivered || !counted || bare) {
        receipts::owe(tx, &arrival.peer, id.as_str(), state.as_str(), now, message.outcome.as_deref())?;
    }
    if let Obeyed::Done(what) = obeyed {
        let done = State::Processed;
        receipts::advance(tx, Way::In, &arrival.peer, id.as_str(), done, Some(&what), &what, now)?;
        receipts::owe(tx, &arrival.peer, id.as_str(), done.as_str(), now, Some(&what))?;
    }
    Ok(Fate::New)
}

/// How many automatic answers led to a message. Whoever does not count, or may not be who it says, answers what we know
/// the number of.
fn hops(tx: &Transaction, arrival: &Arrival) -> rusqlite::Result<Option<u64>> {
    let envelope = &arrival.envelope;
    let claimed = envelope.hops.filter(|_| arrival.verdict == Verdict::Verified);
    let (None, Some(answered)) = (claimed, &envelope.in_reply_to) else { return Ok(claimed) };
    let sql = "SELECT coalesce(hops, 0) + 1 FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2";
    let hops =
        tx.prepare_cached(sql)?.query_row([&arrival.peer, answered.as_str()], |row| row.get::<_, i64>(0));
    Ok(hops.optional()?.map(i64::unsigned_abs))
}

/// Whether the lane's mail has aged past this message, by its number and by its sender's clock: its id may be forgotten
/// by now. (By its number alone a sender whose state was restored from an old backup would be taken for a replay.)
fn is_past(tx: &Transaction, intake: &Intake, arrival: &Arrival) -> rusqlite::Result<bool> {
    let (Some((peer, lease)), Some(seq)) = (intake.via.lane(), arrival.envelope.seq) else {
        return Ok(false);
    };
    let written = arrival.envelope.timestamp.as_deref().and_then(retention::written_at);
    let sql = "SELECT EXISTS (SELECT 1 FROM lane_in WHERE peer = ?1 AND lease = ?2 AND floor >= ?3 AND floor_at >= ?4)";
    tx.prepare_cached(sql)?.query_row(params![peer, lease as i64, seq as i64, written], |row| row.get(0))
}

/// Whether the message that has this id is this one: written again, perhaps under another number.
fn is_same(tx: &Transaction, message: &NewMessage) -> rusqlite::Result<bool> {
    let e = &message.envelope;
    let sql = "SELECT content = ?4 AND kind = ?5 AND thread IS ?6 AND in_reply_to IS ?7 AND sender = ?8
               FROM message WHERE way = ?1 AND peer = ?2 AND id = ?3";
    let answers = e.in_reply_to.as_ref().map(MessageId::as_str);
    let given = params![
        message.way.as_str(),
        message.peer,
        message.id.as_str(),
        e.content.to_string(),
        e.kind,
        e.thread,
        answers,
        e.from
    ];
    tx.prepare_cached(sql)?.query_row(given, |row| row.get(0))
}

/// The k-th line of this text in the file has the k-th id: told apart from its twins, known when read again.
fn derived_id(tx: &Transaction, mailbox: &str, text: &str) -> rusqlite::Result<MessageId> {
    let hash = blake3::hash(text.as_bytes());
    let sql = "INSERT INTO slot_line VALUES (?1, 1) ON CONFLICT (hash) DO UPDATE SET seen = seen + 1 RETURNING seen";
    let seen: i64 = tx.prepare_cached(sql)?.query_row([hash.as_bytes()], |row| row.get(0))?;
    Ok(MessageId::derived(mailbox, text, seen as u64))
}

/// Keeps count of a lane's numbers: the highest, the gaps below it, and whether its writer is to be told. Returns whether
/// it is counted (it is not, behind more gaps than are remembered), and whether it was missed.
fn count_in(
    tx: &Transaction,
    peer: &str,
    lease: u64,
    seq: u64,
    receipt: bool,
) -> rusqlite::Result<(bool, bool)> {
    let (lease, seq) = (lease as i64, seq as i64);
    let sql = "SELECT seq, missing, untold FROM lane_in WHERE peer = ?1 AND lease = ?2";
    let row = tx.prepare_cached(sql)?.query_row(params![peer, lease], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    });
    let (highest, missing, untold) = row.optional()?.unwrap_or((0, "[]".into(), 0));
    let mut gaps: Vec<i64> = serde_json::from_str(&missing).unwrap_or_default();
    // Written so that no number of a stranger's overflows.
    let found_gap = seq - 1 > highest;
    let missed = gaps.contains(&seq);
    if found_gap {
        let room = MAX_MISSING.saturating_sub(gaps.len());
        if (seq - 1 - highest) as u64 > room as u64 {
            return Ok((false, false));
        }
        gaps.extend(highest + 1..seq);
    } else if seq <= highest {
        gaps.retain(|gap| *gap != seq);
    }
    // A receipt that comes again is one whose writer was not told.
    let again = seq <= highest;
    let due = !receipt || found_gap || again || untold + 1 >= RECEIPTS_UNTOLD;
    let sql = "INSERT INTO lane_in (peer, lease, seq, missing, untold, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (peer, lease) DO UPDATE SET
               seq = excluded.seq, missing = excluded.missing, untold = excluded.untold, due = due OR excluded.due";
    let missing = serde_json::to_string(&gaps).unwrap_or_else(|_| "[]".into());
    tx.prepare_cached(sql)?.execute(params![peer, lease, seq.max(highest), missing, untold + 1, due])?;
    Ok((true, missed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_number_of_a_strangers_lane_breaks_the_count() {
        let mut db = Db::in_memory().unwrap();
        let arrival = |seq: u64, id: &str| Arrival {
            envelope: Envelope::from_value(json!({"id": id, "from": "a", "content": 1, "seq": seq})).unwrap(),
            peer: "a".into(),
            text: String::new(),
            at: 0,
            verdict: Verdict::Unverified,
            policy: Policy::Allow,
            refused: None,
            written: None,
            expired: false,
            wake: false,
            receipt: true,
        };
        let most = i64::MAX as u64;
        let intake = Intake {
            lane: "a.1".into(),
            source: String::new(),
            via: Via::Lane { peer: "a".into(), lease: 1 },
            mailbox: "b".into(),
            arrivals: vec![arrival(1, "x"), arrival(most, "y"), arrival(most, "z"), arrival(2, "w")],
            refused: vec![],
            quarantined: vec![],
            room: 0,
            refusals: vec![],
            cursor: cursors::Cursor::default(),
            restarted: false,
        };
        assert_eq!(db.take_in(&intake, 0).unwrap().new, 4);
        let again = db.take_in(&intake, 0).unwrap();
        assert_eq!((again.new, again.known), (0, 4));
        // What is behind more gaps than are remembered acknowledges none of them.
        db.write("ask", |tx| {
            let receipts = receipts::collect(tx, "a", usize::MAX)?;
            let delivered = receipts.iter().filter_map(|receipt| receipt.delivered.as_ref());
            assert_eq!(delivered.map(|it| (it.up_to, it.missing.clone())).collect::<Vec<_>>(), [(2, vec![])]);
            let by_id: Vec<_> =
                receipts.iter().flat_map(|it| &it.items).map(|item| item.id.as_str()).collect();
            assert_eq!(by_id, ["y", "z", "y", "z"]);
            Ok(())
        })
        .unwrap();
    }
}
