//! What is attached to messages: which blobs each needs, and what becomes of a message when they are where they belong.
//!
//! ```text
//! out: scheduled ──its time comes──> attaching ──all its blobs are on the share──> queued ──…──> sent ──taken in──> fetching ──all are there──> delivered
//! in:  fetching  ──all its blobs are here, verified──> delivered
//! ```
//! A message takes its place in the order when its files are there: it gets a new row number then, so that mail that has
//! none does not wait for it. Whether a blob is on the share is looked at anew for each message that needs it, and again and
//! again until its recipients have it ([`Db::recheck`]).

use rusqlite::{Row, Transaction, params};

use super::audit::log;
use super::blobs::{TELLS, blob, hash, put_off, want};
use super::due::NEXT_ROW;
use super::message::{COLUMNS, Message, NewMessage, Way};
use super::reports::{self, End};
use super::{Db, ask, receipts, search};
use crate::error::Result;
use crate::model::attachment;
use crate::model::blob::{Blob, Hash};
use crate::model::envelope::Envelope;
use crate::model::report::{Cause, REFUSED};
use crate::model::state::State;

/// Out: messages whose recipients may not have their blobs yet.
pub(super) const GOING: &str =
    "m.way = 'out' AND (m.state IN ('attaching', 'queued', 'sent', 'fetching') OR m.resend)";
/// Out: messages whose blobs stay here, and may not be wanted on the share yet.
pub(super) const WAITING: &str = "m.way = 'out' AND m.state = 'scheduled'";
/// In: messages whose blobs are wanted here.
pub(super) const COMING: &str =
    "m.way = 'in' AND m.state IN ('fetching', 'delivered', 'read') AND NOT m.held";
/// Rows that one call looks at.
pub(super) const BATCH: i64 = 500;

/// A message that waits for its blobs.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The message.
    pub message: Message,
    /// No blob of it that is known is missing.
    pub complete: bool,
}

