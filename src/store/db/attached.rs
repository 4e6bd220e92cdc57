//! What is attached to messages: which blobs each needs, where they are, and what is to be moved next.
//!
//! ```text
//! out: attaching ──all its blobs are on the share──> queued ──…──> sent ──taken in──> fetching ──all are there──> delivered
//! in:  fetching  ──all its blobs are here, verified──> delivered
//! ```
//! A message takes its place in the order when its files are there: it gets a new row number then, so that mail that has
//! none does not wait for it. A blob is in one row, however many messages need it. Whether it is on the share is looked at
//! anew for each message that needs it, and again and again until its recipients have it ([`Db::recheck`]).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::audit::log;
use super::due::NEXT_ROW;
use super::message::{COLUMNS, Message, NewMessage, Way};
use super::reports::{self, End};
use super::{Db, receipts, search};
use crate::error::Result;
use crate::model::attachment;
use crate::model::blob::{Blob, Hash};
use crate::model::envelope::Envelope;
use crate::model::report::{Cause, REFUSED};
use crate::model::state::State;

/// Out: messages whose recipients may not have their blobs yet.
const GOING: &str =
    "m.way = 'out' AND (m.state IN ('scheduled', 'attaching', 'queued', 'sent', 'fetching') OR m.resend)";
/// In: messages whose blobs are wanted here.
const COMING: &str = "m.way = 'in' AND m.state IN ('fetching', 'delivered', 'read') AND NOT m.held";
/// Pauses before a blob that could not be moved is tried again, in milliseconds: the first, and the longest.
const PAUSES: (i64, i64) = (1_000, 600_000);
/// How often in vain before its sender is told that a blob is not there; and how often after that.
const TELLS: (i64, i64) = (3, 8);
/// Blobs that one call looks at.
const BATCH: i64 = 500;

/// A message that waits for its blobs.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The message.
    pub message: Message,
    /// No blob of it that is known is missing.
    pub complete: bool,
}

/// A blob that is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which.
    pub blob: Blob,
    /// To the share; else from there.
    pub up: bool,
    /// What stands there under its name is not believed.
    pub doubted: bool,
    /// Bytes of it that were moved and synced before.
    pub done: u64,
}

/// A blob that nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unneeded {
    /// Which.
    pub hash: Hash,
    /// How it was stamped on the share when we last wanted it there; `None`: it is not ours to remove.
    pub stamp: Option<i128>,
    /// Something of it may lie there that we wrote aside.
    pub begun: bool,
}

impl Db {
    /// Notes that a blob is kept here, so that it stays until a message needs it.
    pub fn keep_blob(&mut self, blob: &Blob, now: i64) -> Result<()> {
        self.write("note a file in", |tx| want(tx, blob, true, now))
    }

