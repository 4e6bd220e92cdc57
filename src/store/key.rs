//! The instance's key pair, in the state folder: `key` (secret, owner only) and `key.pub` (as the heartbeat says it).
//!
//! Made once by `init`, never replaced: not by `--force`, not by a crash (the secret is created with O_EXCL, and the
//! public half is derived from it).

use std::path::Path;

use ed25519_dalek::SigningKey;

use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// Loads the key of the state folder, making it from `random` if there is none; returns the public half,
/// `ed25519:<64 hex digits>`.
pub fn load_or_make(state: &Path, random: impl FnOnce() -> Result<[u8; 32]>) -> Result<String> {
    let path = state.join("key");
    let secret = match files::read(&path)? {
        Some(bytes) => parse(&path, &bytes)?,
        None => {
            let secret = random()?;
            files::create_private(&path, hex(&secret).as_bytes())?;
            secret
        }
    };
    let public = format!("ed25519:{}", hex(SigningKey::from_bytes(&secret).verifying_key().as_bytes()));
    let public_path = state.join("key.pub");
    let line = format!("{public}\n").into_bytes();
    if files::read(&public_path)?.as_ref() != Some(&line) {
        files::replace(&public_path, &line)?;
    }
    Ok(public)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(path: &Path, bytes: &[u8]) -> Result<[u8; 32]> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let digits: Vec<u8> = (0..text.len() / 2)
        .filter_map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    <[u8; 32]>::try_from(digits).ok().filter(|_| text.len() == 64).ok_or_else(|| {
        let error = Error::new(Kind::Corrupt, "read the key", path.display(), "it is not 64 hex digits");
        error.next("restore it from a backup; without it peers will not know this instance again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let state = tempfile::tempdir().unwrap();
        let first = load_or_make(state.path(), || Ok([7; 32])).unwrap();
        assert_eq!(load_or_make(state.path(), || Ok([8; 32])).unwrap(), first);
        files::replace(&state.path().join("key"), b"zz").unwrap();
        assert!(
            load_or_make(state.path(), || Ok([8; 32])).unwrap_err().to_string().contains("64 hex digits")
        );
    }
}
