//! A blob: bytes that are known by their hash, which is their name wherever they are kept.
//!
//! `hash := 64 digits of lower-case hexadecimal`, BLAKE3 of the bytes. There is one spelling, so that one blob has one path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The BLAKE3 hash of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of bytes that are at hand.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// The hash of what was fed to `hasher`.
    pub fn finish(hasher: &blake3::Hasher) -> Hash {
        Hash(*hasher.finalize().as_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Hash, String> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let parsed = blake3::Hash::from_hex(text).ok().filter(|_| digits);
        parsed
            .map(|hash| Hash(*hash.as_bytes()))
            .ok_or_else(|| format!("{text:?} is no BLAKE3 hash; one is 64 digits of lower-case hexadecimal"))
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Some bytes, by their hash and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blob {
    /// How many bytes.
    pub size: u64,
    /// Their hash.
    pub blake3: Hash,
}

impl Blob {
    /// The blob of bytes that are at hand.
    pub fn of(bytes: &[u8]) -> Blob {
        Blob { size: bytes.len() as u64, blake3: Hash::of(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = Hash::of(b"x");
        let text = hash.to_string();
        assert_eq!((text.len(), text.parse()), (64, Ok(hash)));
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &text.replace(&text[..1], "g")]
        {
            assert!(bad.parse::<Hash>().is_err(), "{bad}");
        }
    }
}
