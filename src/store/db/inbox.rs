//! Taking mail in: the lines of one read, their cursor, and what follows from them, in one transaction.
//!
//! An id that its sender used before is dropped as known: this is what makes at-least-once lanes deliver once.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::{event, log};
use super::cursors::{self, Cursor};
use super::message::{NewMessage, Way};
use super::quarantine::Quarantined;
use super::{Db, peers, recall, receipts, retention};
use crate::error::Result;
use crate::model::envelope::{Envelope, RECEIPT};
use crate::model::id::MessageId;
use crate::model::receipt::Receipt;
use crate::model::report::REFUSED;
use crate::model::state::State;

/// Gaps remembered per lane; a lane that claims more is not asked for them all at once.
const MAX_MISSING: usize = 1_000;
/// Receipts taken in before they are acknowledged by a bare receipt, so that a one-way sender can forget its own.
const RECEIPTS_UNTOLD: i64 = 64;

/// How a line came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Through a lane, written under this lease.
    Lane {
        /// The writer, folded.
        peer: String,
        /// The lease in the file's name.
        lease: u64,
    },
    /// Through our open slot.
    Slot,
}

/// One message as it was read.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What was parsed.
    pub envelope: Envelope,
    /// The sending instance, folded; a stranger's own word if it is no instance name.
    pub peer: String,
    /// The decoded line, from which an id is derived if the writer gave none.
    pub text: String,
    /// How the line was written, and its bytes: kept for mail of the open slot.
    pub written: Option<(String, Vec<u8>)>,
    /// Its time had run out.
    pub expired: bool,
    /// The agent is to be woken for it.
    pub wake: bool,
    /// The sender understands receipts by id.
    pub receipt: bool,
}

/// A line of a lane that is no message to us, but says which one it is: its writer is told.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The id it claims.
    pub id: MessageId,
    /// Its number in the lane.
    pub seq: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What one read of one file yielded.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The cursor's name.
    pub lane: String,
    /// How the lines came.
    pub via: Via,
    /// Whose mailbox it is; part of derived ids.
    pub mailbox: String,
    /// The messages, in order.
    pub arrivals: Vec<Arrival>,
    /// What is no message to us and can be told to its writer.
    pub refused: Vec<Refused>,
    /// What could not be parsed.
    pub quarantined: Vec<Quarantined>,
    /// Where reading goes on.
    pub cursor: Cursor,
    /// The file was replaced: its lines are counted from its start again.
    pub restarted: bool,
}

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

impl Db {
    /// Takes in everything one read yielded, and moves the cursor, in one transaction.
    pub fn take_in(&mut self, intake: &Intake, now: i64) -> Result<Taken> {
        self.write("take mail into", |tx| {
            let mut taken = Taken::default();
            if intake.restarted && intake.via == Via::Slot {
                tx.execute("DELETE FROM slot_line", [])?;
            }
            for arrival in &intake.arrivals {
                if let Via::Lane { peer, lease } = &intake.via {
                    let bare = arrival.envelope.kind == RECEIPT;
                    count_in(tx, peer, *lease, arrival.envelope.seq.unwrap_or_default(), bare)?;
                }
                match (arrival.envelope.kind.as_str(), &intake.via) {
                    (RECEIPT, Via::Lane { peer, .. }) => {
                        if let Some(receipt) = Receipt::from_content(&arrival.envelope.content) {
                            receipts::apply(tx, peer, &receipt, now)?;
                        }
                        taken.receipts += 1;
                    }
                    _ if deliver(tx, intake, arrival, now)? => taken.new += 1,
                    _ => taken.known += 1,
                }
            }
            for Refused { id, seq, reason } in &intake.refused {
                if let Via::Lane { peer, lease } = &intake.via {
                    count_in(tx, peer, *lease, *seq, false)?;
                    let (state, reason) = (State::Failed.as_str(), format!("{REFUSED}{reason}"));
                    receipts::owe(tx, peer, id.as_str(), state, now, Some(&reason))?;
                }
            }
            set_aside(tx, &intake.quarantined, now)?;
            cursors::store(tx, &intake.lane, &intake.cursor)?;
            Ok(taken)
        })
    }
}

/// Keeps what is no mail. The log tells of it once a read: a flood of bad lines is none of entries.
fn set_aside(tx: &Transaction, lines: &[Quarantined], now: i64) -> rusqlite::Result<()> {
    let mut news = vec![];
    for line in lines {
        if line.insert(tx, now)? {
            news.push(line);
        }
    }
    let Some(first) = news.first() else { return Ok(()) };
    let detail = format!("{}, from byte {}: {}", first.source, first.offset, first.reason);
    let more = if news.len() > 1 { format!(" (and {} more)", news.len() - 1) } else { String::new() };
    event(tx, now, "set-aside", "", Some(&(detail + &more)))
}

