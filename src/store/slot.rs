//! Appending to somebody's open slot: the one file on the share that may have several writers.
//!
//! Under the lockfile `to-<instance>.jsonl.lock` (O_EXCL, the convention of `lockfile` and `dotlockfile`), through a
//! fresh handle, and read back: on SMB two clients that append to one file overwrite each other (SHARE-FACTS: up to
//! 499 of 500 lines), and a lock that was broken too early must not cost a line.
//!
//! A lockfile in the way is looked at, and not opened until it stood still: Linux's SMB client keeps what it opened, with
//! the server's promise to tell of changes, and then answers "it exists" for the name by itself, in the end for good
//! (kernel 6.1, seen beside a script that made and removed it many times a second).
//!
//! A crash leaves the lockfile behind. Whoever saw it stand still removes it ([`break_lock`]) and does not take it in
//! the same breath: of two that judge at once, the slower one would remove the lock that the quicker one just took.

use std::time::Duration;

use crate::error::Result;
use crate::model::layout;
use crate::model::lockfile;
use crate::model::name::Name;
use crate::store::claim::claim;
use crate::store::share_clock;
use crate::sys::share::{Meta, Share};

/// Appends of one line before giving up for now.
const TRIES: u32 = 3;
/// The most that is read of a lockfile.
const NOTE: usize = 512;
/// A lockfile that stood still for this long is opened to see whose it is.
const OPENED_AFTER: Duration = Duration::from_secs(2);
/// What may be appended by others between our look and our reading back.
const OTHERS: usize = 64 * 1024;

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The lines are there; they were read back.
    Written,
    /// Somebody holds the lockfile.
    Locked(Lock),
    /// They were written and are not there: another writer ignores the lockfile. Try again later.
    Overwritten,
}

/// A lockfile that somebody holds, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    meta: Meta,
}

/// Appends whole lines to `to`'s open slot. `note` is ours and this attempt's alone ([`lockfile::note`]). After an error,
/// and if the second answer is `false`, our lockfile may still be there: [`release`] it later.
/// Cost: look 1 + lockfile 4 + look 2 + append 4 + read back 3 + unlock 4.
pub fn append(share: &dyn Share, to: &Name, lines: &[u8], note: &str) -> Result<(Appended, bool)> {
    let path = layout::open_slot_lock(to);
    // The look comes first: to make a file that the client knows of fails without asking the server.
    if let Some(meta) = share.stat(&path)? {
        return Ok((Appended::Locked(Lock { meta }), true));
    }
    if !claim(share, &path, note.as_bytes())? {
        let meta = share.stat(&path)?.unwrap_or(Meta { len: 0, stamp: 0, folder: false, regular: true });
        return Ok((Appended::Locked(Lock { meta }), true));
    }
    let done = append_locked(share, to, lines);
    // The lock goes whatever happened; what was written stays written: to report it as failed would append it twice.
    let unlocked = unlock(share, to, |found| found == note.as_bytes()).is_ok();
    Ok((done?, unlocked))
}

/// Removes the lockfile if it is `ours`; somebody else's is left alone. Cost: 1 read, 1 unlink.
fn unlock(share: &dyn Share, to: &Name, ours: impl Fn(&[u8]) -> bool) -> Result<()> {
    let path = layout::open_slot_lock(to);
    match share.read(&path, 0, NOTE)? {
        Some(found) if ours(&found) => share.remove(&path),
        _ => Ok(()),
    }
}

/// Removes a lockfile that an earlier append of ours, of `holder` on `host`, could not remove. Cost: 1 read, 1 unlink.
pub fn release(share: &dyn Share, to: &Name, (holder, host): (&str, &str)) -> Result<()> {
    unlock(share, to, |found| lockfile::is_leftover(found, holder, host))
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
        let found = share.read(&slot, before, bytes.len() + OTHERS)?.unwrap_or_default();
        if found.windows(lines.len()).any(|window| window == lines) {
            return Ok(Appended::Written);
        }
    }
    Ok(Appended::Overwritten)
}

