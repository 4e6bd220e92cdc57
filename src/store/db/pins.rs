//! Pinned keys: which key speaks for which name, how it came to that, and since when.
//!
//! A row never leaves but by a person's word ([`Db::forget_keys`]): a name that had a key stays bound to it. Of each
//! name at most one key is pinned and one pending; of retired and revoked ones the newest are kept.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::Db;
use super::audit::event;
use super::message::rfc3339;
use crate::error::Result;
use crate::model::name::Name;
use crate::model::seal::SealKey;
use crate::model::sign::Key;
use crate::model::trust::{Keys, Meeting, Pin, Standing, Trust};

/// How long a key that gave the name to the next one is still good for mail on its way, in milliseconds.
const RETIRED: i64 = 7 * 86_400_000;
/// How long a key waits at least for a decision. An owner and an impostor who take turns fill the log no faster than that.
const UNDECIDED: i64 = 3_600_000;
/// Retired and revoked keys that are kept of one name.
const MOST: i64 = 16;

/// How a pin came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was the first key that the name was seen with.
    FirstSight,
    /// The key before it signed it.
    Rotation,
    /// A person said so.
    Hand,
    /// It was in a list that a person imported.
    Import,
    /// It is ours.
    Own,
}

impl How {
    fn as_str(self) -> &'static str {
        match self {
            How::FirstSight => "first-sight",
            How::Rotation => "rotation",
            How::Hand => "by-hand",
            How::Import => "import",
            How::Own => "own",
        }
    }
}

/// A key as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct PinView {
    /// Whose.
    pub name: String,
    /// The key.
    pub key: Key,
    /// What two people compare.
    pub fingerprint: String,
    /// What it is to the name.
    pub state: Standing,
    /// `first-sight`, `rotation`, `by-hand`, `import` or `own`.
    pub how: String,
    /// Since when it is that (RFC 3339, this PC's clock).
    pub since: String,
    /// The key that mail is sealed to, as the holder of this one last said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealKey>,
}

impl Db {
    /// The keys of one name, by its fold.
    pub fn keys(&self, fold: &str, now: i64) -> Result<Keys> {
        self.query("read", |c| keys(c, fold, now))
    }

