//! Mail that its sender takes back, on both sides.
//!
//! What certainly has not left ends where it is. For what may have left an order goes to the recipient, behind it in the
//! same lane; the recipient's store obeys in the transaction that takes the order in, and answers by two receipts: of
//! the message (`cancelled`) and of the order (`processed`, with what it came to). An order that overtakes its message
//! is remembered among what senders were told, and the message is dead on arrival.

use rusqlite::{OptionalExtension, Transaction, params};

use super::audit::log;
use super::message::{Message, NewMessage, Way, rfc3339};
use super::outbox::{self, Accepted};
use super::{Db, receipts, retention};
use crate::error::Result;
use crate::model::cancel::{Order, Ruling};
use crate::model::envelope::Envelope;
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::state::State;

/// What became of an order that came.
pub(super) enum Obeyed {
    /// It is done with, and this is what its sender hears.
    Done(String),
    /// The message is cancelled, and whoever works on it is to read the order.
    Tell,
    /// It is about nothing that its sender could take back: it is mail.
    Mail,
}

impl Db {
    /// Ends a message of ours that has certainly not left; `false` if it may have.
    pub fn withdraw(&mut self, message: &Message, why: &str, now: i64) -> Result<bool> {
        self.write("take mail back in", |tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE n = ?1 AND way = 'out' AND state IN ('scheduled', 'attaching', 'queued')
                       AND seq IS NULL AND posted = 0 AND NOT detour AND NOT EXISTS (SELECT 1 FROM a2a WHERE a2a.n = ?1))";
            if !tx.prepare_cached(sql)?.query_row([message.n], |row| row.get(0))? {
                return Ok(false);
            }
            let (peer, id) = (&message.peer, message.id.as_str());
            receipts::advance(tx, Way::Out, peer, id, State::Cancelled, Some(why), why, now)
        })
    }

    /// Stores an order about a message of ours; the same again changes nothing.
    pub fn order(&mut self, message: &Message, order: &NewMessage, now: i64) -> Result<Message> {
        self.write("store the message in", |tx| {
            Ok(match outbox::accept(tx, order, now)? {
                Accepted::New(stored) => {
                    let words = format!("its order is {}", stored.id);
                    let (peer, id) = (&message.peer, message.id.as_str());
                    log(tx, now, Way::Out, peer, id, &stored.kind, Some(&words))?;
                    stored
                }
                Accepted::Known(stored) | Accepted::Conflict(stored) => stored,
            })
        })
    }
}

/// A message that an order is about.
struct Target {
    n: i64,
    sender: String,
    kind: String,
    state: State,
    woken: bool,
}

/// Obeys an order of `peer`, which is sure to be its own.
pub(super) fn obey(
    tx: &Transaction,
    peer: &str,
    order: Order,
    envelope: &Envelope,
    now: i64,
) -> rusqlite::Result<Obeyed> {
    let Some(id) = &envelope.in_reply_to else { return Ok(Obeyed::Mail) };
    let Some(target) = target(tx, peer, id)? else { return ahead(tx, peer, envelope, id, now) };
    if !is_same(&target.sender, &envelope.from) {
        return Ok(Obeyed::Done(format!("refused: it is by {}, who alone may take it back", target.sender)));
    }
    let ruling = order.ruling(&target.kind, target.state, target.woken);
    let why = match (ruling, target.state, target.woken) {
        (Ruling::TooLate, state, _) => {
            let at = since(tx, peer, id, state)?.map(|at| format!(" at {at}")).unwrap_or_default();
            return Ok(Obeyed::Done(format!("too late: it was {state}{at} there")));
        }
        (_, State::Read, _) => "it had been read there, and whoever read it is told",
        (Ruling::Told, ..) => "nobody had read it there, but somebody was woken for it, and is told",
        (_, _, true) => "nobody had read it there; but somebody was woken for it, and may know of it",
        _ => "nobody had read it there",
    };
    let words = format!("taken back by {}: {why}", envelope.from);
    receipts::advance(tx, Way::In, peer, id.as_str(), State::Cancelled, Some(&words), &words, now)?;
    tx.prepare_cached("UPDATE message SET wake = NULL WHERE n = ?1")?.execute([target.n])?;
    receipts::owe(tx, peer, id.as_str(), State::Cancelled.as_str(), now, Some(why))?;
    Ok(if ruling == Ruling::Told { Obeyed::Tell } else { Obeyed::Done(why.to_owned()) })
}

/// The order came before what it is about, or is about nothing of its sender's.
fn ahead(
    tx: &Transaction,
    peer: &str,
    envelope: &Envelope,
    id: &MessageId,
    now: i64,
) -> rusqlite::Result<Obeyed> {
    let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE way = 'out' AND peer = ?1 AND id = ?2)";
    if tx.prepare_cached(sql)?.query_row([peer, id.as_str()], |row| row.get(0))? {
        return Ok(Obeyed::Mail);
    }
    if retention::is_known(tx, peer, id)? {
        return Ok(Obeyed::Done("too late: it came long ago".to_owned()));
    }
    let why = "it had not come yet, and is dead on arrival";
    let words = format!("taken back by {}: {why}", envelope.from);
    let sql = "INSERT INTO told (peer, id, state, outcome, at, sender) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (peer, id) DO NOTHING";
    let state = State::Cancelled.as_str();
    tx.prepare_cached(sql)?.execute(params![peer, id.as_str(), state, words, now, envelope.from])?;
    log(tx, now, Way::In, peer, id.as_str(), state, Some(&words))?;
    receipts::owe(tx, peer, id.as_str(), state, now, Some(why))?;
    Ok(Obeyed::Done(why.to_owned()))
}

