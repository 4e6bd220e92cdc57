//! Appending to somebody's open slot: the one file on the share that may have several writers.
//!
//! Under the lockfile `to-<instance>.jsonl.lock` (O_EXCL, the convention of `lockfile` and `dotlockfile`), through a
//! fresh handle, and read back: on SMB two clients that append to one file overwrite each other (SHARE-FACTS: up to
//! 499 of 500 lines). A crash leaves the lockfile behind; whoever sees it stand still for [`STALE`] removes it.

use std::time::Duration;

use crate::error::Result;
use crate::model::layout;
use crate::model::name::Name;
use crate::sys::share::{Meta, Share};

/// How long a lockfile must stand still, on the clock of whoever waits, before its holder counts as dead.
pub const STALE: Duration = Duration::from_secs(60);
/// Appends of one line before giving up for now.
const TRIES: u32 = 3;

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The lines are there; they were read back.
    Written,
    /// Somebody holds the lockfile; this is how it looks, so that the caller can see it stand still.
    Locked(Meta),
    /// They were written and are not there: another writer ignores the lockfile. Try again later.
    Overwritten,
}

/// Appends whole lines to `to`'s open slot. `break_lock`: the lockfile was seen to stand still, remove it first.
/// Cost: lockfile 4 + look 1 + append 4 + read back 3 + unlock 1.
pub fn append(share: &dyn Share, to: &Name, lines: &[u8], note: &str, break_lock: bool) -> Result<Appended> {
    let lock = layout::open_slot_lock(to);
    if break_lock {
        share.remove(&lock)?;
    }
    if !share.create_new(&lock, note.as_bytes())? {
        return Ok(match share.stat(&lock)? {
            Some(meta) => Appended::Locked(meta),
            None => Appended::Locked(Meta { len: 0, stamp: 0, folder: false }),
        });
    }
    let done = append_locked(share, to, lines);
    // The lock goes whatever happened; one that can't be removed will be seen as stale, and what was written stays
    // written: to report it as failed would append it twice.
    let _ = share.remove(&lock);
    done
}

fn append_locked(share: &dyn Share, to: &Name, lines: &[u8]) -> Result<Appended> {
    let slot = layout::open_slot(to);
    for _ in 0..TRIES {
        let before = share.stat(&slot)?.map_or(0, |meta| meta.len);
        let last = match before {
            0 => Some(b"\n".to_vec()),
            len => share.read(&slot, len - 1, 1)?,
        };
        // Who wrote last may have left its line without a newline.
        let glue: &[u8] = if last.as_deref() == Some(b"\n") { b"" } else { b"\n" };
        let bytes = [glue, lines].concat();
        share.open_append(&slot)?.append(&bytes)?;
        let found = share.read(&slot, before, bytes.len() + 64 * 1024)?.unwrap_or_default();
        if found.windows(lines.len()).any(|window| window == lines) {
            return Ok(Appended::Written);
        }
    }
    Ok(Appended::Overwritten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemoryShare;

    fn share() -> (MemoryShare, Name) {
        let share = MemoryShare::new();
        share.make_folder(&layout::messages()).unwrap();
        (share, Name::parse("lab").unwrap())
    }

    #[test]
    fn a_line_without_its_newline_is_not_glued_to() {
        let (share, lab) = share();
        share.open_append(&layout::open_slot(&lab)).unwrap().append(b"{\"by\":\"hand\"}").unwrap();
        assert_eq!(append(&share, &lab, b"{}\n", "me", false).unwrap(), Appended::Written);
        let all = share.read(&layout::open_slot(&lab), 0, 100).unwrap().unwrap();
        assert_eq!(all, b"{\"by\":\"hand\"}\n{}\n");
        assert_eq!(share.stat(&layout::open_slot_lock(&lab)).unwrap(), None);
    }

    #[test]
    fn a_lockfile_is_respected_until_it_is_to_be_broken() {
        let (share, lab) = share();
        share.create_new(&layout::open_slot_lock(&lab), b"other").unwrap();
        assert!(matches!(append(&share, &lab, b"{}\n", "me", false).unwrap(), Appended::Locked(_)));
        assert_eq!(append(&share, &lab, b"{}\n", "me", true).unwrap(), Appended::Written);
    }
}
