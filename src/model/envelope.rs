//! The envelope: one message as it stands on the share, a superset of the plain protocol.
//!
//! ```text
//! plain    := {"from", "to", "timestamp", "type", "content", …}
//! envelope := plain + {"v": 1, "id", "seq", "lease", "sig"} + as needed {"thread", "in_reply_to", "priority", "expires",
//!             "hops", "broadcast"}
//! ```
//! `lease` is the number in the lane's file name, so that a signed line is good in its own lane alone. It and `sig` are
//! the reader's matter before it reads the rest ([`super::sign`]); an [`Envelope`] that was read keeps them in `rest`.
//! In its place may stand a sealed one, whose `sealed` holds all but addresses, id and time ([`super::seal`]).
//! A reader never fails on what it doesn't know: unknown fields are kept in `rest` and written again. A field that
//! is known but has the wrong shape is a [`Reject`]: the line goes to quarantine with its bytes.

use std::fmt::{self, Write};
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::group::{self, Broadcast};
use super::id::MessageId;
use super::name::Address;
use super::seal;
use super::sign::{self, Signer};

/// The field that holds the lease of a line's lane.
pub const LEASE: &str = "lease";

/// The bytes that a line in a lane has more than [`Envelope::to_line`] says.
pub const SIGNED: usize = sign::OVERHEAD + ",\"lease\":".len() + 20;

/// The version of the envelope this crate writes.
pub const VERSION: u64 = 1;

/// The type of an envelope that carries receipts instead of mail.
pub const RECEIPT: &str = "receipt";

/// The longest `from` of a stranger, `type` and `thread`, in bytes.
const MAX_WORD: usize = 128;

/// How soon a message wants attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When there is time.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before normal mail.
    High,
    /// Passes the batch window: the agent is woken at once.
    Urgent,
}

