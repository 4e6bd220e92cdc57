//! Cursors: how far each lane, and the open slot, was read. A cursor moves only in the transaction of its lines.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Db;
use crate::error::Result;

/// How many bytes before the cursor are remembered, to notice a file that was replaced under us.
pub const GUARD: usize = 32;

/// A reader's durable position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The segment; 0 in the open slot.
    pub segment: u64,
    /// Bytes of it that were taken in.
    pub offset: u64,
    /// The last bytes before `offset`, at most [`GUARD`].
    pub guard: Vec<u8>,
    /// The UTF-16 encoding in force, by its name.
    pub encoding: Option<String>,
    /// In the middle of a line that is over the limit: drop up to its newline.
    pub skipping: bool,
}

impl Cursor {
    /// The cursor after `bytes`, which began at `self.offset`, were taken in.
    #[must_use]
    pub fn advanced(&self, bytes: &[u8]) -> Cursor {
        let mut guard = self.guard.clone();
        guard.extend_from_slice(&bytes[bytes.len().saturating_sub(GUARD)..]);
        guard.drain(..guard.len().saturating_sub(GUARD));
        Cursor { offset: self.offset + bytes.len() as u64, guard, ..self.clone() }
    }
}

pub(super) fn store(tx: &Transaction, lane: &str, cursor: &Cursor) -> rusqlite::Result<()> {
    let sql = "INSERT INTO cursor VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (lane) DO UPDATE SET
               segment = excluded.segment, offset = excluded.offset, guard = excluded.guard,
               encoding = excluded.encoding, skipping = excluded.skipping";
    tx.prepare_cached(sql)?
        .execute(params![
            lane,
            cursor.segment as i64,
            cursor.offset as i64,
            cursor.guard,
            cursor.encoding,
            cursor.skipping
        ])
        .map(drop)
}

impl Db {
    /// Where reading of `lane` stands; `None` if it never began.
    pub fn cursor(&self, lane: &str) -> Result<Option<Cursor>> {
        self.query("read", |c| {
            let sql = "SELECT segment, offset, guard, encoding, skipping FROM cursor WHERE lane = ?1";
            let mut statement = c.prepare_cached(sql)?;
            let row = statement.query_row([lane], |row| {
                Ok(Cursor {
                    segment: row.get::<_, i64>(0)? as u64,
                    offset: row.get::<_, i64>(1)? as u64,
                    guard: row.get(2)?,
                    encoding: row.get(3)?,
                    skipping: row.get(4)?,
                })
            });
            row.optional()
        })
    }

    /// Keeps where reading stands in a segment that is left, under `key`, and drops what is kept under keys that begin
    /// with `kin`, of segments that are not `there` any more, if that is known.
    pub fn leave_segment(
        &mut self,
        kin: &str,
        key: &str,
        cursor: &Cursor,
        there: Option<&[u64]>,
    ) -> Result<()> {
        self.write("note the segment in", |tx| {
            if let Some(there) = there {
                let sql = "DELETE FROM cursor WHERE substr(lane, 1, length(?1)) = ?1 AND lane > ?1
                           AND segment NOT IN (SELECT value FROM json_each(?2))";
                tx.execute(sql, params![kin, serde_json::Value::from(there).to_string()])?;
            }
            store(tx, key, cursor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_the_bytes_just_before_the_cursor() {
        let cursor = Cursor::default().advanced(b"abc").advanced(&[b'x'; 31]);
        assert_eq!(cursor.offset, 34);
        assert_eq!(cursor.guard, [b"c".as_slice(), &[b'x'; 31]].concat());
    }
}
