//! The local lock: one daemon, or one engine pass, per state folder. Local files only, never on the share.
//!
//! `daemon.lock` carries the OS lock, which dies with its process; `daemon.json` beside it says who holds it (on
//! Windows a locked file can't be read by others). A crash leaves a stale `daemon.json` and no lock: the lock decides.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use fs2::FileExt;
use serde::{Deserialize, Serialize};

use crate::error::{At, Result};

/// Who holds the lock, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// `daemon`, or the command whose engine pass it is.
    pub role: String,
    /// Since when (RFC 3339).
    pub since: String,
}

impl Holder {
    /// Whether it is a daemon.
    pub fn is_daemon(&self) -> bool {
        self.role == "daemon"
    }
}

/// Proof that this process alone works on the state folder.
#[derive(Debug)]
pub struct LocalLock {
    _file: File,
    note: PathBuf,
}

impl LocalLock {
    /// Takes the lock of `state`, or `None` if another process holds it.
    pub fn try_acquire(state: &Path, role: &str, since: String) -> Result<Option<LocalLock>> {
        let path = state.join("daemon.lock");
        // fs2 wants a handle that may read and write (fs2-rs issue 26).
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.at("open the lock", &path)?;
        match FileExt::try_lock_exclusive(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => return Ok(None),
            Err(error) => return Err(error).at("lock", &path),
        }
        let note = state.join("daemon.json");
        let holder = Holder { pid: std::process::id(), role: role.into(), since };
        let bytes = serde_json::to_vec(&holder).map_err(io::Error::other).at("write", &note)?;
        std::fs::write(&note, bytes).at("write", &note)?;
        Ok(Some(LocalLock { _file: file, note }))
    }

    /// Who holds the lock of `state` now; `None` if nobody does. May name the last holder for an instant.
    pub fn holder(state: &Path) -> Option<Holder> {
        let file = OpenOptions::new().read(true).write(true).open(state.join("daemon.lock")).ok()?;
        if FileExt::try_lock_shared(&file).is_ok() {
            // While this lock is held nobody takes the other: what is noted there is what a killed holder left, and
            // the next one must not be taken for it in the instant before it writes its own.
            let _ = std::fs::remove_file(state.join("daemon.json"));
            return None;
        }
        let unknown = Holder { pid: 0, role: "process".into(), since: String::new() };
        let note = std::fs::read(state.join("daemon.json")).ok();
        Some(note.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(unknown))
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_gets_none_and_can_ask_who_holds_it() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(LocalLock::holder(state.path()), None);
        let held = LocalLock::try_acquire(state.path(), "daemon", "now".into()).unwrap().unwrap();
        assert!(LocalLock::try_acquire(state.path(), "send", "now".into()).unwrap().is_none());
        assert_eq!(LocalLock::holder(state.path()).unwrap().role, "daemon");
        drop(held);
        assert!(LocalLock::try_acquire(state.path(), "send", "now".into()).unwrap().is_some());
        std::fs::write(state.path().join("daemon.json"), "what a killed holder left").unwrap();
        assert_eq!(LocalLock::holder(state.path()), None);
        assert!(!state.path().join("daemon.json").exists());
    }
}
