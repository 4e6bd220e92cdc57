//! The instance's sealing keys, in the state folder.
//!
//! ```text
//! seal       the secrets, the newest first (as the program `age` reads them), for their owner alone
//! seal.next  the same with a new one, for as long as a rotation takes
//! ```
//! Made by `init` or the first start. A new one may be made at any time: it is believed because the signing key signs the
//! heartbeat that names it. Former ones stay, for mail that was sealed before.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::sys::files;
use crate::sys::seal::{Identities, TITLE};

/// The secrets.
pub const SEAL: &str = "seal";
const NEXT: &str = "seal.next";

/// Whether these bytes are a file of sealing keys.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(TITLE.trim_end().as_bytes())
}

/// Loads the sealing keys of the state folder, making one if there is none.
///
/// # Errors
/// The file is damaged, or can't be read or made.
pub fn load_or_make(state: &Path) -> Result<Identities> {
    if let Some(known) = load(state)? {
        return Ok(known);
    }
    let made = Identities::default().renewed();
    files::create_private(&state.join(SEAL), made.to_text().as_bytes())?;
    Ok(made)
}

/// Puts a new key in front, and returns all of them.
///
/// # Errors
/// The disk is full or read-only; the keys are the old ones then.
pub fn rotate(state: &Path) -> Result<Identities> {
    let renewed = load_or_make(state)?.renewed();
    replace(state, &renewed)?;
    Ok(renewed)
}

/// What the file must hold after a backup with `backed_up` was restored over what is there: the keys of both. `None`: what
/// is there, since that of the backup is damaged.
pub fn restored(state: &Path, backed_up: &[u8]) -> Option<Zeroizing<String>> {
    let theirs = parse(&state.join(SEAL), backed_up).ok()?;
    // Damaged, it is one more reason to take the backup's.
    Some(match load(state).unwrap_or_default() {
        // What is newer is what peers know.
        Some(ours) if theirs.key().is_some_and(|key| ours.has(&key)) => ours.joined(&theirs).to_text(),
        Some(ours) => theirs.joined(&ours).to_text(),
        None => theirs.to_text(),
    })
}

/// The sealing keys of the state folder, if there are any.
///
/// # Errors
/// The file is damaged, or can't be read.
pub fn load(state: &Path) -> Result<Option<Identities>> {
    let path = state.join(SEAL);
    match files::read(&path)?.map(Zeroizing::new) {
        Some(bytes) => parse(&path, &bytes).map(Some),
        None => Ok(None),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Identities> {
    Identities::parse(std::str::from_utf8(bytes).unwrap_or_default()).map_err(|cause| {
        let error = Error::new(Kind::Corrupt, "read the sealing keys", path.display(), cause);
        error.next("restore it from a backup, or remove it: then mail that was sealed to it can't be opened any more")
    })
}

fn replace(state: &Path, keys: &Identities) -> Result<()> {
    let next = state.join(NEXT);
    // One that a crash left was never in force.
    files::remove(&next)?;
    files::create_private(&next, keys.to_text().as_bytes())?;
    files::rename(&next, &state.join(SEAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_former_ones_stay() {
        let state = tempfile::tempdir().unwrap();
        let first = load_or_make(state.path()).unwrap().key().unwrap();
        assert_eq!(load_or_make(state.path()).unwrap().key(), Some(first.clone()));
        let backup = files::read(&state.path().join(SEAL)).unwrap().unwrap();
        let later = rotate(state.path()).unwrap();
        assert!(later.key() != Some(first.clone()) && later.has(&first));
        let both = Identities::parse(&restored(state.path(), &backup).unwrap()).unwrap();
        assert!(restored(state.path(), b"AGE-SECRET-KEY-1").is_none(), "a damaged backup changes nothing");
        assert_eq!(both.key(), later.key(), "an older backup does not take the newer one away");
        let elsewhere = tempfile::tempdir().unwrap();
        load_or_make(elsewhere.path()).unwrap();
        let both = Identities::parse(&restored(elsewhere.path(), &backup).unwrap()).unwrap();
        assert_eq!(both.key(), Some(first));
        files::replace(&state.path().join(SEAL), b"AGE-SECRET-KEY-1").unwrap();
        assert!(load_or_make(state.path()).unwrap_err().to_string().contains("can't be opened any more"));
        assert!(!restored(state.path(), &backup).unwrap().is_empty(), "a damaged one makes way");
    }
}
