//! Message ids: UUIDv7 for what we send, a token from strangers, a hash for plain lines that carry none.
//!
//! An id is 1 to 64 characters of `A-Z a-z 0-9 . _ -`, so it may stand in a file name, a URL and a shell word.
//! Where others must not speak, mail is called by [`MessageId::handle`]: an id of another form than ours may be a word of
//! theirs.
//! Time and randomness are arguments, so that a simulated run makes the same ids from the same seed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest id accepted, in bytes.
pub const MAX_LEN: usize = 64;

/// What stands before the number of a row; no UUID begins so.
const ROW: char = 'n';

/// The row in the local store that a word names as [`MessageId::handle`] does.
pub fn row(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(ROW)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

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

    /// The id by which mail is known here: a program takes a word that begins with `-` for an option, and a folder one
    /// that begins with `.` for itself, so mail that names itself so gets an id derived from its own.
    pub fn tame(self, peer: &str) -> Self {
        if self.is_tame() { self } else { Self::derived(peer, &self.0, 0) }
    }

    /// Whether it is taken for nothing but a word.
    pub fn is_tame(&self) -> bool {
        !self.0.starts_with(['-', '.'])
    }

    /// What the message in this row of the local store is called in texts that are ours alone: by its id if that has the form
    /// of ours, in which nothing can be said; else by its row, as `n123`.
    pub fn handle(&self, row: i64) -> String {
        if self.is_uuid() { self.0.clone() } else { format!("{ROW}{row}") }
    }

    fn is_uuid(&self) -> bool {
        uuid::Uuid::try_parse(&self.0).is_ok_and(|id| id.to_string() == self.0)
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
    fn no_id_is_an_option_or_a_folder() {
        for wild in ["--help", "-", ".", "..", ".x"] {
            let id: MessageId = wild.parse().unwrap();
            let tame = id.clone().tame("lab");
            assert!(!id.is_tame() && tame.is_tame(), "{wild}");
            assert_eq!(tame, id.tame("lab"), "the same each time, so that its twin is known");
        }
        let id: MessageId = "a-1".parse().unwrap();
        assert_eq!(id.clone().tame("lab"), id);
    }

    #[test]
    fn what_others_chose_is_called_by_its_row() {
        let uuid = MessageId::v7(1_000, [9; 10]);
        assert_eq!(uuid.handle(7), uuid.as_str());
        let upper = uuid.as_str().to_uppercase();
        for word in ["Reading", "is.not-needed", "n9", &upper, &upper.replace('-', "")] {
            let id: MessageId = word.parse().unwrap();
            assert_eq!((id.handle(7).as_str(), row(&id.handle(7))), ("n7", Some(7)));
        }
        for word in ["", "n", "7", "n7x", "n-7", "n+7", "N7", "n99999999999999999999", uuid.as_str()] {
            assert_eq!(row(word), None, "{word}");
        }
    }

    #[test]
    fn an_id_cannot_hold_a_path() {
        for bad in ["", "../x", "a/b", "a:b", "a b", "é", "\u{1b}[31m", &"x".repeat(65)] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?}");
        }
        assert_eq!("build-42_a.1".parse::<MessageId>().unwrap().as_str(), "build-42_a.1");
    }
}
