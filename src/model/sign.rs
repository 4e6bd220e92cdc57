//! Signatures: who said it.
//!
//! ```text
//! key := "ed25519:" 64 hex digits
//! sig := 128 hex digits, Ed25519 (RFC 8032) over the canonical form (RFC 8785) of the object without its "sig"
//! ```
//! Envelopes, heartbeats and successions are signed in the same way; none can be taken for another, since each lacks
//! fields that the others must have. Verification is strict (no small-order keys, one signature for one message).
//!
//! RFC 8785 writes numbers as doubles, so two integers beyond 2^53 may have one canonical form: whoever forwards them
//! could put one for the other. An object that holds one can't be signed, and is verified by no key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The field that holds the signature.
pub const FIELD: &str = "sig";
/// The bytes that a signature adds to a line.
pub const OVERHEAD: usize = ",\"sig\":\"\"".len() + 2 * 64;
/// The largest integer that means the same as a double: 2^53 - 1.
pub const EXACT: u64 = (1 << 53) - 1;

const PREFIX: &str = "ed25519:";
/// Digits of a fingerprint: 30 decimal ones are 99 bits, for which nobody finds a second key.
const DIGITS: usize = 30;
/// Digits that are read aloud in one breath.
const GROUP: usize = 5;

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(VerifyingKey);

impl Key {
    /// Whether `object` was signed by this key's owner.
    pub fn verifies(&self, object: &Map<String, Value>) -> bool {
        let signature = object.get(FIELD).and_then(Value::as_str).and_then(unhex::<64>);
        let fields = object.iter().map(|(key, value)| (key.as_str(), value));
        signature.zip(canonical(fields)).is_some_and(|(signature, bytes)| {
            self.0.verify_strict(&bytes, &Signature::from_bytes(&signature)).is_ok()
        })
    }

    /// What two people compare over the phone: six groups of five digits.
    pub fn fingerprint(&self) -> String {
        let hash = blake3::hash(self.0.as_bytes());
        let number = hash.as_bytes().iter().take(16).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        let digits = format!("{:0DIGITS$}", number % 10_u128.pow(DIGITS as u32));
        let groups: Vec<_> = digits.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// Whether `text` means this key: the key itself, or its fingerprint in any grouping.
    pub fn is_called(&self, text: &str) -> bool {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-'));
        text.trim() == self.to_string() || plain && digits(text) == digits(&self.fingerprint())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(self.0.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let digits = text.strip_prefix(PREFIX).and_then(unhex::<32>);
        let key = digits.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).filter(|key| !key.is_weak());
        key.map(Key).ok_or_else(|| format!("{text:?} is no key; one is {PREFIX} and 64 hex digits"))
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A key pair. Its secret half is erased from memory when it is dropped, and shown by nothing.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    /// The pair of this secret.
    pub fn new(secret: &[u8; 32]) -> Signer {
        Signer(SigningKey::from_bytes(secret))
    }

    /// Its public half.
    pub fn key(&self) -> Key {
        Key(self.0.verifying_key())
    }

    /// The signature of the object with these fields; `None` if it holds a number that can't be signed.
    pub fn sign<'a>(&self, fields: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Option<String> {
        canonical(fields).map(|bytes| hex(&self.0.sign(&bytes).to_bytes()))
    }

    /// Signs an object in place, replacing the signature that it may have.
    pub fn sign_object(&self, object: &mut Map<String, Value>) {
        match self.sign(object.iter().map(|(key, value)| (key.as_str(), value))) {
            Some(signature) => object.insert(FIELD.to_owned(), signature.into()),
            None => object.remove(FIELD),
        };
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key pair of {}", self.key())
    }
}

/// Whether `object` carries a signature of the kind that is made here, good or not.
pub fn is_signed(object: &Map<String, Value>) -> bool {
    object.get(FIELD).and_then(Value::as_str).and_then(unhex::<64>).is_some()
}

/// Whether a value may be signed: it holds no integer that a double would change.
pub fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number <= EXACT,
            (None, Some(number)) => number.unsigned_abs() <= EXACT,
            (None, None) => true,
        },
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(map) => map.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The bytes that are signed: everything but the signature.
fn canonical<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Option<Vec<u8>> {
    let fields: Vec<_> = fields.into_iter().filter(|(key, _)| *key != FIELD).collect();
    if !fields.iter().all(|(_, value)| is_exact(value)) {
        return None;
    }
    serde_json_canonicalizer::to_vec(&Object(&fields)).ok()
}

/// An object by its fields, so that none has to be copied.
struct Object<'a>(&'a [(&'a str, &'a Value)]);

impl Serialize for Object<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGIT[usize::from(digit)]))
        .collect()
}

const DIGIT: &[u8; 16] = b"0123456789abcdef";

/// Lower case alone, so that a signature and a key have one spelling.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| DIGIT.iter().position(|digit| *digit == byte).and_then(|at| u8::try_from(at).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests;
