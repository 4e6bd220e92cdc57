//! Reading on from a cursor: the bytes that a file gained, or the news that it is not the file we read.
//!
//! A reader remembers the last bytes before its cursor and reads them again with the new ones, in the same
//! operation: a file that shrank or was replaced is noticed, never misread from the middle of a line.

use crate::error::Result;
use crate::model::layout::SharePath;
use crate::store::db::Cursor;
use crate::sys::share::Share;

/// What lies behind a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// New bytes; none if nothing was added.
    Bytes(Vec<u8>),
    /// The file is shorter, or other, than what was read of it.
    Replaced,
    /// There is no such file.
    Missing,
}

/// Reads up to `max` new bytes. Cost: 1 open, 1 read, 1 close.
pub fn read(share: &dyn Share, path: &SharePath, cursor: &Cursor, max: usize) -> Result<Tail> {
    let guard = cursor.guard.len();
    let from = cursor.offset.saturating_sub(guard as u64);
    Ok(match share.read(path, from, guard + max)? {
        None => Tail::Missing,
        Some(bytes) if bytes.starts_with(&cursor.guard) => Tail::Bytes(bytes[guard..].to_vec()),
        Some(_) => Tail::Replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout;
    use crate::model::name::Name;
    use crate::sys::memory::MemoryShare;

    #[test]
    fn a_replaced_file_is_noticed() {
        let share = MemoryShare::new();
        share.make_folder(&layout::messages()).unwrap();
        let slot = layout::open_slot(&Name::parse("lab").unwrap());
        assert_eq!(read(&share, &slot, &Cursor::default(), 9).unwrap(), Tail::Missing);
        share.replace(&slot, b"one\ntwo\n").unwrap();
        let cursor = Cursor::default().advanced(b"one\n");
        assert_eq!(read(&share, &slot, &cursor, 9).unwrap(), Tail::Bytes(b"two\n".to_vec()));
        share.replace(&slot, b"other\n").unwrap();
        assert_eq!(read(&share, &slot, &cursor, 9).unwrap(), Tail::Replaced);
        share.replace(&slot, b"on").unwrap();
        assert_eq!(read(&share, &slot, &cursor, 9).unwrap(), Tail::Replaced);
    }
}