impl Db {
    /// The messages that wait for blobs, the oldest first.
    pub fn parcels(&self, way: Way) -> Result<Vec<Parcel>> {
        self.query("read", |c| {
            let (state, missing) = match way {
                Way::Out => (State::Attaching, "b.put IS NULL"),
                Way::In => (State::Fetching, "NOT b.here"),
            };
            let sql = format!(
                "SELECT {COLUMNS}, NOT EXISTS (SELECT 1 FROM attached a JOIN blob b ON b.hash = a.hash
                    WHERE a.way = m.way AND a.peer = m.peer AND a.id = m.id AND {missing}) AS complete
                 FROM message m INDEXED BY message_parcels
                 WHERE state IN ('attaching', 'fetching') AND state = ?1 AND way = ?2 ORDER BY n LIMIT ?3"
            );
            let parcel =
                |row: &Row| Ok(Parcel { message: Message::from_row(row)?, complete: row.get("complete")? });
            let given = params![state.as_str(), way.as_str(), BATCH];
            c.prepare_cached(&sql)?.query_map(given, parcel)?.collect()
        })
    }

    /// A message needs these blobs, too; returns how many of them were not known of it. They lie where its others do.
    pub fn attach_more(&mut self, message: &Message, blobs: &[Blob], now: i64) -> Result<usize> {
        self.write("note files in", |tx| {
            let mut more = 0;
            for blob in blobs {
                want(tx, blob, false, now)?;
                more += need(tx, message.way, &message.peer, message.id.as_str(), &blob.blake3)?;
            }
            Ok(more)
        })
    }

    /// All that is attached to a message is where it belongs: it goes on its way, or is delivered. `wake`: the agent is to
    /// be woken for it.
    pub fn complete(&mut self, message: &Message, wake: bool, now: i64) -> Result<()> {
        self.write("mark mail in", |tx| {
            let (was, is) = match message.way {
                Way::Out => (State::Attaching, State::Queued),
                Way::In => (State::Fetching, State::Delivered),
            };
            let (peer, id) = (&message.peer, message.id.as_str());
            let due = wake && message.way == Way::In;
            let awaited = if due { ask::awaited_until(tx, peer, message.in_reply_to.as_ref(), now)? } else { 0 };
            // A row number of now: its place in the order, and whoever follows the inbox sees it.
            let sql = format!(
                "UPDATE message SET state = ?2, wake = iif(?3 AND offered IS NULL, 'due', NULL), wake_at = max(wake_at, ?5),
                 n = {NEXT_ROW} WHERE n = ?1 AND state = ?4"
            );
            let given = params![message.n, is.as_str(), due, was.as_str(), awaited];
            if tx.prepare_cached(&sql)?.execute(given)? == 0 {
                return Ok(());
            }
            search::forget(tx, message.n)?;
            let what = match message.way {
                Way::Out => "its files are on the share",
                Way::In => "its files are here, verified",
            };
            log(tx, now, message.way, peer, id, is.as_str(), Some(what))?;
            match message.way {
                Way::Out => Ok(()),
                Way::In => receipts::owe(tx, peer, id, is.as_str(), now, None),
            }
        })
    }

    /// What is attached to a message that came is not taken after all: it ends, and its sender is told.
    pub fn refuse_files(&mut self, message: &Message, why: &str, now: i64) -> Result<()> {
        self.write("refuse files in", |tx| {
            let (peer, id, reason) = (&message.peer, message.id.as_str(), format!("{REFUSED}{why}"));
            if receipts::advance(tx, Way::In, peer, id, State::Failed, Some(&reason), &reason, now)? {
                receipts::owe(tx, peer, id, State::Failed.as_str(), now, Some(&reason))?;
            }
            Ok(())
        })
    }

    /// Ends mail whose time ran out, or whose files were lost here, before they were on the share; returns how much.
    pub fn fail_attaching(&mut self, now: i64) -> Result<usize> {
        let ended: Vec<(Message, bool)> = self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS}, expires IS NOT NULL AND expires <= ?1 AS expired FROM message m INDEXED BY message_parcels
                 WHERE state IN ('attaching', 'fetching') AND state = 'attaching' AND (expires <= ?1 OR EXISTS
                    (SELECT 1 FROM attached a JOIN blob b ON b.hash = a.hash
                     WHERE a.way = m.way AND a.peer = m.peer AND a.id = m.id AND NOT here AND put IS NULL))"
            );
            let row = |row: &Row| Ok((Message::from_row(row)?, row.get("expired")?));
            c.prepare_cached(&sql)?.query_map([now], row)?.collect()
        })?;
        let ended: Vec<(Message, Cause, String)> = ended
            .into_iter()
            .map(|(message, expired)| match expired {
                true => {
                    let reason = "its time ran out before its files were on the share";
                    Ok((message, Cause::Expired, reason.to_owned()))
                }
                false => {
                    let lost = self.lost_names(&message)?;
                    let reason = format!(
                        "what was kept here of {lost} is gone or was damaged, and was not on the share yet; send it again with \
                         `--attach`"
                    );
                    Ok((message, Cause::Failed, reason))
                }
            })
            .collect::<Result<_>>()?;
        if ended.is_empty() {
            return Ok(0);
        }
        self.write("end mail in", |tx| {
            for (message, cause, reason) in &ended {
                let end = End { cause: *cause, reason, detail: reason };
                reports::end(tx, &message.peer, message.id.as_str(), &end, now)?;
            }
            Ok(ended.len())
        })
    }

    /// Something else stood on the share in the place of a blob: those whose messages wait for it see that in their journey.
    pub fn found_instead(&mut self, hash: &Hash, what: &str, now: i64) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "SELECT m.peer, m.id FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                       WHERE a.hash = ?1 AND m.way = 'out' AND m.state = 'fetching'";
            let row = |row: &Row| Ok((row.get(0)?, row.get(1)?));
            let waiting: Vec<(String, String)> =
                tx.prepare_cached(sql)?.query_map([hash.to_string()], row)?.collect::<rusqlite::Result<_>>()?;
            for (peer, id) in waiting {
                log(tx, now, Way::Out, &peer, &id, "wrong-file", Some(what))?;
            }
            Ok(())
        })
    }

    /// Mail whose recipients wait for files that are neither on the share, as far as is known, nor kept here.
    pub fn bereft(&self) -> Result<Vec<Message>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message m INDEXED BY message_parcels
                 WHERE state IN ('attaching', 'fetching') AND state = 'fetching' AND way = 'out' AND EXISTS
                    (SELECT 1 FROM attached a JOIN blob b ON b.hash = a.hash
                     WHERE a.way = m.way AND a.peer = m.peer AND a.id = m.id AND NOT here AND put IS NULL)
                 ORDER BY n LIMIT ?1"
            );
            c.prepare_cached(&sql)?.query_map([BATCH], Message::from_row)?.collect()
        })
    }

    /// Which attachments of a message of ours these are, in quotes; "" if none is lost. What a folder was in says nothing
    /// of which file it was.
    pub fn lost_names(&self, message: &Message) -> Result<String> {
        let lost: Vec<Hash> = self.query("read", |c| {
            let sql = "SELECT b.hash FROM attached a JOIN blob b ON b.hash = a.hash
                       WHERE a.way = ?1 AND a.peer = ?2 AND a.id = ?3 AND NOT here AND put IS NULL";
            let key = [message.way.as_str(), &message.peer, message.id.as_str()];
            c.prepare_cached(sql)?.query_map(key, hash)?.collect()
        })?;
        let named = |hash: &Hash| message.attachments.iter().any(|it| it.blob().blake3 == *hash);
        let inside = lost.iter().any(|hash| !named(hash));
        let names = message
            .attachments
            .iter()
            .filter(|it| lost.contains(&it.blob().blake3) || inside && it.folder.is_some());
        Ok(names.map(|it| format!("{:?}", it.name)).collect::<Vec<_>>().join(", "))
    }

    /// Mail that came before `before` and whose files did not: it ends, and its senders are told.
    pub fn fail_fetching(&mut self, before: i64, why: &str, now: i64) -> Result<usize> {
        let late: Vec<Parcel> = self.parcels(Way::In)?;
        let late = late.into_iter().filter(|parcel| !parcel.complete);
        let accepted = |message: &Message| super::retention::written_at(&message.at);
        let late: Vec<_> =
            late.filter(|parcel| accepted(&parcel.message).is_some_and(|at| at < before)).collect();
        late.iter().try_for_each(|parcel| self.refuse_files(&parcel.message, why, now))?;
        Ok(late.len())
    }

    /// The blobs that a message needs, as far as that is known.
    pub fn blobs_of(&self, message: &Message) -> Result<Vec<Blob>> {
        self.query("read", |c| {
            let sql = "SELECT b.hash, b.size FROM attached a JOIN blob b ON b.hash = a.hash
                       WHERE a.way = ?1 AND a.peer = ?2 AND a.id = ?3";
            let key = [message.way.as_str(), &message.peer, message.id.as_str()];
            c.prepare_cached(sql)?.query_map(key, blob)?.collect()
        })
    }

    /// How many messages wait for blobs that were tried in vain so often that somebody should know, and why one of those
    /// could not be moved.
    pub fn file_trouble(&self) -> Result<Option<(u64, String)>> {
        self.query("read", |c| {
            let sql = "SELECT count(DISTINCT m.n), max(b.why) FROM message m INDEXED BY message_parcels
                       JOIN attached a ON a.way = m.way AND a.peer = m.peer AND a.id = m.id JOIN blob b ON b.hash = a.hash
                       WHERE m.state IN ('attaching', 'fetching') AND b.tries >= ?1
                       AND iif(m.way = 'out', m.state = 'attaching' AND b.put IS NULL, NOT b.here)";
            let row = |row: &Row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<String>>(1)?));
            let (count, why) = c.prepare_cached(sql)?.query_row([TELLS.0], row)?;
            Ok(why.map(|why| (count, why)))
        })
    }

    /// How many bytes of what is attached to a message were moved, of how many, and why not more, as last heard.
    pub fn progress(&self, message: &Message) -> Result<(u64, u64, Option<String>)> {
        self.query("read", |c| {
            let whole = if message.way == Way::Out { "put IS NOT NULL" } else { "here" };
            let sql = format!(
                "SELECT coalesce(sum(iif({whole}, size, done)), 0), coalesce(sum(size), 0), max(iif({whole}, NULL, why))
                 FROM attached a JOIN blob b ON b.hash = a.hash WHERE a.way = ?1 AND a.peer = ?2 AND a.id = ?3"
            );
            let row = |row: &Row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
            };
            let key = [message.way.as_str(), &message.peer, message.id.as_str()];
            c.prepare_cached(&sql)?.query_row(key, row)
        })
    }
}

