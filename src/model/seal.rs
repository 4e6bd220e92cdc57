//! Sealed mail: what of a message its recipient alone can read, and what stands around it.
//!
//! ```text
//! sealed := {"v", "id", "from", "to", "timestamp", "sealed", "seq", "lease", "sig"}     as it stands in a lane
//! inner  := the message as a line of the plain protocol, with its "id", without "seq", "lease" and "sig"
//! "sealed" := base64 (RFC 4648) of inner, encrypted by age (C2SP age, X25519) to the recipient's sealing key
//! ```
//! The signature is around all of it, so it is verified before anything is opened. Encryption alone does not say who
//! encrypted: whoever copies another's sealed text into a line of their own would pass for its writer. So inner
//! repeats the addresses, the id and the time, and what stands outside must be the same ([`unite`]).
//!
//! Receipts are not sealed, but for the reasons that they give, which may tell of a sealed message's content.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::envelope::{Envelope, LEASE};
use super::{attachment, json, sign};

/// The field that holds what is sealed.
pub const FIELD: &str = "sealed";

/// What stands inside and outside, and must be the same.
const BOUND: [&str; 4] = ["id", "from", "to", "timestamp"];
/// What stands outside alone: it is the lane's.
const OUTSIDE: [&str; 4] = ["v", "seq", LEASE, sign::FIELD];
/// What stands inside alone: it tells of the content.
const INSIDE: [&str; 9] = [
    "type",
    "content",
    "thread",
    "in_reply_to",
    "priority",
    "expires",
    "hops",
    super::group::FIELD,
    attachment::FIELD,
];

/// Characters of a sealing key: `age1`, 52 of data, 6 of checksum.
const LENGTH: usize = 62;

/// The public half of a sealing key pair, as `age` writes it. Whether its checksum is right is known when it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SealKey(String);

impl SealKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SealKey {
    type Err = String;

    fn from_str(text: &str) -> Result<SealKey, String> {
        let data = text.strip_prefix("age1").filter(|_| text.len() == LENGTH);
        let good = |data: &str| data.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        match data.is_some_and(good) {
            true => Ok(SealKey(text.to_owned())),
            false => Err(format!("{text:?} is no sealing key; one is `age1` and 58 more characters")),
        }
    }
}

impl<'de> Deserialize<'de> for SealKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<SealKey, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is encrypted of the reason that a receipt of `from` gives for the state of a sealed message.
pub fn inner_reason(from: &str, id: &str, reason: &str) -> Vec<u8> {
    serde_json::json!({"from": from, "id": id, "reason": reason}).to_string().into_bytes()
}

/// The reason behind [`inner_reason`], if it is of `from` and about the message `id`.
pub fn reason(inner: &[u8], from: &str, id: &str) -> Option<String> {
    let said: Map<String, Value> = serde_json::from_slice(inner).ok()?;
    let text = |field: &str| said.get(field).and_then(Value::as_str);
    let reason = text("reason").filter(|_| text("from") == Some(from) && text("id") == Some(id));
    reason.map(str::to_owned)
}

/// Whether an object is sealed mail. One that has a content, too, is a plain message with a field of its own.
pub fn is_sealed(object: &Map<String, Value>) -> bool {
    object.get(FIELD).is_some_and(Value::is_string) && !object.contains_key("content")
}

/// A field that stands around what is sealed, and should be in it.
pub fn stray(outer: &Map<String, Value>) -> Option<&'static str> {
    INSIDE.into_iter().find(|field| outer.contains_key(*field))
}

/// What is encrypted of a message.
pub fn inner(envelope: &Envelope) -> Vec<u8> {
    envelope.to_plain_line()
}

/// The text that stands in [`FIELD`].
pub fn to_text(encrypted: &[u8]) -> String {
    BASE64_STANDARD.encode(encrypted)
}

/// What is encrypted in an object; `None` if it is no base64.
pub fn from_object(object: &Map<String, Value>) -> Option<Vec<u8>> {
    object.get(FIELD).and_then(Value::as_str).and_then(from_text)
}

