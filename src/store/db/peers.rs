//! Peers: who was seen on the share, what they said of themselves, and when we last saw that change.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::Db;
use crate::error::Result;
use crate::model::heartbeat::Heartbeat;
use crate::model::name::Name;
use crate::model::presence::{self, Presence};

/// An instance that was seen on the share.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name as it writes it.
    pub name: Name,
    /// What it last said of itself; `None` if it speaks the plain protocol.
    pub heartbeat: Option<Heartbeat>,
    /// Which version of its status file that was (an opaque word).
    pub stamp: String,
    /// The length of its status file, or of its open slot if that is all there is.
    pub len: u64,
    /// When we first saw it as what it is now, lanpost or plain (wall-clock milliseconds of this PC, as are all).
    pub first_seen: i64,
    /// When we last saw its heartbeat change, or, if it has none, a sign of it: it wrote, or its open slot got shorter.
    /// `None`: never.
    pub changed_at: Option<i64>,
    /// When we last read its status file.
    pub read_at: i64,
    /// What stands in its status file now is not its word: no change there is a beat unless it is read.
    pub doubted: bool,
}

impl Peer {
    /// Since when its heartbeat stands still before our eyes: since it changed, or since we first saw it.
    pub fn since(&self) -> i64 {
        self.changed_at.unwrap_or(self.first_seen)
    }

    /// How long that is at `now`.
    pub fn silent(&self, now: i64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.since()).max(0).unsigned_abs())
    }

    /// Our judgement of it at `now`.
    pub fn presence(&self, now: i64) -> Presence {
        self.heartbeat.as_ref().map_or(Presence::Plain, |beat| {
            let interval = Duration::from_secs(beat.interval);
            presence::judge(beat.state, interval, self.silent(now), self.changed_at.is_some())
        })
    }
}

/// What is known of a peer without reading what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Its folded name.
    pub fold: String,
    /// When we first saw it as what it is now.
    pub first_seen: i64,
    /// Whether it has a heartbeat.
    pub lanpost: bool,
}

const COLUMNS: &str = "name, heartbeat, stamp, len, first_seen, changed_at, read_at, doubted";

fn peer(row: &Row) -> rusqlite::Result<Option<Peer>> {
    let name: String = row.get(0)?;
    let heartbeat: Option<String> = row.get(1)?;
    let Ok(name) = Name::parse(&name) else { return Ok(None) };
    Ok(Some(Peer {
        name,
        heartbeat: heartbeat.and_then(|json| Heartbeat::parse(json.as_bytes())),
        stamp: row.get(2)?,
        len: row.get::<_, i64>(3)? as u64,
        first_seen: row.get(4)?,
        changed_at: row.get(5)?,
        read_at: row.get(6)?,
        doubted: row.get(7)?,
    }))
}

impl Db {
    /// Everybody seen on the share, by name.
    pub fn peers(&self) -> Result<Vec<Peer>> {
        self.query("read", |c| {
            let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM peer ORDER BY name"))?;
            statement.query_map([], peer)?.filter_map(Result::transpose).collect()
        })
    }

    /// Since when each peer is known, by its folded name, and whether it has a heartbeat: for who asks about all of them for
    /// one lane after the other, and must not read ten thousand heartbeats each time.
    pub fn acquaintances(&self) -> Result<Vec<Acquaintance>> {
        self.query("read", |c| {
            let sql = "SELECT fold, first_seen, heartbeat IS NOT NULL FROM peer";
            let mut statement = c.prepare_cached(sql)?;
            let row = |row: &Row<'_>| {
                Ok(Acquaintance { fold: row.get(0)?, first_seen: row.get(1)?, lanpost: row.get(2)? })
            };
            statement.query_map([], row)?.collect()
        })
    }

    /// How many peers are known.
    pub fn peer_count(&self) -> Result<usize> {
        let count: i64 = self.query("read", |c| {
            c.prepare_cached("SELECT count(*) FROM peer")?.query_row([], |row| row.get(0))
        })?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// One peer, by its folded name.
    pub fn peer(&self, fold: &str) -> Result<Option<Peer>> {
        self.query("read", |c| {
            let sql = format!("SELECT {COLUMNS} FROM peer WHERE fold = ?1");
            Ok(c.prepare_cached(&sql)?.query_row([fold], peer).optional()?.flatten())
        })
    }

    /// Has the next change of a peer's heartbeat read, whatever its length: it may not be where that said any more.
    pub fn doubt_peer(&mut self, fold: &str) -> Result<()> {
        if self.peer(fold)?.is_none_or(|peer| peer.doubted) {
            return Ok(());
        }
        self.write("note the peer in", |tx| {
            tx.execute("UPDATE peer SET doubted = 1 WHERE fold = ?1", [fold]).map(drop)
        })
    }

    /// When mail of `peer` last came in that is still here. Cost: a look at all mail.
    pub fn heard(&self, peer: &str) -> Result<Option<i64>> {
        let sql = "SELECT max(at) FROM message WHERE way = 'in' AND peer = ?1";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([peer], |row| row.get(0)))
    }

    /// Forgets those of these peers, by their folded names, with whom no mail was exchanged that is still here.
    pub fn forget_peers(&mut self, folds: &[&str]) -> Result<()> {
        if folds.is_empty() {
            return Ok(());
        }
        self.write("forget peers in", |tx| {
            let sql =
                "DELETE FROM peer WHERE fold = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE peer = ?1)";
            let mut statement = tx.prepare_cached(sql)?;
            folds.iter().try_for_each(|fold| statement.execute([fold]).map(drop))
        })
    }

    /// Remembers what was learned of peers, in one transaction.
    pub fn store_peers(&mut self, peers: &[Peer]) -> Result<()> {
        if peers.is_empty() {
            return Ok(());
        }
        self.write("remember peers in", |tx| {
            let sql =
                "INSERT INTO peer (fold, name, heartbeat, stamp, len, first_seen, changed_at, read_at, doubted)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (fold) DO UPDATE SET
                       name = excluded.name, heartbeat = excluded.heartbeat, stamp = excluded.stamp,
                       len = excluded.len, first_seen = excluded.first_seen, changed_at = excluded.changed_at, read_at = excluded.read_at,
                       doubted = excluded.doubted";
            let mut statement = tx.prepare_cached(sql)?;
            for peer in peers {
                let heartbeat = peer.heartbeat.as_ref().and_then(|beat| serde_json::to_string(beat).ok());
                statement.execute(params![
                    peer.name.fold(),
                    peer.name.as_str(),
                    heartbeat,
                    peer.stamp,
                    peer.len as i64,
                    peer.first_seen,
                    peer.changed_at,
                    peer.read_at,
                    peer.doubted
                ])?;
            }
            Ok(())
        })
    }
}

/// Mail of `peer` came in: if it has no heartbeat, that is the sign of it.
pub(super) fn wrote(tx: &Transaction, peer: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE peer SET changed_at = ?2 WHERE fold = ?1 AND heartbeat IS NULL";
    tx.prepare_cached(sql)?.execute(params![peer, now]).map(drop)
}
