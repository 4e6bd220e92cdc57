//! The chain of the log: each entry's hash covers the one before it, so nobody can change, remove, insert or move an
//! entry unseen without making every hash after it anew; and then the newest one, the head, is another.
//!
//! ```text
//! digest = SHA-256 of the JSON array [way, peer, id, what, detail]
//! hash   = SHA-256 of the JSON array [n, ms, digest, hash of entry n - 1]     (of the first one: 64 zeros)
//! ```
//! JSON as RFC 8785 writes it; hashes as 64 hex digits. Numbers begin at 1 and have no gaps.
//!
//! An entry that aged out keeps its number, time, digest and hash, so that those after it can still be checked; at the
//! front of the log all of these but the last go. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 hash; as text 64 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hash(pub [u8; 32]);

/// What an entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// `in` or `out`: it happened to a message; `event`: to the instance.
    pub way: String,
    /// The other instance, folded; of an event: whom or what it is about, or empty.
    pub peer: String,
    /// The message's id; empty for an event.
    pub id: String,
    /// A state's word, or `woken`, `resend`, `lease-taken`, …
    pub what: String,
    /// More about it.
    pub detail: Option<String>,
}

/// The text of an entry, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// It is all there.
    Said(Said),
    /// It aged out; this is its digest.
    Aged(Hash),
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub n: i64,
    /// When (wall-clock milliseconds of that PC).
    pub ms: i64,
    /// What it says.
    pub body: Body,
    /// Its hash.
    pub hash: Hash,
}

/// The newest entry's number and hash: whoever knows it can tell whether the log still is what it was. As text
/// `NUMBER:HASH`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The number; 0 before the first entry.
    pub n: i64,
    /// The hash.
    pub hash: Hash,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first entry that is not as it must be.
    pub n: i64,
    /// What is wrong with it.
    pub why: String,
}

/// Checks entries one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    head: Head,
    begun: bool,
}

impl Said {
    /// The digest of it.
    pub fn digest(&self) -> Hash {
        hash_of(&(&self.way, &self.peer, &self.id, &self.what, &self.detail))
    }
}

impl Body {
    /// The digest of what it says, or said.
    pub fn digest(&self) -> Hash {
        match self {
            Body::Said(said) => said.digest(),
            Body::Aged(digest) => *digest,
        }
    }
}

impl Head {
    /// The head after one more entry.
    #[must_use]
    pub fn after(self, ms: i64, digest: Hash) -> Head {
        let n = self.n.saturating_add(1);
        Head { n, hash: hash_of(&(n, ms, digest, self.hash)) }
    }
}

impl Chain {
    /// A chain that goes on after `head`, which is taken at its word.
    pub fn after(head: Head) -> Chain {
        Chain { head, begun: true }
    }

    /// Takes the next entry in. The first one is believed if it aged out: nothing before it is known.
    ///
    /// # Errors
    /// It does not follow from those before it.
    pub fn check(&mut self, entry: &Entry) -> Result<(), Broken> {
        let broken = |n, why: String| Err(Broken { n, why });
        let Entry { n, ms, ref body, hash } = *entry;
        if !self.begun && n > 1 && matches!(body, Body::Aged(_)) {
            *self = Chain::after(Head { n, hash });
            return Ok(());
        }
        self.begun = true;
        let next = self.head.n.saturating_add(1);
        if n > next {
            let missing = if n == next + 1 {
                "it is missing".into()
            } else {
                format!("{next} to {} are missing", n - 1)
            };
            return broken(next, missing);
        }
        if n < next {
            let why =
                format!("it comes after entry {}: inserted, or in another place than it was", self.head.n);
            return broken(n, why);
        }
        let expected = self.head.after(ms, body.digest());
        if expected.hash != hash {
            let why = match n {
                1 => "it was changed".to_owned(),
                _ => format!(
                    "it was changed, or what stands before it was: it does not follow from entry {}",
                    n - 1
                ),
            };
            return broken(n, why);
        }
        self.head = expected;
        Ok(())
    }

    /// The last entry that was taken in.
    pub fn head(&self) -> Head {
        self.head
    }
}

