//! The instance's key pair, in the state folder.
//!
//! ```text
//! key       the secret half, 64 hex digits, for its owner alone
//! key.pub   the public half, as the heartbeat says it
//! key.past  the keys before it, each of which signed the next (JSON); public
//! key.next  the next secret, for as long as a rotation takes
//! ```
//! Made once, by `init` or the first start; replaced by a rotation alone: not by `--force`, not by a crash (a secret is
//! created with O_EXCL, and everything else is derived from it or can be finished). A rotation writes `key.next`, then
//! `key.past` with what the old key signed, then renames. If it was cut short, the next start finishes it if `key.past`
//! names the current key already, and else forgets it: nobody has seen the new key by then.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::model::heartbeat::{MOST_FORMER, Succession};
use crate::model::name::Name;
use crate::model::sign::Signer;
use crate::sys::files;

/// The secret half.
pub const KEY: &str = "key";
/// The public half.
pub const PUBLIC: &str = "key.pub";
const PAST: &str = "key.past";
const NEXT: &str = "key.next";
/// All of them.
pub const FILES: [&str; 4] = [KEY, PUBLIC, PAST, NEXT];

/// Whether a file of this name that holds `bytes` is a secret half: of the state folder, or kept aside by a restore.
pub fn is_one(name: &str, bytes: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let named = name != PUBLIC && (name == KEY || name.starts_with("key."));
    named && bytes.trim_ascii().len() == 64 && bytes.trim_ascii().iter().all(u8::is_ascii_hexdigit)
}

/// Loads the key pair of the state folder, making it from `random` if there is none.
///
/// # Errors
/// The file is damaged, or can't be read or made.
pub fn load_or_make(state: &Path, random: impl FnOnce() -> Result<[u8; 32]>) -> Result<Signer> {
    let path = state.join(KEY);
    let signer = match read(&path)? {
        Some(current) => finish(state, current)?,
        None => {
            let secret = Zeroizing::new(random()?);
            create(&path, &secret)?;
            Signer::new(&secret)
        }
    };
    let public_path = state.join(PUBLIC);
    let line = format!("{}\n", signer.key()).into_bytes();
    if files::read(&public_path)?.as_ref() != Some(&line) {
        files::replace(&public_path, &line)?;
    }
    Ok(signer)
}

/// The keys before the current one, the newest first.
///
/// # Errors
/// The file is damaged or can't be read.
pub fn past(state: &Path) -> Result<Vec<Succession>> {
    let path = state.join(PAST);
    let Some(bytes) = files::read(&path)? else { return Ok(vec![]) };
    serde_json::from_slice(&bytes).map_err(|cause| {
        let error = Error::new(Kind::Corrupt, "read the former keys", path.display(), cause);
        error.next(
            "restore it from a backup, or remove it: then peers that missed a rotation ask their people",
        )
    })
}

/// Replaces the key pair by a new one, which the old one signs, and returns it. The old secret is gone then.
///
/// # Errors
/// The disk is full or read-only, or somebody else rotates at the same time; the key is the old one then, or the
/// rotation is finished at the next start.
pub fn rotate(state: &Path, instance: &Name, random: impl FnOnce() -> Result<[u8; 32]>) -> Result<Signer> {
    let current =
        load_or_make(state, || Err(Error::new(Kind::NotFound, "find the key in", state.display(), "")))?;
    let secret = Zeroizing::new(random()?);
    let next = Signer::new(&secret);
    create(&state.join(NEXT), &secret)?;
    let mut links = past(state)?;
    links.insert(0, Succession::sign(instance, &current, &next.key()));
    links.truncate(MOST_FORMER);
    files::replace(&state.join(PAST), &serde_json::to_vec_pretty(&links).unwrap_or_default())?;
    load_or_make(state, || Ok(*secret))
}

/// Ends a rotation that was begun.
fn finish(state: &Path, current: Signer) -> Result<Signer> {
    let path = state.join(NEXT);
    // A damaged one was never signed for.
    let Some(next) = read(&path).ok().flatten() else {
        files::remove(&path)?;
        return Ok(current);
    };
    if past(state)?.first().is_none_or(|link| link.key != current.key().to_string()) {
        files::remove(&path)?;
        return Ok(current);
    }
    files::rename(&path, &state.join(KEY))?;
    Ok(next)
}

fn create(path: &Path, secret: &[u8; 32]) -> Result<()> {
    let text: Zeroizing<String> = Zeroizing::new(secret.iter().map(|byte| format!("{byte:02x}")).collect());
    files::create_private(path, text.as_bytes())
}

fn read(path: &Path) -> Result<Option<Signer>> {
    let Some(bytes) = files::read(path)?.map(Zeroizing::new) else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(
        (0..text.len() / 2)
            .filter_map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
            .collect(),
    );
    match <&[u8; 32]>::try_from(digits.as_slice()) {
        Ok(secret) if text.len() == 64 => Ok(Some(Signer::new(secret))),
        _ => {
            let error = Error::new(Kind::Corrupt, "read the key", path.display(), "it is not 64 hex digits");
            Err(error.next("restore it from a backup; without it peers will not know this instance again"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(state: &Path, n: u8) -> Result<Signer> {
        load_or_make(state, || Ok([n; 32]))
    }

    #[test]
    fn a_key_is_made_once() {
        let state = tempfile::tempdir().unwrap();
        let first = load(state.path(), 7).unwrap().key();
        assert_eq!(load(state.path(), 8).unwrap().key(), first);
        files::replace(&state.path().join("key"), b"zz").unwrap();
        assert!(load(state.path(), 8).unwrap_err().to_string().contains("64 hex digits"));
    }

    #[test]
    fn a_rotation_is_whole_or_has_not_happened() {
        let state = tempfile::tempdir().unwrap();
        let lab = Name::parse("lab").unwrap();
        let first = load(state.path(), 1).unwrap();
        let file = |name: &str| state.path().join(name);
        // Cut short after the new secret: nobody has seen it.
        create(&file(NEXT), &[2; 32]).unwrap();
        assert_eq!(load(state.path(), 9).unwrap().key(), first.key());
        assert!(!files::exists(&file(NEXT)));
        // Cut short after the old key signed: it counts.
        create(&file(NEXT), &[2; 32]).unwrap();
        let second = Signer::new(&[2; 32]);
        let links = [Succession::sign(&lab, &first, &second.key())];
        files::replace(&file(PAST), &serde_json::to_vec(&links).unwrap()).unwrap();
        assert_eq!(load(state.path(), 9).unwrap().key(), second.key());
        for n in 3..20 {
            assert_eq!(
                rotate(state.path(), &lab, || Ok([n; 32])).unwrap().key(),
                Signer::new(&[n; 32]).key()
            );
            assert!(!files::exists(&file(NEXT)));
        }
        assert_eq!(load(state.path(), 9).unwrap().key(), Signer::new(&[19; 32]).key());
        let past = past(state.path()).unwrap();
        assert_eq!(past.len(), MOST_FORMER);
        assert_eq!(past[0].key, Signer::new(&[18; 32]).key().to_string());
    }
}
