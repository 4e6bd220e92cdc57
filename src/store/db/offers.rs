//! Offers: copies of a broadcast of which one member alone works on it. Each is a copy of mail, and one task for all.
//!
//! ```text
//! offered = 0 ──wish──> the number of a wish to claim the task ──held──> NULL: mail like any other
//!    ^─────────────────────────lost, late─────────┴─────────────claim lost─────────┘
//! ```
//! What is offered is in no list of unread mail and wakes nobody. Until `wake_at` no wish is made, or answered.

use rusqlite::{Transaction, params};

use super::audit::log;
use super::due::NEXT_ROW;
use super::intake::Intake;
use super::message::{COLUMNS, Message, WIDTH, Way};
use super::{Db, due, lists};
use crate::error::Result;
use crate::model::envelope::Envelope;
use crate::model::state::State;

/// A copy that is not done with.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The copy.
    pub message: Message,
    /// Our wish to claim its task, if there is one.
    pub wish: Option<i64>,
    /// No wish is made, nor answered, before (wall-clock milliseconds).
    pub not_before: i64,
}

/// Which offers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferKind {
    /// Those that are ours, or wished for.
    Begun,
    /// Those whose task has ended.
    Over,
    /// Those that stand by, whose time to be wished for has come, and whose recipient has none that is begun.
    Free,
}

/// What is offered and not done with.
const OPEN: &str = "FROM message m INDEXED BY message_offer
                    WHERE way = 'in' AND term IS NOT NULL AND state IN ('delivered', 'read')";

impl Db {
    /// Whether anything is offered, or was and is not done with. Reads an index.
    pub fn has_offers(&self) -> Result<bool> {
        let sql = format!("SELECT EXISTS (SELECT 1 {OPEN})");
        self.query("read", |c| c.prepare_cached(&sql)?.query_row([], |row| row.get(0)))
    }

    /// Whether a task is offered since `since` that is not known yet.
    pub fn offers_unknown(&self, since: i64) -> Result<bool> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 {OPEN} AND at >= ?1 AND NOT EXISTS (SELECT 1 FROM task WHERE id = broadcast))"
        );
        self.query("read", |c| c.prepare_cached(&sql)?.query_row([since], |row| row.get(0)))
    }

    /// The offers of one kind at `now`, urgent ones first, then the oldest; at most `limit`. Cost: a look at an index for each
    /// that is not done with.
    pub fn offers(&self, kind: OfferKind, now: i64, limit: usize) -> Result<Vec<Offer>> {
        let begun = "(m.offered IS NULL OR m.offered > 0)";
        let which = match kind {
            OfferKind::Begun => begun.to_owned(),
            OfferKind::Over => "EXISTS (SELECT 1 FROM task WHERE id = m.broadcast AND final)".to_owned(),
            OfferKind::Free => format!(
                "m.offered = 0 AND m.wake_at <= ?1 AND EXISTS (SELECT 1 FROM task WHERE id = m.broadcast AND NOT final)
                 AND m.recipient NOT IN (SELECT recipient {OPEN} AND NOT held AND {begun})"
            ),
        };
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS}, nullif(offered, 0), wake_at {OPEN} AND NOT held AND ?1 IS NOT NULL AND {which}
                 ORDER BY priority = 'urgent' DESC, n LIMIT ?2"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let offer = |row: &rusqlite::Row| {
                let (wish, not_before) = (row.get(WIDTH)?, row.get(WIDTH + 1)?);
                Ok(Offer { message: Message::from_row(row)?, wish, not_before })
            };
            statement.query_map(params![now, limit as i64], offer)?.collect()
        })
    }

    /// An offer stands by: with a wish of ours, or until then without one. What was ours before is so no more.
    pub fn stand_by(&mut self, offer: &Offer, wish: Option<i64>, not_before: i64, now: i64) -> Result<()> {
        self.write("note the offer in", |tx| {
            let sql = "UPDATE message SET offered = coalesce(?2, 0), wake_at = ?3, wake = NULL WHERE n = ?1";
            tx.prepare_cached(sql)?.execute(params![offer.message.n, wish, not_before])?;
            match offer.message.offered {
                true => Ok(()),
                false => note(tx, &offer.message, "withdrawn", "its claim was lost", now),
            }
        })
    }

    /// An offer is ours: it is mail like any other, as if it came now; `wake` if somebody is woken for it.
    pub fn take_offer(&mut self, offer: &Offer, wake: bool, now: i64) -> Result<()> {
        self.write("take the offer in", |tx| {
            // A row number of now, so that whoever follows the inbox sees it.
            // Whoever read it before let the claim run out: it is unread again.
            let sql = format!(
                "UPDATE message SET offered = NULL, state = 'delivered', wake_at = 0, wake = iif(?2, 'due', NULL),
                 accepted = 0, failures = 0, misses = 0, n = {NEXT_ROW} WHERE n = ?1 RETURNING n"
            );
            let n = offer.message.n;
            let moved = tx.prepare_cached(&sql)?.query_row(params![n, wake], |row| row.get(0))?;
            due::follow(tx, n, moved)?;
            note(tx, &offer.message, "claimed", "it is ours alone", now)
        })
    }

    /// Nobody here has to work on it any more; its sender is told why.
    pub fn end_offer(&mut self, offer: &Offer, why: &str, now: i64) -> Result<()> {
        self.write("end the offer in", |tx| {
            let sql = "UPDATE message SET offered = NULL, wake_at = 0, wake = NULL WHERE n = ?1";
            tx.prepare_cached(sql)?.execute([offer.message.n])?;
            lists::mark(tx, [&offer.message], State::Processed, Some(why), now).map(drop)
        })
    }
}

fn note(tx: &Transaction, message: &Message, what: &str, why: &str, now: i64) -> rusqlite::Result<()> {
    log(tx, now, Way::In, &message.peer, message.id.as_str(), what, Some(why))
}

/// Whether what came is one: in a lane, where who wrote it is known as far as it can be, with a task.
pub(super) fn is_offer(intake: &Intake, envelope: &Envelope) -> bool {
    let task = envelope.broadcast.as_ref().and_then(|broadcast| broadcast.task());
    intake.via.lane().is_some() && task.is_some()
}
