//! Full-text search: an index of the grams (`model/search`) of all messages but receipts, and the look at what it names.
//!
//! Whoever has time fills the index, in rows' order, behind the newest message: taking mail in costs nothing more, and a store of an older
//! lanpost opens at once. What is not in it yet is looked at itself, so a search never misses anything. The
//! index holds no text and names candidates alone: what it finds is compared with the message, and a row that it should
//! not have does no harm. It can be emptied at any time; a crash leaves whole batches in it.

use rusqlite::{OptionalExtension, Transaction, params};

use super::message::{COLUMNS, Message, Way};
use super::{Db, remember};
use crate::error::Result;
use crate::model::search;

/// The row up to which messages are in the index.
const INDEXED: &str = "indexed";

/// Bytes of contents that one batch takes in, about: others wait for it to be written.
const BYTES: usize = 1 << 20;

/// Which messages are looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Of this direction.
    pub way: Option<Way>,
    /// From or to this instance (folded) or stranger.
    pub peer: Option<String>,
    /// Accepted here at this time or later (wall-clock milliseconds).
    pub since: Option<i64>,
    /// Accepted here before this time.
    pub until: Option<i64>,
}

const IN_SCOPE: &str =
    "kind != 'receipt' AND NOT held AND (?1 IS NULL OR way = ?1) AND (?2 IS NULL OR peer = ?2)
                        AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)";

impl Db {
    /// How many rows the index is behind.
    pub fn unindexed(&self) -> Result<u64> {
        let sql = "SELECT coalesce(max(n), 0) - coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1), 0) FROM message";
        self.query("read", |c| c.prepare_cached(sql)?.query_row([INDEXED], |row| row.get::<_, i64>(0)))
            .map(|behind| u64::try_from(behind).unwrap_or_default())
    }

    /// Takes the next `rows` rows into the index; returns whether there are more.
    pub fn index(&mut self, rows: u32) -> Result<bool> {
        self.write("index mail in", |tx| {
            let after = indexed(tx)?;
            let sql = "SELECT n, content FROM message WHERE n > ?1 AND kind != 'receipt' ORDER BY n LIMIT ?2";
            let mut statement = tx.prepare_cached(sql)?;
            let mut found = statement.query(params![after, rows])?;
            let mut insert = tx.prepare_cached("INSERT INTO message_text (rowid, grams) VALUES (?1, ?2)")?;
            let (mut count, mut size, mut last) = (0, 0, None);
            while size < BYTES
                && let Some(row) = found.next()?
            {
                let (n, content): (i64, String) = (row.get(0)?, row.get(1)?);
                let grams = search::grams(&serde_json::from_str(&content).unwrap_or_default());
                insert.execute(params![n, grams])?;
                (count, size, last) = (count + 1, size + content.len(), Some(n));
            }
            let more = count == rows || size >= BYTES;
            if !more {
                // What is left are receipts, and what was deleted.
                last = tx.query_row("SELECT max(n) FROM message", [], |row| row.get(0))?;
            }
            last.map_or(Ok(more), |last| remember(tx, INDEXED, &last.to_string()).map(|()| more))
        })
    }