fn deliver(tx: &Transaction, intake: &Intake, arrival: &Arrival, now: i64) -> rusqlite::Result<bool> {
    let envelope = arrival.envelope.clone();
    let id = match &envelope.id {
        Some(id) => id.clone(),
        None => derived_id(tx, &intake.mailbox, &arrival.text)?,
    };
    let peer = arrival.peer.clone();
    // What its sender was told of it before this state folder was restored, still holds.
    let told = recall::told(tx, &peer, &id)?;
    let (state, outcome) = match &told {
        Some((state, outcome)) => (*state, outcome.clone()),
        None if arrival.expired => (State::Expired, Some("its time had run out when it arrived".to_owned())),
        None => (State::Delivered, None),
    };
    let message = NewMessage { way: Way::In, peer, id: id.clone(), envelope, state, outcome };
    if retention::is_known(tx, &message.peer, &id)? {
        return Ok(false);
    }
    let Some(n) = message.insert(tx, now)? else { return Ok(false) };
    if let Some((encoding, raw)) = &arrival.written {
        tx.prepare_cached("UPDATE message SET encoding = ?2, raw = ?3 WHERE n = ?1")?
            .execute(params![n, encoding, raw])?;
    }
    if arrival.wake && state == State::Delivered {
        tx.prepare_cached("UPDATE message SET wake = 'due' WHERE n = ?1")?.execute([n])?;
    }
    peers::wrote(tx, &arrival.peer, now)?;
    let route = match &intake.via {
        Via::Lane { lease, .. } => format!("from the lane under lease {lease}"),
        Via::Slot => "from the open slot".to_owned(),
    };
    let route = if told.is_some() { format!("{route}, as its sender was told before") } else { route };
    log(tx, now, Way::In, &arrival.peer, id.as_str(), state.as_str(), Some(&route))?;
    // A lane's deliveries are acknowledged all at once by seq; the open slot has no seq.
    if arrival.receipt && told.is_none() && (arrival.expired || intake.via == Via::Slot) {
        receipts::owe(tx, &arrival.peer, id.as_str(), state.as_str(), now, message.outcome.as_deref())?;
    }
    Ok(true)
}

/// The k-th line of this text in the file has the k-th id: told apart from its twins, known when read again.
fn derived_id(tx: &Transaction, mailbox: &str, text: &str) -> rusqlite::Result<MessageId> {
    let hash = blake3::hash(text.as_bytes());
    let sql = "INSERT INTO slot_line VALUES (?1, 1) ON CONFLICT (hash) DO UPDATE SET seen = seen + 1 RETURNING seen";
    let seen: i64 = tx.prepare_cached(sql)?.query_row([hash.as_bytes()], |row| row.get(0))?;
    Ok(MessageId::derived(mailbox, text, seen as u64))
}

/// Keeps count of a lane's numbers: the highest, the gaps below it, and whether its writer is to be told.
fn count_in(tx: &Transaction, peer: &str, lease: u64, seq: u64, receipt: bool) -> rusqlite::Result<()> {
    let (lease, seq) = (lease as i64, seq as i64);
    let sql = "SELECT seq, missing, untold FROM lane_in WHERE peer = ?1 AND lease = ?2";
    let row = tx.prepare_cached(sql)?.query_row(params![peer, lease], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    });
    let (highest, missing, untold) = row.optional()?.unwrap_or((0, "[]".into(), 0));
    let mut gaps: Vec<i64> = serde_json::from_str(&missing).unwrap_or_default();
    // Written so that no number of a stranger's overflows.
    let found_gap = seq - 1 > highest;
    if found_gap {
        gaps.extend((highest.saturating_add(1)..seq).take(MAX_MISSING.saturating_sub(gaps.len())));
    } else if seq <= highest {
        gaps.retain(|gap| *gap != seq);
    }
    // A receipt that comes again is one whose writer was not told.
    let again = seq <= highest;
    let due = !receipt || found_gap || again || untold + 1 >= RECEIPTS_UNTOLD;
    let sql = "INSERT INTO lane_in VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (peer, lease) DO UPDATE SET
               seq = excluded.seq, missing = excluded.missing, untold = excluded.untold, due = due OR excluded.due";
    let missing = serde_json::to_string(&gaps).unwrap_or_else(|_| "[]".into());
    tx.prepare_cached(sql)?
        .execute(params![peer, lease, seq.max(highest), missing, untold + 1, due])
        .map(drop)
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
            written: None,
            expired: false,
            wake: false,
            receipt: true,
        };
        let most = i64::MAX as u64;
        let intake = Intake {
            lane: "a.1".into(),
            via: Via::Lane { peer: "a".into(), lease: 1 },
            mailbox: "b".into(),
            arrivals: vec![arrival(1, "x"), arrival(most, "y"), arrival(most, "z"), arrival(2, "w")],
            refused: vec![],
            quarantined: vec![],
            cursor: Cursor::default(),
            restarted: false,
        };
        assert_eq!(db.take_in(&intake, 0).unwrap().new, 4);
        let again = db.take_in(&intake, 0).unwrap();
        assert_eq!((again.new, again.known), (0, 4));
    }
}