/// The blobs that an envelope names.
pub(super) fn named(envelope: &Envelope) -> Vec<Blob> {
    attachment::of(&envelope.rest).unwrap_or_default().iter().map(attachment::Attachment::blob).collect()
}

/// Notes which blobs a message needs; `here`: they are kept already.
pub(super) fn attach(
    tx: &Transaction,
    message: &NewMessage,
    blobs: &[Blob],
    here: bool,
    now: i64,
) -> rusqlite::Result<()> {
    if message.state.is_final() {
        return Ok(());
    }
    for blob in blobs {
        want(tx, blob, here, now)?;
        need(tx, message.way, &message.peer, message.id.as_str(), &blob.blake3)?;
    }
    if here {
        look_anew(tx, &message.peer, message.id.as_str(), now)?;
    }
    Ok(())
}

/// Has it looked at whether the blobs of a message of ours are on the share, as is done for each message; that also makes
/// them stay there. Returns whether it has any.
pub(super) fn look_anew(tx: &Transaction, peer: &str, id: &str, now: i64) -> rusqlite::Result<bool> {
    let sql = "UPDATE blob SET put = NULL, retry_at = 0, at = ?3
               WHERE hash IN (SELECT hash FROM attached WHERE way = 'out' AND peer = ?1 AND id = ?2)";
    Ok(tx.prepare_cached(sql)?.execute(params![peer, id, now])? > 0)
}