impl Priority {
    /// All of them, the least first.
    pub const ALL: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Urgent];

    /// The word used in the store, on the wire and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Urgent => "urgent",
        }
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Priority, String> {
        let found = Priority::ALL.into_iter().find(|priority| priority.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no priority; it is one of low, normal, high, urgent"))
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The envelope version it was written in; `None` in the plain protocol.
    pub v: Option<u64>,
    /// Its id; `None` when a plain writer gave none.
    pub id: Option<MessageId>,
    /// Who wrote it, as written: `instance` or `instance/agent`, or any name a stranger gave itself.
    pub from: String,
    /// Whom it is for; `None` when a plain writer left it out, or meant several.
    pub to: Option<Address>,
    /// When it was written, on the sender's clock, as written (RFC 3339).
    pub timestamp: Option<String>,
    /// What kind of message; `message` by default.
    pub kind: String,
    /// The payload: a text or any JSON.
    pub content: Value,
    /// Its number in the lane, from 1, no gaps; `None` outside lanes.
    pub seq: Option<u64>,
    /// The conversation it belongs to.
    pub thread: Option<String>,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// How soon it wants attention.
    pub priority: Priority,
    /// Not worth delivering after this time of the sender's clock.
    pub expires: Option<DateTime<Utc>>,
    /// How many automatic answers led to it; 0 in a person's answer, `None` where nobody counted.
    pub hops: Option<u64>,
    /// Of which broadcast it is a copy.
    pub broadcast: Option<Broadcast>,
    /// What stands on the share in place of type, content and all that tells of them, if it is sealed; empty in a
    /// message that came and was opened.
    pub sealed: Option<String>,
    /// Every field this version doesn't know, kept as it came.
    pub rest: Map<String, Value>,
}

/// Why an object is not a message; a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject(String);

impl Reject {
    fn new(text: impl Into<String>) -> Reject {
        Reject(text.into())
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Envelope {
    /// Reads a JSON value that came from a share.
    ///
    /// # Errors
    /// A sentence naming the field that is missing or has the wrong shape.
    pub fn from_value(value: Value) -> Result<Envelope, Reject> {
        let Value::Object(mut map) = value else { return Err(Reject::new("not a JSON object")) };
        let from = take_word(&mut map, "from")?.ok_or_else(|| Reject::new("no \"from\""))?;
        let sealed = seal::is_sealed(&map).then(|| map.remove(seal::FIELD)).flatten();
        if let Some(field) = seal::stray(&map).filter(|_| sealed.is_some()) {
            return Err(Reject(format!("\"{field}\" stands outside of what is sealed")));
        }
        let content = match &sealed {
            Some(_) => Value::Null,
            None => map.remove("content").ok_or_else(|| Reject::new("no \"content\""))?,
        };
        let meant = map.get("to").and_then(Value::as_str).and_then(Broadcast::meant);
        if meant.is_some() {
            map.remove("to");
        }
        Ok(Envelope {
            v: take_number(&mut map, "v")?,
            id: take_id(&mut map, "id")?,
            to: take_parsed(&mut map, "to")?,
            timestamp: take_word(&mut map, "timestamp")?,
            kind: take_word(&mut map, "type")?.unwrap_or_else(|| "message".into()),
            seq: take_number(&mut map, "seq")?,
            thread: take_word(&mut map, "thread")?,
            in_reply_to: take_id(&mut map, "in_reply_to")?,
            priority: take_priority(&mut map),
            expires: take_time(&mut map, "expires")?,
            hops: take_hops(&mut map),
            broadcast: Broadcast::take(&mut map).or(meant),
            sealed: sealed.as_ref().and_then(Value::as_str).map(str::to_owned),
            from,
            content,
            // What else stands around it is for whoever opens it.
            rest: if sealed.is_some() { Map::new() } else { map },
        })
    }

    /// The line of a lane, newline included, without a signature.
    pub fn to_line(&self) -> Vec<u8> {
        self.write(self.lane_fields(None), None)
    }

    /// The line as it goes into the lane of `lease`, newline included.
    pub fn to_signed_line(&self, lease: u64, signer: &Signer) -> Vec<u8> {
        self.write(self.lane_fields(Some(lease)), Some(signer))
    }

    /// The line of an open slot, without a signature: the plain fields first and in the order people know, then the id
    /// and what the message needs, no `v` and no `seq`.
    pub fn to_plain_line(&self) -> Vec<u8> {
        self.write(self.slot_fields(), None)
    }

    /// The line as it goes into an open slot. Who reads it by hand may overlook the signature at its end.
    pub fn to_signed_plain_line(&self, signer: &Signer) -> Vec<u8> {
        self.write(self.slot_fields(), Some(signer))
    }

    fn lane_fields(&self, lease: Option<u64>) -> Vec<(&'static str, Option<Value>)> {
        let mut fields = vec![("v", self.v.map(Value::from)), ("id", self.id.as_ref().map(id_value))];
        fields.extend(self.plain_fields());
        fields.extend([("seq", self.seq.map(Value::from)), (LEASE, lease.map(Value::from))]);
        fields.extend(self.optional_fields());
        fields
    }

    fn slot_fields(&self) -> Vec<(&'static str, Option<Value>)> {
        let mut fields = self.plain_fields();
        fields.push(("id", self.id.as_ref().map(id_value)));
        fields.extend(self.optional_fields());
        fields
    }

    fn plain_fields(&self) -> Vec<(&'static str, Option<Value>)> {
        let mut fields = vec![
            ("from", Some(Value::from(self.from.as_str()))),
            ("to", self.to.as_ref().map(|to| Value::from(to.to_string()))),
            ("timestamp", self.timestamp.clone().map(Value::from)),
        ];
        match &self.sealed {
            Some(text) => fields.push((seal::FIELD, Some(Value::from(text.as_str())))),
            None => fields.extend([
                ("type", Some(Value::from(self.kind.as_str()))),
                ("content", Some(self.content.clone())),
            ]),
        }
        fields
    }

    fn optional_fields(&self) -> Vec<(&'static str, Option<Value>)> {
        if self.sealed.is_some() {
            return vec![];
        }
        let priority = (self.priority != Priority::Normal).then(|| Value::from(self.priority.as_str()));
        vec![
            ("thread", self.thread.clone().map(Value::from)),
            ("in_reply_to", self.in_reply_to.as_ref().map(id_value)),
            ("priority", priority),
            ("expires", self.expires.map(|at| Value::from(format_time(at)))),
            ("hops", self.hops.map(Value::from)),
            (group::FIELD, self.broadcast.as_ref().map(Broadcast::to_value)),
        ]
    }

    /// Writes by hand rather than through a map, so that the order is ours and the line starts with what people
    /// look for.
    fn write(&self, fields: Vec<(&'static str, Option<Value>)>, signer: Option<&Signer>) -> Vec<u8> {
        let known = fields.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)));
        // What is signed here has no room for the signature of somebody else.
        let foreign = |key: &str| signer.is_some() && (key == sign::FIELD || key == LEASE);
        let rest = self.rest.iter().map(|(key, value)| (key.as_str(), value));
        let rest = rest.filter(|(key, _)| self.sealed.is_none() && !foreign(key));
        let all: Vec<(&str, &Value)> = known.chain(rest).collect();
        let signature = signer.and_then(|signer| signer.sign(all.iter().copied())).map(Value::from);
        let mut line = String::from("{");
        for (key, value) in all.into_iter().chain(signature.iter().map(|value| (sign::FIELD, value))) {
            line.push_str(if line.len() == 1 { "" } else { "," });
            // Writing to a String can't fail.
            let _ = write!(line, "{}:{value}", Value::from(key));
        }
        line.push_str("}\n");
        line.into_bytes()
    }
}

/// RFC 3339 in UTC with milliseconds: the form of every time that lanpost writes.
pub fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn id_value(id: &MessageId) -> Value {
    Value::from(id.as_str())
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Reject> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Reject(format!("\"{key}\" is not a text"))),
    }
}