    /// The newest messages in `scope` that `is_wanted`, at most `limit`; `asked` is what the index is asked for
    /// ([`Query::to_match`](search::Query::to_match)), without which all messages are looked at.
    pub fn search(
        &self,
        asked: Option<&str>,
        scope: &Scope,
        limit: usize,
        mut is_wanted: impl FnMut(&Message) -> bool,
    ) -> Result<Vec<Message>> {
        let mut found = vec![];
        self.query("search", |c| {
            // One moment for both.
            let tx = c.unchecked_transaction()?;
            let upto = if asked.is_some() { indexed(&tx)? } else { 0 };
            let new = format!("SELECT {COLUMNS} FROM message WHERE n > ?5 AND {IN_SCOPE} AND ?6 IS NULL ORDER BY n DESC");
            let old = format!(
                "SELECT {COLUMNS} FROM message_text CROSS JOIN message ON n = message_text.rowid
                 WHERE message_text MATCH ?6 AND message_text.rowid <= ?5 AND {IN_SCOPE} ORDER BY message_text.rowid DESC"
            );
            for (sql, asked) in [(new, None), (old, asked)].iter().take(1 + usize::from(asked.is_some())) {
                let mut statement = tx.prepare_cached(sql)?;
                let Scope { way, peer, since, until } = scope;
                let mut rows =
                    statement.query(params![way.map(Way::as_str), peer, since, until, upto, asked])?;
                while let Some(row) = rows.next()? {
                    if found.len() >= limit {
                        return Ok(());
                    }
                    let message = Message::from_row(row)?;
                    if is_wanted(&message) {
                        found.push(message);
                    }
                }
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn indexed(tx: &Transaction) -> rusqlite::Result<i64> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([INDEXED], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// Takes a row out of the index: its message is gone, or has another row now.
pub(super) fn forget(tx: &Transaction, n: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM message_text WHERE rowid = ?1")?.execute([n]).map(drop)
}

/// Empties the index: other messages are here now.
pub(super) fn clear(tx: &Transaction) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO message_text (message_text) VALUES ('delete-all')", [])?;
    tx.execute("DELETE FROM meta WHERE key = ?1", [INDEXED]).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::envelope::Envelope;
    use crate::model::state::State;
    use crate::store::db::NewMessage;

    fn store(contents: &[Value]) -> Db {
        let mut db = Db::in_memory().unwrap();
        let row = |(n, content): (usize, &Value)| NewMessage {
            way: Way::Out,
            peer: "lab".into(),
            id: format!("m{n}").parse().unwrap(),
            envelope: Envelope::from_value(json!({"from": "a", "to": "lab", "content": content})).unwrap(),
            state: State::Queued,
            outcome: None,
            not_before: None,
        };
        db.accept(&contents.iter().enumerate().map(row).collect::<Vec<_>>(), 0).unwrap();
        db
    }

    fn found(db: &Db, words: &str) -> Vec<String> {
        let query = search::Query::parse(words).unwrap();
        let is_wanted = |message: &Message| query.is_in(&message.content);
        let found = db.search(query.to_match().as_deref(), &Scope::default(), 100, is_wanted).unwrap();
        found.into_iter().map(|message| message.id.to_string()).collect()
    }

    #[test]
    fn the_same_is_found_whatever_is_in_the_index() {
        let contents = [
            json!("the build is green"),
            json!("部署完成"),
            json!({"job": "rebuild", "n": 17}),
            json!("->"),
            json!("b"),
        ];
        let mut db = store(&contents);
        for step in 0..=contents.len() {
            assert_eq!(found(&db, "build"), ["m2", "m0"], "{step}");
            assert_eq!(found(&db, "green THE"), ["m0"]);
            for chinese in ["部", "署完", "部署完", "部署完成", "成"] {
                assert_eq!(found(&db, chinese), ["m1"], "{chinese}");
            }
            assert_eq!(found(&db, "17"), ["m2"]);
            assert_eq!(found(&db, "->"), ["m3"]);
            assert_eq!(found(&db, "b"), ["m4", "m2", "m0"]);
            assert_eq!(found(&db, "\"AND\" OR* ^x"), [""; 0]);
            assert_eq!(db.unindexed().unwrap(), (contents.len() - step) as u64);
            assert_eq!(db.index(1).unwrap(), step < contents.len());
        }
        assert!(!db.index(10).unwrap());
    }

    #[test]
    fn the_index_alone_names_candidates() {
        let mut db = store(&[json!("alpha"), json!("beta")]);
        db.index(10).unwrap();
        let mut looked_at = 0;
        let asked = search::Query::parse("alp").unwrap().to_match();
        db.search(asked.as_deref(), &Scope::default(), 9, |_| {
            looked_at += 1;
            true
        })
        .unwrap();
        assert_eq!(looked_at, 1);
        db.write("forget", |tx| forget(tx, 1)).unwrap();
        assert_eq!(found(&db, "alpha"), [""; 0]);
        db.write("clear", clear).unwrap();
        assert_eq!((found(&db, "alpha"), db.unindexed().unwrap()), (vec!["m0".to_owned()], 2));
    }

    #[test]
    fn receipts_keep_nobody_busy_and_are_not_found() {
        let mut db = store(&[json!("word"), json!("word")]);
        db.write("try", |tx| tx.execute("UPDATE message SET kind = 'receipt' WHERE n = 2", [])).unwrap();
        assert!(!db.index(10).unwrap());
        assert_eq!((db.unindexed().unwrap(), found(&db, "word")), (0, vec!["m0".to_owned()]));
    }

    #[test]
    fn a_long_batch_is_cut_by_its_size() {
        let long = json!("x".repeat(BYTES / 2 + 1));
        let mut db = store(&[long.clone(), long.clone(), long]);
        assert!(db.index(10).unwrap());
        assert_eq!(db.unindexed().unwrap(), 1);
        assert!(!db.index(10).unwrap());
    }
}
