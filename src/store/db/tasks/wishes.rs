//! Claims that were asked for here: asked by a face, answered by the engine, which alone sees the share.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{TaskHome, insert, touched};
use crate::error::Result;
use crate::model::name::Address;
use crate::model::task::{Event, TaskId};
use crate::store::db::Db;

/// A claim that somebody here wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its number, by which the answer is asked for.
    pub n: i64,
    /// Of which task.
    pub task: TaskId,
    /// For whom.
    pub who: Address,
    /// For how many seconds.
    pub term: u64,
    /// The word that stands in the claim.
    pub word: String,
    /// When nobody waits for the answer any longer (wall-clock milliseconds).
    pub until: i64,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "answer")]
pub enum Answer {
    /// It is held.
    Held {
        /// Its number, the fencing token.
        token: u64,
    },
    /// Somebody else has it, or it can't be claimed.
    Lost {
        /// Why, in words.
        why: String,
    },
    /// The share did not let it be known in time.
    Late,
}

impl Db {
    /// Notes that a claim is wanted; returns its number.
    pub fn wish(&mut self, wish: &Wish, now: i64) -> Result<i64> {
        self.write("ask for the claim in", |tx| {
            let sql =
                "INSERT INTO task_wish (task, who, term, word, asked, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (task, who) = (wish.task.as_str(), wish.who.to_string());
            tx.prepare_cached(sql)?.execute(params![
                task,
                who,
                wish.term as i64,
                wish.word,
                now,
                wish.until
            ])?;
            Ok(tx.last_insert_rowid())
        })
    }

    /// The claims that are wanted and not made yet, the oldest first. Reads an index while there are none.
    pub fn wishes(&self, limit: usize) -> Result<Vec<Wish>> {
        self.query("read", |c| {
            let sql = "SELECT n, task, who, term, word, until FROM task_wish INDEXED BY task_wish_open
                       WHERE answer IS NULL AND event IS NULL ORDER BY n LIMIT ?1";
            let mut statement = c.prepare_cached(sql)?;
            statement.query_map([limit as i64], wish)?.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// What became of a wish; `None`: nothing yet.
    pub fn answer_of(&self, n: i64) -> Result<Option<Answer>> {
        self.query("read", |c| {
            let sql = "SELECT answer FROM task_wish WHERE n = ?1";
            let answer: Option<Option<String>> =
                c.prepare_cached(sql)?.query_row([n], |row| row.get(0)).optional()?;
            Ok(answer.flatten().map(|json| serde_json::from_str(&json).unwrap_or(Answer::Late)))
        })
    }

    /// A wish came to nothing.
    pub fn deny_wish(&mut self, n: i64, answer: &Answer, now: i64) -> Result<()> {
        self.write("answer the wish in", |tx| {
            tell(tx, n, answer)?;
            // Whoever asked has read it, or is gone.
            let sql = "DELETE FROM task_wish WHERE answer IS NOT NULL AND until < ?1";
            tx.prepare_cached(sql)?.execute([now.saturating_sub(DAY)]).map(drop)
        })
    }

    /// The claim is made: keeps these events about it, to be written, the claim's first. It is held when that is.
    pub fn make_wish(&mut self, home: &TaskHome, n: i64, events: &[Event], now: i64) -> Result<()> {
        self.write("keep the claim in", |tx| {
            for event in events {
                insert(tx, event, &event.to_object(), "queued", now)?;
            }
            touched(tx, home, events, now)?;
            let Some(claim) = events.first() else { return Ok(()) };
            let sql = "UPDATE task_wish SET event = ?2, token = ?3 WHERE n = ?1";
            tx.prepare_cached(sql)?.execute(params![n, claim.id.as_str(), claim.token as i64]).map(drop)
        })
    }
}

const DAY: i64 = 86_400_000;

/// Answers the wishes whose claims are among these events, which are on the share by now.
pub(super) fn held(tx: &Transaction, rows: &[i64]) -> rusqlite::Result<()> {
    let sql = "SELECT w.n, w.token FROM task_wish w JOIN task_event e ON e.id = w.event WHERE w.answer IS NULL AND e.n = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    for row in rows {
        let wish: Option<(i64, i64)> =
            statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((n, token)) = wish {
            tell(tx, n, &Answer::Held { token: token.unsigned_abs() })?;
        }
    }
    Ok(())
}

/// The same for one whose claim was passed before its event was written.
pub(super) fn lost(tx: &Transaction, row: i64) -> rusqlite::Result<()> {
    let sql =
        "SELECT w.n FROM task_wish w JOIN task_event e ON e.id = w.event WHERE w.answer IS NULL AND e.n = ?1";
    let wish: Option<i64> = tx.prepare_cached(sql)?.query_row([row], |row| row.get(0)).optional()?;
    let why = "another one claimed it before this was written down".to_owned();
    wish.map_or(Ok(()), |n| tell(tx, n, &Answer::Lost { why }))
}

fn tell(tx: &Transaction, n: i64, answer: &Answer) -> rusqlite::Result<()> {
    let json = serde_json::to_string(answer).unwrap_or_default();
    tx.prepare_cached("UPDATE task_wish SET answer = ?2 WHERE n = ?1")?.execute(params![n, json]).map(drop)
}

fn wish(row: &Row) -> rusqlite::Result<Option<Wish>> {
    let (task, who): (String, String) = (row.get(1)?, row.get(2)?);
    let (Ok(task), Ok(who)) = (task.parse(), who.parse()) else { return Ok(None) };
    let term = row.get::<_, i64>(3)?.unsigned_abs();
    Ok(Some(Wish { n: row.get(0)?, task, who, term, word: row.get(4)?, until: row.get(5)? }))
}