/// Whether `lock`, the one in the way of `to`, may be broken: it stands still, and is a leftover of our own (of `holder` on `host`), or stood still for `still`
/// on our clock and as long on the share's. Cost: none; 1 read once it stands still; a look at the share's clock once
/// it did so for long enough on ours.
pub fn is_left_behind(
    share: &dyn Share,
    (us, to): (&Name, &Name),
    (holder, host): (&str, &str),
    lock: &Lock,
    still: Duration,
) -> Result<bool> {
    if still < OPENED_AFTER {
        return Ok(false);
    }
    // One that can't be read is judged by its age: a client that still knows a name which is gone can't open it.
    let note = share.read(&layout::open_slot_lock(to), 0, NOTE).ok().flatten().unwrap_or_default();
    if lockfile::is_leftover(&note, holder, host) {
        return Ok(true);
    }
    let patience = lockfile::patience(&note);
    Ok(still >= patience && share_clock::age(share, us, &lock.meta)? >= patience)
}

/// Removes a lockfile, if it is still the one that was judged. Does not take it: try again a moment later.
/// Cost: 1 stat, 1 unlink.
pub fn break_lock(share: &dyn Share, to: &Name, judged: &Lock) -> Result<()> {
    let path = layout::open_slot_lock(to);
    match share.stat(&path)? {
        Some(meta) if meta == judged.meta => share.remove(&path),
        _ => Ok(()),
    }
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
        assert_eq!(append(&share, &lab, b"{}\n", "me").unwrap(), (Appended::Written, true));
        let all = share.read(&layout::open_slot(&lab), 0, 100).unwrap().unwrap();
        assert_eq!(all, b"{\"by\":\"hand\"}\n{}\n");
        assert_eq!(share.stat(&layout::open_slot_lock(&lab)).unwrap(), None);
    }

    #[test]
    fn a_lockfile_is_respected_until_it_is_broken() {
        let (share, lab) = share();
        let lock = layout::open_slot_lock(&lab);
        share.create_new(&lock, b"other").unwrap();
        let (Appended::Locked(seen), _) = append(&share, &lab, b"{}\n", "me").unwrap() else { panic!() };
        share.remove(&lock).unwrap();
        share.create_new(&lock, b"newer").unwrap();
        break_lock(&share, &lab, &seen).unwrap();
        assert!(share.stat(&lock).unwrap().is_some(), "another one took it meanwhile");
        let (Appended::Locked(seen), _) = append(&share, &lab, b"{}\n", "me").unwrap() else { panic!() };
        break_lock(&share, &lab, &seen).unwrap();
        assert_eq!(append(&share, &lab, b"{}\n", "me").unwrap(), (Appended::Written, true));
    }

    #[test]
    fn only_a_lock_that_stood_still_on_both_clocks_is_left_behind() {
        let (share, lab) = share();
        for folder in [layout::folders()[2].clone(), layout::leases(&lab)] {
            share.make_folder(&folder).unwrap();
        }
        share.create_new(&layout::open_slot_lock(&lab), b"4711\n").unwrap();
        let (Appended::Locked(lock), _) = append(&share, &lab, b"{}\n", "me").unwrap() else { panic!() };
        let judge = |holder: &str, still| {
            is_left_behind(&share, (&lab, &lab), (holder, "pc"), &lock, Duration::from_secs(still)).unwrap()
        };
        assert!(!judge("ab", 10));
        assert!(!judge("ab", 10_000), "the share's clock says that it was just made");
        let note = lockfile::note("ab", "pc", 1, "n");
        share.replace(&layout::open_slot_lock(&lab), note.as_bytes()).unwrap();
        assert!(!judge("ab", 0), "it is not opened before it stood still");
        assert!(judge("ab", 2));
        assert!(!judge("cd", 2));
    }
}