fn hash_of(value: &impl Serialize) -> Hash {
    // Numbers and strings always have a JSON form, and serde_json writes both as RFC 8785 does.
    let json = serde_json::to_vec(value).unwrap_or_default();
    Hash(Sha256::digest(json).into())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        hash.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Hash, String> {
        let wrong = || "a hash has 64 hex digits".to_owned();
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut hash = Hash::default();
        for (byte, at) in hash.0.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(hash)
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Hash, String> {
        text.parse()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        let wrong = || "a head is NUMBER:HASH, as `lanpost log head` prints it".to_owned();
        let (n, hash) = text.trim().split_once(':').ok_or_else(wrong)?;
        let n = n.parse().ok().filter(|n| *n >= 0).ok_or_else(wrong)?;
        Ok(Head { n, hash: hash.parse().map_err(|_| wrong())? })
    }
}

impl Serialize for Head {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Head, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(count: i64) -> Vec<Entry> {
        let mut head = Head::default();
        let entry = |n: i64| {
            let said = Said {
                way: "out".into(),
                peer: "lab".into(),
                id: format!("m{n}"),
                what: "sent".into(),
                detail: None,
            };
            let body = Body::Said(said);
            head = head.after(n * 10, body.digest());
            Entry { n, ms: n * 10, body, hash: head.hash }
        };
        (1..=count).map(entry).collect()
    }

    fn check(entries: &[Entry]) -> Result<Head, Broken> {
        let mut chain = Chain::default();
        entries.iter().try_for_each(|entry| chain.check(entry)).map(|()| chain.head())
    }

    fn first_bad(entries: &[Entry]) -> i64 {
        check(entries).unwrap_err().n
    }

    #[test]
    fn an_entry_that_was_changed_removed_inserted_or_moved_is_named() {
        let all = entries(9);
        assert_eq!(check(&all).unwrap(), Head { n: 9, hash: all[8].hash });
        for at in 0..9 {
            let n = at as i64 + 1;
            let mut changed = all.clone();
            changed[at].ms += 1;
            assert_eq!(first_bad(&changed), n, "another time");
            let mut changed = all.clone();
            let Body::Said(said) = &mut changed[at].body else { unreachable!() };
            said.detail = Some(String::new());
            assert_eq!(first_bad(&changed), n, "another text");
            let mut twice = all.clone();
            twice.insert(at, all[at].clone());
            assert_eq!(first_bad(&twice), n, "inserted");
        }
        for at in 0..8 {
            let n = at as i64 + 1;
            let mut removed = all.clone();
            removed.remove(at);
            assert_eq!(first_bad(&removed), n, "removed");
            let mut renumbered = removed;
            renumbered.iter_mut().enumerate().for_each(|(at, entry)| entry.n = at as i64 + 1);
            assert_eq!(first_bad(&renumbered), n, "removed, and the rest moved up");
            let mut swapped = all.clone();
            swapped.swap(at, at + 1);
            assert_eq!(first_bad(&swapped), n, "in another order");
        }
    }

    #[test]
    fn what_aged_out_leaves_the_rest_provable() {
        let mut all = entries(9);
        for at in [0, 1, 2, 5] {
            all[at].body = Body::Aged(all[at].body.digest());
        }
        let head = check(&all).unwrap();
        assert_eq!(check(&all[2..]).unwrap(), head, "of those at the front the last one is enough");
        assert_eq!(first_bad(&all[3..]), 1, "and it is needed");
        all[5].body = Body::Aged(all[4].body.digest());
        assert_eq!(first_bad(&all), 6);
    }

    #[test]
    fn the_bytes_that_are_hashed_are_those_of_the_documentation() {
        // As docs/format.md computes it with `sha256sum`.
        let said = Said {
            way: "out".into(),
            peer: "lab".into(),
            id: "m1".into(),
            what: "queued".into(),
            detail: None,
        };
        assert_eq!(said.digest(), Hash(Sha256::digest(br#"["out","lab","m1","queued",null]"#).into()));
        let zeros = "0".repeat(64);
        let text = format!(r#"[1,1763740800000,"{}","{zeros}"]"#, said.digest());
        let head = Head::default().after(1_763_740_800_000, said.digest());
        assert_eq!(head, Head { n: 1, hash: Hash(Sha256::digest(text).into()) });
    }

    proptest! {
        #[test]
        fn a_head_reads_back_and_no_text_panics(n in 0i64.., bytes: [u8; 32], text: String) {
            let head = Head { n, hash: Hash(bytes) };
            prop_assert_eq!(head.to_string().parse::<Head>(), Ok(head));
            let _ = text.parse::<Head>();
        }
    }
}
