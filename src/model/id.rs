//! Message ids: UUIDv7 for what we send, a token from strangers, a hash for plain lines that carry none.
//!
//! An id is 1 to 64 characters of `A-Z a-z 0-9 . _ -`, so it may stand in a file name, a URL and a shell word.
//! Time and randomness are arguments, so that a simulated run makes the same ids from the same seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest id accepted, in bytes.
pub const MAX_LEN: usize = 64;

/// Names one message of one sender.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId(String);

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a message id: 1 to {MAX_LEN} letters, digits, '.', '_' or '-'", self.0)
    }
}

impl std::error::Error for NotAnId {}

impl MessageId {
    /// A UUIDv7 (RFC 9562): `unix_ms` in front, so ids of one sender sort by time.
    pub fn v7(unix_ms: u64, random: [u8; 10]) -> Self {
        MessageId(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid().to_string())
    }

    /// The id of a plain line that has none: the same text at its `occurrence`-th place in the file has the same
    /// id, so a file that is read again after a restore delivers nothing twice.
    pub fn derived(mailbox: &str, text: &str, occurrence: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(mailbox.as_bytes()).update(&[0]).update(text.as_bytes());
        hasher.update(&occurrence.to_le_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        MessageId(uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(legal) {
            Ok(MessageId(text.to_owned()))
        } else {
            Err(NotAnId(text.chars().take(MAX_LEN + 1).collect()))
        }
    }
}

impl TryFrom<String> for MessageId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> String {
        id.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_sender_sort_by_time() {
        assert!(MessageId::v7(1_000, [9; 10]) < MessageId::v7(1_001, [0; 10]));
    }

    #[test]
    fn a_derived_id_depends_on_text_and_occurrence_only() {
        let first = MessageId::derived("lab", "{}", 1);
        assert_eq!(first, MessageId::derived("lab", "{}", 1));
        assert_ne!(first, MessageId::derived("lab", "{}", 2));
        assert_ne!(first, MessageId::derived("lab", "{ }", 1));
    }

    #[test]
    fn an_id_cannot_hold_a_path() {
        for bad in ["", "../x", "a/b", "a:b", "a b", "é", "\u{1b}[31m", &"x".repeat(65)] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
        assert_eq!("build-42_a.1".parse::<MessageId>().unwrap().as_str(), "build-42_a.1");
    }
}