fn take_word(map: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Reject> {
    let Some(text) = take_text(map, key)? else { return Ok(None) };
    match text.len() {
        0 => Err(Reject(format!("\"{key}\" is empty"))),
        1..=MAX_WORD => Ok(Some(text)),
        length => Err(Reject(format!("\"{key}\" is {length} bytes long; at most {MAX_WORD}"))),
    }
}

fn take_number(map: &mut Map<String, Value>, key: &str) -> Result<Option<u64>, Reject> {
    match map.remove(key) {
        None | Some(Value::Null) => Ok(None),
        // SQLite's integers are signed; a lane that claims more is lying anyway.
        Some(value) => match value.as_u64().filter(|n| *n <= i64::MAX as u64) {
            Some(number) => Ok(Some(number)),
            None => Err(Reject(format!("\"{key}\" is not a whole number"))),
        },
    }
}

fn take_parsed<T: FromStr>(map: &mut Map<String, Value>, key: &str) -> Result<Option<T>, Reject>
where
    T::Err: fmt::Display,
{
    let Some(text) = take_text(map, key)? else { return Ok(None) };
    text.parse().map(Some).map_err(|error| Reject(format!("\"{key}\": {error}")))
}

/// Some plain writers number their messages: `"id": 17` is the id `17`.
fn take_id(map: &mut Map<String, Value>, key: &str) -> Result<Option<MessageId>, Reject> {
    if let Some(number) = map.get(key).and_then(Value::as_u64) {
        map.insert(key.to_owned(), Value::from(number.to_string()));
    }
    take_parsed(map, key)
}

fn take_time(map: &mut Map<String, Value>, key: &str) -> Result<Option<DateTime<Utc>>, Reject> {
    let Some(text) = take_text(map, key)? else { return Ok(None) };
    match DateTime::parse_from_rfc3339(&text) {
        Ok(at) => Ok(Some(at.with_timezone(&Utc))),
        Err(_) => Err(Reject(format!("\"{key}\" is not an RFC 3339 time"))),
    }
}

/// A priority word of a newer version counts as normal and is kept.
fn take_priority(map: &mut Map<String, Value>) -> Priority {
    let known = map.get("priority").and_then(Value::as_str).and_then(|word| word.parse().ok());
    if known.is_some() {
        map.remove("priority");
    }
    known.unwrap_or_default()
}

/// Hops that a newer version tells in another way are nobody's count, and are kept.
fn take_hops(map: &mut Map<String, Value>) -> Option<u64> {
    let hops = map.get("hops").and_then(Value::as_u64).filter(|hops| *hops <= i64::MAX as u64);
    if hops.is_some() {
        map.remove("hops");
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Value {
        json!({"from":"instance-A","to":"instance-B","timestamp":"2026-02-14T18:40:00+08:00","type":"message",
               "content":"你好，我是A实例，收到请回复"})
    }

    #[test]
    fn the_plain_sample_is_read_and_written_as_people_know_it() {
        let envelope = Envelope::from_value(sample()).unwrap();
        assert_eq!(envelope.id, None);
        let line = String::from_utf8(envelope.to_plain_line()).unwrap();
        assert_eq!(
            line,
            "{\"from\":\"instance-A\",\"to\":\"instance-B\",\"timestamp\":\"2026-02-14T18:40:00+08:00\",\
             \"type\":\"message\",\"content\":\"你好，我是A实例，收到请回复\"}\n"
        );
    }

    #[test]
    fn unknown_fields_survive() {
        let mut value = sample();
        value["mood"] = json!({"happy": [1, 2.5, null]});
        value["priority"] = json!("yesterday");
        let envelope = Envelope::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&envelope.to_line()).unwrap(), value);
    }

    #[test]
    fn a_signed_line_says_the_same_and_verifies() {
        let signer = Signer::new(&[7; 32]);
        let mut envelope = Envelope::from_value(sample()).unwrap();
        envelope.rest.insert("sig".into(), json!("of somebody else"));
        envelope.rest.insert("mood".into(), json!(1.5));
        for line in [envelope.to_signed_line(7, &signer), envelope.to_signed_plain_line(&signer)] {
            let read: Map<String, Value> = serde_json::from_slice(&line).unwrap();
            assert!(signer.key().verifies(&read), "{read:?}");
            assert_eq!(String::from_utf8(line).unwrap().matches("\"sig\":").count(), 1);
            let Value::Object(mut without) = json!(read) else { panic!() };
            without.retain(|key, _| key != "sig" && key != "lease");
            let mut wanted = sample();
            wanted["mood"] = json!(1.5);
            assert_eq!(Value::Object(without), wanted);
        }
        let line = envelope.to_signed_line(7, &signer);
        assert_eq!(serde_json::from_slice::<Value>(&line).unwrap()["lease"], 7);
    }

    #[test]
    fn a_field_of_the_wrong_shape_is_named() {
        for (key, bad, said) in [
            ("from", json!(7), "\"from\" is not a text"),
            ("from", json!(""), "\"from\" is empty"),
            ("to", json!("../x"), "\"to\""),
            ("seq", json!(-1), "\"seq\" is not a whole number"),
            ("seq", json!(u64::MAX), "\"seq\" is not a whole number"),
            ("id", json!("a/b"), "not a message id"),
            ("expires", json!("tomorrow"), "RFC 3339"),
            ("type", json!("x".repeat(200)), "at most 128"),
        ] {
            let mut value = sample();
            value[key] = bad;
            let reject = Envelope::from_value(value).unwrap_err().to_string();
            assert!(reject.contains(said), "{key}: {reject}");
        }
    }
}