/// The bytes behind a text of [`to_text`].
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// The message that an opened line is: what stood inside, in its place in the lane.
///
/// # Errors
/// What was inside is no message, or not the one that it is outside, in words for people.
pub fn unite(outer: Map<String, Value>, inner: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(inner).map_err(|_| "what was sealed is no text".to_owned())?;
    // Whatever is wrong with it, its words stay inside: the sender is told on the share.
    let mut values = json::parse(text, json::Limits::default()).unwrap_or_default();
    let (Some(Value::Object(mut message)), true) = (values.pop(), values.is_empty()) else {
        return Err("what was sealed is no message".into());
    };
    if let Some(field) = BOUND.into_iter().find(|field| outer.get(*field) != message.get(*field)) {
        return Err(format!("what was sealed has another \"{field}\": it was sealed for another message"));
    }
    if let Some(field) = OUTSIDE.into_iter().find(|field| message.contains_key(*field)) {
        return Err(format!("\"{field}\" was sealed, but belongs outside"));
    }
    if let Some(field) = stray(&outer) {
        return Err(format!("\"{field}\" stands outside of what was sealed"));
    }
    for (field, value) in outer.into_iter().filter(|(field, _)| field != FIELD) {
        message.entry(field).or_insert(value);
    }
    Ok(Value::Object(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("{value}") };
        map
    }

    fn outer() -> Map<String, Value> {
        object(
            json!({"v": 1, "id": "m-1", "from": "a", "to": "b", "timestamp": "t", "sealed": "AAAA", "seq": 7}),
        )
    }

    fn united(outer: Map<String, Value>, inner: &Value) -> Result<Value, String> {
        unite(outer, inner.to_string().as_bytes())
    }

    #[test]
    fn what_was_sealed_counts_in_its_own_place_alone() {
        let inner =
            json!({"id": "m-1", "from": "a", "to": "b", "timestamp": "t", "content": "x", "type": "task"});
        let whole = united(outer(), &inner).unwrap();
        assert_eq!((&whole["seq"], &whole["content"], &whole["v"]), (&json!(7), &json!("x"), &json!(1)));
        assert!(whole.get("sealed").is_none());
        for (field, value) in
            [("id", "m-2"), ("from", "c"), ("to", "c"), ("timestamp", "u"), ("seq", "1"), ("sig", "")]
        {
            let mut other = inner.clone();
            other[field] = json!(value);
            let why = united(outer(), &other).unwrap_err();
            assert!(why.contains(&format!("\"{field}\"")), "{why}");
        }
        for field in BOUND {
            let mut other = object(inner.clone());
            other.remove(field);
            assert!(united(outer(), &Value::Object(other)).is_err(), "{field} is missing");
        }
        for field in INSIDE {
            let mut open = outer();
            open.insert(field.into(), json!("x"));
            assert!(united(open, &inner).unwrap_err().contains("outside"), "{field}");
        }
        for bad in [&b"\xff"[..], b"", b"[1]", b"{} {}", b"{\"id\":1,\"id\":2}"] {
            assert!(unite(outer(), bad).is_err());
        }
    }

    #[test]
    fn a_reason_is_of_its_giver_and_message_alone() {
        let inner = inner_reason("lab", "m-1", "no \"disk\"");
        assert_eq!(reason(&inner, "lab", "m-1").as_deref(), Some("no \"disk\""));
        assert_eq!(
            (reason(&inner, "den", "m-1"), reason(&inner, "lab", "m-2"), reason(b"x", "lab", "m-1")),
            (None, None, None)
        );
    }

    #[test]
    fn a_field_of_that_name_in_a_plain_message_is_not_sealed_mail() {
        assert!(is_sealed(&outer()));
        assert!(!is_sealed(&object(json!({"from": "a", "content": "x", "sealed": "with wax"}))));
        assert!(!is_sealed(&object(json!({"from": "a", "sealed": true}))));
    }

    #[test]
    fn a_sealing_key_has_one_spelling() {
        let key = format!("age1{}", "q".repeat(58));
        assert_eq!(key.parse::<SealKey>().unwrap().as_str(), key);
        for bad in
            ["", "age1", &key.to_uppercase(), &key[..61], &format!("{key}q"), &key.replace('q', "\u{e9}")]
        {
            assert!(bad.parse::<SealKey>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_was_sealed_breaks_its_reader(inner in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            let _ = (unite(outer(), &inner), unite(outer(), text.as_bytes()), from_text(&text));
            prop_assert_eq!(from_text(&to_text(&inner)), Some(inner));
        }
    }
}
