//! What nobody needs any more: on the share, where only what we put is ours to remove, and here.
//!
//! Whoever attaches a blob while it is looked at here says so in the same store, one after the other: either it is seen to be
//! needed and stays, or it is gone by the time that it is looked for. A crash leaves some of it for the next round.

use rusqlite::{Row, params};

use super::Db;
use super::attached::{BATCH, COMING, GOING, WAITING};
use super::blobs::hash;
use crate::error::Result;
use crate::model::blob::Hash;

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
                     WHERE a.hash = b.hash AND (m.way = 'in' AND m.state NOT IN ('failed', 'expired', 'cancelled') OR {GOING} OR {WAITING})) LIMIT ?2"
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
}