    /// Whether any name has a key that counts.
    pub fn knows_anybody(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pin WHERE state = 'pinned')";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([], |row| row.get(0)))
    }

    /// Every key that is known, by name, the pinned one of each first.
    pub fn pins(&self) -> Result<Vec<PinView>> {
        self.query("read", |c| {
            let sql = "SELECT name, key, state, how, since, seal FROM pin
                       ORDER BY name, state != 'pinned', state != 'pending', since DESC";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                let (key, state): (String, String) = (row.get(1)?, row.get(2)?);
                let parsed = key.parse::<Key>().ok().zip(Standing::parse(&state));
                let (name, how, since) = (row.get(0)?, row.get(3)?, rfc3339(row.get(4)?));
                let seal = row.get::<_, Option<String>>(5)?.and_then(|seal| seal.parse().ok());
                Ok(parsed.map(|(key, state)| PinView {
                    name,
                    fingerprint: key.fingerprint(),
                    key,
                    state,
                    how,
                    since,
                    seal,
                }))
            })?;
            rows.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// The names with a key that waits for a decision, some of them.
    pub fn undecided(&self) -> Result<Vec<String>> {
        self.query("read", |c| {
            let sql = "SELECT name FROM pin WHERE state = 'pending' ORDER BY name LIMIT 100";
            c.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// A heartbeat of `name` proved to have `key`, which succeeds `former`: decides what that means, and writes it down.
    pub fn meet_key(
        &mut self,
        name: &Name,
        key: Key,
        former: &[Key],
        trust: Trust,
        now: i64,
    ) -> Result<Meeting> {
        let fold = name.fold();
        let meeting = self.keys(&fold, now)?.meet(key, former, trust);
        if matches!(meeting, Meeting::Known | Meeting::Outdated | Meeting::Revoked) {
            return Ok(meeting);
        }
        self.write("note the key in", |tx| {
            // Somebody may have pinned by hand since we looked.
            let meeting = keys(tx, &fold, now)?.meet(key, former, trust);
            if matches!(meeting, Meeting::First | Meeting::Succeeds(_)) {
                // What was signed between rotations may be on its way.
                for key in former {
                    retire(tx, name, *key, now)?;
                }
            }
            match meeting {
                Meeting::First => put(tx, name, key, Standing::Pinned, How::FirstSight, now)?,
                Meeting::Waits | Meeting::Changed => wait(tx, name, key, now)?,
                Meeting::Succeeds(_) => put(tx, name, key, Standing::Pinned, How::Rotation, now)?,
                Meeting::Known | Meeting::Outdated | Meeting::Revoked => {}
            }
            Ok(meeting)
        })
    }

    /// The key to seal mail for `peer` (folded) to: the one that the holder of its pinned key named. Whatever else says
    /// that it is one counts for nothing.
    pub fn seal_key(&self, peer: &str) -> Result<Option<SealKey>> {
        let sql = "SELECT seal FROM pin WHERE peer = ?1 AND state = 'pinned'";
        let found = self.query("read", |c| {
            c.prepare_cached(sql)?.query_row([peer], |row| row.get::<_, Option<String>>(0)).optional()
        });
        Ok(found?.flatten().and_then(|seal| seal.parse().ok()))
    }

    /// The holder of `key`, one of `name`'s, says that mail is sealed to `seal`, or to none any more.
    pub fn note_seal(&mut self, name: &Name, key: Key, seal: Option<&SealKey>, now: i64) -> Result<()> {
        let given = (name.fold(), key.to_string(), seal.map(SealKey::as_str));
        let known: bool = self.query("read", |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM pin WHERE peer = ?1 AND key = ?2 AND seal IS NOT ?3)";
            c.prepare_cached(sql)?.query_row(params![given.0, given.1, given.2], |row| row.get(0))
        })?;
        if !known {
            return Ok(());
        }
        self.write("note the sealing key in", |tx| {
            let sql = "UPDATE pin SET seal = ?3 WHERE peer = ?1 AND key = ?2 RETURNING state = 'pinned'";
            let counts =
                tx.prepare_cached(sql)?.query_row(params![given.0, given.1, given.2], |row| row.get(0))?;
            // What an impostor names, who waits for a decision, fills no log.
            if counts {
                event(tx, now, "key-seal", &given.0, Some(given.2.unwrap_or("none")))
            } else {
                Ok(())
            }
        })
    }

    /// Pins `key` for `name`; one that was pinned before becomes `former`. Whatever waited for a decision is dropped.
    pub fn pin_key(&mut self, name: &Name, key: Key, how: How, former: Standing, now: i64) -> Result<()> {
        self.write("pin the key in", |tx| {
            for pin in keys(tx, &name.fold(), now)?.0 {
                if pin.key != key && pin.standing == Standing::Pinned {
                    put(tx, name, pin.key, former, how, now)?;
                }
            }
            // What it said of its sealing key stays with it.
            let sql = "DELETE FROM pin WHERE peer = ?1 AND state = 'pending' AND key != ?2";
            tx.execute(sql, params![name.fold(), key.to_string()])?;
            put(tx, name, key, Standing::Pinned, how, now)
        })
    }

    /// Dismisses the key of `name` that has waited for a decision for a while.
    pub fn dismiss_key(&mut self, name: &Name, now: i64) -> Result<()> {
        let (fold, since) = (name.fold(), now.saturating_sub(UNDECIDED));
        let waits = "FROM pin WHERE peer = ?1 AND state = 'pending' AND since <= ?2";
        let is_there = |c: &Connection| -> rusqlite::Result<bool> {
            let sql = format!("SELECT EXISTS (SELECT 1 {waits})");
            c.prepare_cached(&sql)?.query_row(params![fold, since], |row| row.get(0))
        };
        if !self.query("read", is_there)? {
            return Ok(());
        }
        self.write("dismiss the key in", |tx| {
            tx.execute(&format!("DELETE {waits}"), params![fold, since])?;
            event(tx, now, "key-dismissed", &fold, Some("its owner is there with the key that is pinned"))
        })
    }

    /// Gives up the keys of `name` that count now; returns how many.
    pub fn revoke_keys(&mut self, name: &Name, now: i64) -> Result<usize> {
        self.write("revoke the key in", |tx| {
            let counting = [Standing::Pinned, Standing::Retired];
            let found = keys(tx, &name.fold(), now)?.0;
            let counted: Vec<_> = found.into_iter().filter(|pin| counting.contains(&pin.standing)).collect();
            for pin in &counted {
                put(tx, name, pin.key, Standing::Revoked, How::Hand, now)?;
            }
            Ok(counted.len())
        })
    }

    /// Forgets that `name` ever had a key; returns how many it had.
    pub fn forget_keys(&mut self, name: &Name, now: i64) -> Result<usize> {
        self.write("forget the keys in", |tx| {
            let gone = tx.execute("DELETE FROM pin WHERE peer = ?1", [name.fold()])?;
            tx.execute("DELETE FROM refusal WHERE peer = ?1", [name.fold()])?;
            // Its next heartbeat is read, not taken for the one that was believed.
            tx.execute("UPDATE peer SET read_at = 0 WHERE fold = ?1", [name.fold()])?;
            if gone > 0 {
                event(tx, now, "key-forgotten", &name.fold(), Some("all that were known"))?;
            }
            Ok(gone)
        })
    }
}

/// The keys that were given up.
pub(super) fn revoked(c: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = c.prepare("SELECT name, key FROM pin WHERE state = 'revoked'")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Gives keys up that were before the store was restored: nobody believes them again by that.
pub(super) fn revoke_again(tx: &Transaction, keys: &[(String, String)], now: i64) -> rusqlite::Result<()> {
    for (name, key) in keys {
        if let (Ok(name), Ok(key)) = (Name::parse(name), key.parse()) {
            put(tx, &name, key, Standing::Revoked, How::Hand, now)?;
        }
    }
    Ok(())
}

fn keys(c: &Connection, fold: &str, now: i64) -> rusqlite::Result<Keys> {
    let mut statement = c.prepare_cached("SELECT key, state, since FROM pin WHERE peer = ?1")?;
    let mut rows = statement.query([fold])?;
    let mut keys = vec![];
    while let Some(row) = rows.next()? {
        keys.extend(pin(row, now)?);
    }
    Ok(Keys(keys))
}

/// A retired key whose time is over counts as revoked.
fn pin(row: &rusqlite::Row, now: i64) -> rusqlite::Result<Option<Pin>> {
    let (key, state, since): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(key.parse().ok().zip(Standing::parse(&state)).map(|(key, standing)| match standing {
        Standing::Retired if now.saturating_sub(since) > RETIRED => Pin { key, standing: Standing::Revoked },
        standing => Pin { key, standing },
    }))
}

fn put(
    tx: &Transaction,
    name: &Name,
    key: Key,
    standing: Standing,
    how: How,
    now: i64,
) -> rusqlite::Result<()> {
    let fold = name.fold();
    let sql = "INSERT INTO pin (peer, key, name, state, how, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (peer, key) DO UPDATE SET
               name = excluded.name, state = excluded.state, how = excluded.how, since = excluded.since
               WHERE state != excluded.state";
    let given = params![fold, key.to_string(), name.as_str(), standing.as_str(), how.as_str(), now];
    let changed = tx.prepare_cached(sql)?.execute(given)?;
    if changed > 0 {
        let detail = format!("{}: {key}", how.as_str());
        event(tx, now, &format!("key-{standing}"), &fold, Some(&detail))?;
    }
    let sql = "DELETE FROM pin WHERE peer = ?1 AND state IN ('retired', 'revoked') AND key NOT IN
               (SELECT key FROM pin WHERE peer = ?1 AND state IN ('retired', 'revoked') ORDER BY since DESC LIMIT ?2)";
    tx.prepare_cached(sql)?.execute(params![fold, MOST]).map(drop)
}

/// A key that gave the name away, whether we saw it in its time or not. One that was revoked stays so.
fn retire(tx: &Transaction, name: &Name, key: Key, now: i64) -> rusqlite::Result<()> {
    let sql = "SELECT state FROM pin WHERE peer = ?1 AND key = ?2";
    let state: Option<String> = tx
        .prepare_cached(sql)?
        .query_row(params![name.fold(), key.to_string()], |row| row.get(0))
        .optional()?;
    match state.as_deref().and_then(Standing::parse) {
        Some(Standing::Revoked) => Ok(()),
        _ => put(tx, name, key, Standing::Retired, How::Rotation, now),
    }
}

/// The key waits for a person, in place of one that did before.
fn wait(tx: &Transaction, name: &Name, key: Key, now: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM pin WHERE peer = ?1 AND state = 'pending' AND key != ?2";
    tx.prepare_cached(sql)?.execute(params![name.fold(), key.to_string()])?;
    put(tx, name, key, Standing::Pending, How::FirstSight, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sign::Signer;

    #[test]
    fn a_rotated_key_is_good_for_a_week_and_few_old_ones_are_kept() {
        let mut db = Db::in_memory().unwrap();
        let lab = Name::parse("Lab").unwrap();
        let key = |n: u8| Signer::new(&[n; 32]).key();
        assert_eq!(db.meet_key(&lab, key(1), &[], Trust::FirstSight, 0).unwrap(), Meeting::First);
        assert_eq!(
            db.meet_key(&lab, key(2), &[key(1)], Trust::Manual, 5).unwrap(),
            Meeting::Succeeds(key(1))
        );
        let standing = |db: &Db, n, now| db.keys("lab", now).unwrap().standing(key(n));
        assert_eq!(standing(&db, 1, 5 + RETIRED), Some(Standing::Retired));
        assert_eq!(standing(&db, 1, 6 + RETIRED), Some(Standing::Revoked));
        for n in 3..40 {
            db.meet_key(&lab, key(n), &[key(n - 1)], Trust::Manual, i64::from(n) * 10).unwrap();
        }
        assert_eq!(db.keys("lab", 400).unwrap().0.len(), 1 + MOST as usize);
        assert_eq!(standing(&db, 39, 400), Some(Standing::Pinned));
        for n in 40..50 {
            assert_eq!(db.meet_key(&lab, key(n), &[], Trust::FirstSight, 500).unwrap(), Meeting::Changed);
        }
        assert_eq!(db.keys("lab", 500).unwrap().0.len(), 2 + MOST as usize, "one waits, the newest");
    }
}