    /// How many bytes of blobs are kept here.
    pub fn kept_bytes(&self) -> Result<u64> {
        let sql = "SELECT coalesce(sum(size), 0) FROM blob WHERE here";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)))
            .map(i64::unsigned_abs)
    }

    /// Whether a blob of so many bytes is kept here.
    pub fn keeps_size(&self, size: u64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM blob WHERE here AND size = ?1)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([size as i64], |row| row.get(0)))
    }

    /// All blobs that are known, and those of them that are said to be here.
    pub fn blobs(&self) -> Result<(BTreeSet<Hash>, Vec<Blob>)> {
        self.query("read", |c| {
            let mut statement = c.prepare_cached("SELECT hash, size, here FROM blob")?;
            let mut rows = statement.query([])?;
            let (mut known, mut here) = (BTreeSet::new(), vec![]);
            while let Some(row) = rows.next()? {
                let blob = blob(row)?;
                known.insert(blob.blake3);
                here.extend(row.get::<_, bool>(2)?.then_some(blob));
            }
            Ok((known, here))
        })
    }

    /// A blob that was here is gone: a restored backup holds none, and disks lose some.
    pub fn lost_blob(&mut self, hash: &Hash) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET here = 0, done = 0, retry_at = 0 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([hash.to_string()]).map(drop)
        })
    }

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

    /// The smallest blob that is to be moved and may be tried at `now`, so that a large one holds up no small one.
    pub fn next_transfer(&self, now: i64) -> Result<Option<Transfer>> {
        self.query("read", |c| {
            let first = |up: bool, index: &str, which: &str, needs: &str| {
                let sql = format!(
                    "SELECT hash, size, doubted, done FROM blob b INDEXED BY {index}
                     WHERE {which} AND retry_at <= ?1 AND EXISTS
                        (SELECT 1 FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                         WHERE a.hash = b.hash AND {needs}) ORDER BY size LIMIT 1"
                );
                let transfer = |row: &Row| {
                    Ok(Transfer {
                        blob: blob(row)?,
                        up,
                        doubted: row.get(2)?,
                        done: row.get::<_, i64>(3)?.unsigned_abs(),
                    })
                };
                c.prepare_cached(&sql)?.query_row([now], transfer).optional()
            };
            let up = first(true, "blob_unput", "here AND put IS NULL", GOING)?;
            let down = first(false, "blob_away", "NOT here", COMING)?;
            Ok(up.into_iter().chain(down).min_by_key(|transfer| transfer.blob.size))
        })
    }

    /// When the next blob that could not be moved is to be tried again.
    pub fn next_retry(&self, now: i64) -> Result<Option<i64>> {
        let sql = "SELECT min(retry_at) FROM blob WHERE retry_at > ?1 AND (NOT here OR put IS NULL)";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([now], |row| row.get(0)))
    }

    /// On the share a blob is larger or smaller than was said of it. Its hash will tell whether it is the one.
    pub fn resized(&mut self, hash: &Hash, size: u64) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET size = ?2, done = 0 WHERE hash = ?1 AND NOT here";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), size as i64]).map(drop)
        })
    }

    /// So many bytes of a blob were moved and synced.
    pub fn moved(&mut self, hash: &Hash, done: u64) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET done = ?2 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), done as i64]).map(drop)
        })
    }

    /// A blob is on the share, with this stamp.
    pub fn blob_put(&mut self, hash: &Hash, stamp: i128, now: i64) -> Result<()> {
        self.write("note a file in", |tx| {
            // Whoever asks for it again and again waits longer each time.
            let sql =
                "UPDATE blob SET put = ?2, stamp = ?3, tries = iif(doubted, tries, 0), doubted = 0, done = 0,
                       retry_at = 0, why = NULL WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute(params![hash.to_string(), now, stamp.to_string()]).map(drop)
        })
    }

    /// A blob is here, verified.
    pub fn blob_here(&mut self, hash: &Hash) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql =
                "UPDATE blob SET here = 1, done = 0, tries = 0, retry_at = 0, why = NULL WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([hash.to_string()]).map(drop)
        })
    }

    /// A blob could not be moved: it is tried again after a pause. If it is `absent` from the share, or another one stands
    /// there in its place, those who sent it are told after a while, and put it there again.
    pub fn not_moved(&mut self, hash: &Hash, why: &str, absent: bool, now: i64) -> Result<()> {
        self.write("note a file in", |tx| {
            let tries = put_off(tx, hash, why, now)?;
            if !absent || tries < TELLS.0 || (tries - TELLS.0) % TELLS.1 != 0 {
                return Ok(());
            }
            let sql = format!(
                "SELECT m.peer, m.id FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                 WHERE a.hash = ?1 AND {COMING} AND m.state = 'fetching'"
            );
            let row = |row: &Row| Ok((row.get(0)?, row.get(1)?));
            let waiting: Vec<(String, String)> =
                tx.prepare_cached(&sql)?.query_map([hash.to_string()], row)?.collect::<rusqlite::Result<_>>()?;
            for (peer, id) in waiting {
                receipts::owe(tx, &peer, &id, State::Fetching.as_str(), now, Some(&hash.to_string()))?;
            }
            Ok(())
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
            let (was, is, wake) = match message.way {
                Way::Out => (State::Attaching, State::Queued, None),
                Way::In => (State::Fetching, State::Delivered, wake.then_some("due")),
            };
            // A row number of now: its place in the order, and whoever follows the inbox sees it.
            let sql = format!(
                "UPDATE message SET state = ?2, wake = iif(offered IS NULL, ?3, NULL), n = {NEXT_ROW}
                 WHERE n = ?1 AND state = ?4"
            );
            let given = params![message.n, is.as_str(), wake, was.as_str()];
            if tx.prepare_cached(&sql)?.execute(given)? == 0 {
                return Ok(());
            }
            search::forget(tx, message.n)?;
            let (peer, id) = (&message.peer, message.id.as_str());
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
        let ended: Vec<(String, String, bool)> = self.query("read", |c| {
            let sql = "SELECT peer, id, expires IS NOT NULL AND expires <= ?1 FROM message m INDEXED BY message_parcels
                       WHERE state IN ('attaching', 'fetching') AND state = 'attaching' AND (expires <= ?1 OR EXISTS
                        (SELECT 1 FROM attached a JOIN blob b ON b.hash = a.hash
                         WHERE a.way = m.way AND a.peer = m.peer AND a.id = m.id AND NOT here AND put IS NULL))";
            let row = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            c.prepare_cached(sql)?.query_map([now], row)?.collect()
        })?;
        if ended.is_empty() {
            return Ok(0);
        }
        self.write("end mail in", |tx| {
            for (peer, id, expired) in &ended {
                let (cause, reason) = match expired {
                    true => (Cause::Expired, "its time ran out before its files were on the share"),
                    false => {
                        (Cause::Failed, "its files are not kept here any more, and were not on the share yet")
                    }
                };
                reports::end(tx, peer, id, &End { cause, reason, detail: reason }, now)?;
            }
            Ok(ended.len())
        })
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

    /// Has it looked at again whether blobs that recipients may not have yet are on the share, those that were not looked
    /// at since `before`; returns how many.
    pub fn recheck(&mut self, before: i64) -> Result<usize> {
        self.write("note files in", |tx| {
            let sql = format!(
                "UPDATE blob SET put = NULL WHERE here AND put < ?1 AND EXISTS
                    (SELECT 1 FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                     WHERE a.hash = blob.hash AND {GOING} AND m.state != 'attaching')"
            );
            tx.prepare_cached(&sql)?.execute([before])
        })
    }

    /// Blobs on the share that nobody needs there any more, and that were last wanted before `before`.
    pub fn unneeded_there(&self, before: i64) -> Result<Vec<Unneeded>> {
        self.query("read", |c| {
            let sql = format!(
                "SELECT hash, stamp, done > 0 OR doubted FROM blob b WHERE (stamp IS NOT NULL OR done > 0)
                 AND max(at, coalesce(put, 0)) < ?1 AND NOT EXISTS
                    (SELECT 1 FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                     WHERE a.hash = b.hash AND ({GOING} OR {COMING} AND NOT here)) LIMIT ?2"
            );
            let unneeded = |row: &Row| {
                let stamp: Option<String> = row.get(1)?;
                Ok(Unneeded {
                    hash: hash(row)?,
                    stamp: stamp.and_then(|text| text.parse().ok()),
                    begun: row.get(2)?,
                })
            };
            c.prepare_cached(&sql)?.query_map(params![before, BATCH], unneeded)?.collect()
        })
    }

    /// A blob is not ours on the share any more.
    pub fn blob_left(&mut self, hash: &Hash) -> Result<()> {
        self.write("note a file in", |tx| {
            let sql = "UPDATE blob SET put = NULL, stamp = NULL, done = 0 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([hash.to_string()]).map(drop)
        })
    }

    /// Has blobs removed that are here, that no message needs here, and that were last wanted before `before`. Returns how
    /// many were, and whether there may be more. Whoever wants one of them meanwhile waits, and then finds it gone.
    pub fn drop_blobs(
        &mut self,
        before: i64,
        remove: &mut dyn FnMut(&Hash) -> Result<()>,
    ) -> Result<(usize, bool)> {
        let mut failed = Ok(());
        let dropped = self.write("forget files in", |tx| {
            let sql = format!(
                "SELECT hash FROM blob b WHERE here AND at < ?1 AND NOT EXISTS
                    (SELECT 1 FROM attached a JOIN message m ON m.id = a.id AND m.peer = a.peer AND m.way = a.way
                     WHERE a.hash = b.hash AND (m.way = 'in' AND m.state NOT IN ('failed', 'expired') OR {GOING})) LIMIT ?2"
            );
            let unneeded: Vec<Hash> =
                tx.prepare_cached(&sql)?.query_map(params![before, BATCH], hash)?.collect::<rusqlite::Result<_>>()?;
            let mut dropped = 0;
            for hash in unneeded {
                failed = remove(&hash);
                if failed.is_err() {
                    break;
                }
                tx.prepare_cached("UPDATE blob SET here = 0 WHERE hash = ?1")?.execute([hash.to_string()])?;
                dropped += 1;
            }
            Ok(dropped)
        })?;
        failed.map(|()| (dropped, dropped as i64 == BATCH))
    }

    /// Forgets what is neither here, nor on the share, nor needed.
    pub fn forget_blobs(&mut self) -> Result<()> {
        self.write("forget files in", |tx| {
            tx.execute(
                "DELETE FROM attached WHERE NOT EXISTS
                    (SELECT 1 FROM message m WHERE m.id = attached.id AND m.peer = attached.peer AND m.way = attached.way)",
                [],
            )?;
            let sql = "DELETE FROM blob WHERE NOT here AND stamp IS NULL AND done = 0
                       AND NOT EXISTS (SELECT 1 FROM attached a WHERE a.hash = blob.hash)";
            tx.execute(sql, []).map(drop)
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
        if here {
            // Whether it is on the share is looked at for each message, which also makes it stay there.
            let sql = "UPDATE blob SET put = NULL, retry_at = 0 WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute([blob.blake3.to_string()])?;
        }
    }
    Ok(())
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
        put_off(tx, hash, "its recipient did not find it on the share", now)?;
        let detail = format!("the file {hash} was not there; it is put there again");
        log(tx, now, Way::Out, peer, id, "missing-file", Some(&detail))?;
    }
    Ok(())
}

/// Counts a try in vain; returns how many there were.
fn put_off(tx: &Transaction, hash: &Hash, why: &str, now: i64) -> rusqlite::Result<i64> {
    let sql = "UPDATE blob SET tries = tries + 1, why = ?2, retry_at = ?3 + min(?4 << min(tries, 20), ?5)
               WHERE hash = ?1 RETURNING tries";
    let given = params![hash.to_string(), why, now, PAUSES.0, PAUSES.1];
    Ok(tx.prepare_cached(sql)?.query_row(given, |row| row.get(0)).optional()?.unwrap_or_default())
}

fn want(tx: &Transaction, blob: &Blob, here: bool, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO blob (hash, size, here, at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (hash) DO UPDATE SET here = max(here, excluded.here), at = excluded.at";
    let given = params![blob.blake3.to_string(), blob.size as i64, here, now];
    tx.prepare_cached(sql)?.execute(given).map(drop)
}

fn need(tx: &Transaction, way: Way, peer: &str, id: &str, hash: &Hash) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO attached VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![way.as_str(), peer, id, hash.to_string()])
}

fn hash(row: &Row) -> rusqlite::Result<Hash> {
    super::message::parsed(row, 0)
}

fn blob(row: &Row) -> rusqlite::Result<Blob> {
    Ok(Blob { size: row.get::<_, i64>(1)?.unsigned_abs(), blake3: hash(row)? })
}