/// Whether a message has attachments.
pub(super) fn has_any(tx: &Transaction, way: Way, peer: &str, id: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM attached WHERE way = ?1 AND peer = ?2 AND id = ?3)";
    tx.prepare_cached(sql)?.query_row([way.as_str(), peer, id], |row| row.get(0))
}

/// The recipient of a message says that a blob of it is not on the share, or another one is in its place: it is put there
/// again, if it is kept here.
pub(super) fn doubt(tx: &Transaction, peer: &str, id: &str, hash: &Hash, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE blob SET put = NULL, doubted = 1 WHERE hash = ?1 AND here AND NOT doubted
               AND EXISTS (SELECT 1 FROM attached WHERE way = 'out' AND peer = ?2 AND id = ?3 AND hash = ?1)";
    if tx.prepare_cached(sql)?.execute(params![hash.to_string(), peer, id])? > 0 {
        put_off(tx, hash, "its recipient did not find it on the share, or another one in its place", now)?;
        let detail = format!(
            "the recipient did not find the file {hash}, or another one in its place; it is put there again"
        );
        log(tx, now, Way::Out, peer, id, "missing-file", Some(&detail))?;
        return Ok(());
    }
    let sql = "UPDATE blob SET put = NULL, doubted = 1 WHERE hash = ?1 AND NOT here AND put IS NOT NULL
               AND EXISTS (SELECT 1 FROM attached WHERE way = 'out' AND peer = ?2 AND id = ?3 AND hash = ?1)";
    if tx.prepare_cached(sql)?.execute(params![hash.to_string(), peer, id])? > 0 {
        let detail = format!(
            "the recipient did not find the file {hash}, or another one in its place, and it is not kept here any more"
        );
        log(tx, now, Way::Out, peer, id, "missing-file", Some(&detail))?;
    }
    Ok(())
}

fn need(tx: &Transaction, way: Way, peer: &str, id: &str, hash: &Hash) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO attached VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![way.as_str(), peer, id, hash.to_string()])
}