fn target(tx: &Transaction, peer: &str, id: &MessageId) -> rusqlite::Result<Option<Target>> {
    let sql = "SELECT n, sender, kind, state, EXISTS (SELECT 1 FROM wake_message w WHERE w.message = m.n)
               FROM message m WHERE way = 'in' AND peer = ?1 AND id = ?2";
    let row = |row: &rusqlite::Row| {
        Ok(Target {
            n: row.get(0)?,
            sender: row.get(1)?,
            kind: row.get(2)?,
            // A state that this version does not know is one that nothing follows.
            state: row.get::<_, String>(3)?.parse().unwrap_or(State::Processed),
            woken: row.get(4)?,
        })
    };
    tx.prepare_cached(sql)?.query_row([peer, id.as_str()], row).optional()
}

/// Since when a message that came is in this state.
fn since(tx: &Transaction, peer: &str, id: &MessageId, state: State) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT max(at) FROM log WHERE id = ?1 AND way = 'in' AND peer = ?2 AND what = ?3";
    let key = [id.as_str(), peer, state.as_str()];
    let at: Option<i64> = tx.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
    Ok(at.map(rfc3339))
}

/// Whether two names that mail bears are those of one writer.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let (parsed, others) = (one.parse::<Address>(), other.parse::<Address>());
    match (parsed, others) {
        (Ok(one), Ok(other)) => {
            let agents = (&one.agent, &other.agent);
            one.instance.same_as(&other.instance)
                && match agents {
                    (Some(one), Some(other)) => one.same_as(other),
                    (one, other) => one.is_none() && other.is_none(),
                }
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Arrival, Cursor, Filter, Intake, Via};
    use super::*;
    use crate::model::trust::{Policy, Verdict};

    /// A line of the lane of `office`.
    fn line(seq: u64, id: &str, from: &str, kind: &str, answers: Option<&str>) -> Arrival {
        let value = json!({"id": id, "from": from, "to": "lab", "content": id, "type": kind, "seq": seq,
                           "in_reply_to": answers});
        Arrival {
            envelope: Envelope::from_value(value).unwrap(),
            peer: "office".into(),
            text: String::new(),
            at: 0,
            verdict: Verdict::Verified,
            policy: Policy::Allow,
            refused: None,
            written: None,
            expired: false,
            wake: true,
            receipt: true,
        }
    }

    fn take_in(db: &mut Db, arrivals: Vec<Arrival>) {
        let intake = Intake {
            lane: "office.1".into(),
            source: String::new(),
            via: Via::Lane { peer: "office".into(), lease: 1 },
            mailbox: "lab".into(),
            arrivals,
            refused: vec![],
            quarantined: vec![],
            room: 0,
            refusals: vec![],
            cursor: Cursor::default(),
            restarted: false,
        };
        db.take_in(&intake, 5).unwrap();
    }

    fn states(db: &Db) -> Vec<(String, State, Option<String>)> {
        let all = db.inbox(&Filter { all: true, ..Filter::default() }).unwrap();
        all.into_iter().map(|message| (message.id.to_string(), message.state, message.wake)).collect()
    }

    fn due() -> Option<String> {
        Some("due".to_owned())
    }

    #[test]
    fn an_order_that_overtakes_its_message_makes_it_dead_on_arrival() {
        let mut db = Db::in_memory().unwrap();
        take_in(&mut db, vec![line(2, "o", "office/main", "recall", Some("m"))]);
        take_in(&mut db, vec![line(1, "m", "office/main", "message", None)]);
        let (done, dead) = (("o".into(), State::Processed, None), ("m".into(), State::Cancelled, None));
        assert_eq!(states(&db), [done, dead]);
        let told: Vec<(String, String)> = db
            .query("read", |c| {
                let mut statement = c.prepare("SELECT id, state FROM receipt_due ORDER BY n")?;
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .unwrap();
        let told: Vec<_> = told.iter().map(|(id, state)| (id.as_str(), state.as_str())).collect();
        assert_eq!(told, [("m", "cancelled"), ("o", "processed")]);
    }

    #[test]
    fn nobody_takes_back_what_another_agent_wrote() {
        for overtaken in [false, true] {
            let mut db = Db::in_memory().unwrap();
            let message = line(1, "m", "office/main", "message", None);
            let order = line(2, "o", "office/other", "recall", Some("m"));
            let (first, second) = if overtaken { (order, message) } else { (message, order) };
            take_in(&mut db, vec![first]);
            take_in(&mut db, vec![second]);
            let states = states(&db);
            assert!(states.contains(&("m".into(), State::Delivered, due())), "{states:?}");
            assert!(states.contains(&("o".into(), State::Processed, None)), "{states:?}");
        }
    }

    #[test]
    fn an_order_that_nobody_signed_is_mail() {
        let mut db = Db::in_memory().unwrap();
        let order = line(2, "o", "office", "cancel", Some("m"));
        take_in(
            &mut db,
            vec![line(1, "m", "office", "request", None), Arrival { verdict: Verdict::Unverified, ..order }],
        );
        let expected = ["m", "o"].map(|id| (id.into(), State::Delivered, due()));
        assert_eq!(states(&db), expected);
    }

    #[test]
    fn a_writer_is_known_by_instance_and_agent() {
        assert!(is_same("Office/Main", "office/main") && is_same("office", "Office"));
        assert!(!is_same("office", "office/main") && !is_same("office/a", "office/b"));
        assert!(is_same("a: stranger", "a: stranger") && !is_same("a: stranger", "a: Stranger"));
    }
}
