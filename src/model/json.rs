//! Strict JSON for what comes from a share: one line in, its objects or one reason for people out.
//!
//! Grammar: `line := ws (object ws)+`. Several objects stand in one line when a writer left no final newline and
//! another wrote on; each is a message of its own, and one bad one rejects the line (its raw bytes are set aside).
//! Stricter than `serde_json::Value`: a key that appears twice is refused at every level, because two readers that
//! pick different ones of the two would check one message and act on another; so is nesting beyond the limit.
//! Numbers are as in `serde_json`: integers to 64 bits exact, everything else a finite `f64`.
//! A crash leaves nothing here: a torn line is [`Reject::Truncated`], a value and no error of ours.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How much structure a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of objects and arrays, the message itself being the first; `serde_json` itself ends at 127.
    pub depth: usize,
    /// Objects in one line. To know where each begins costs a look at all that stands before it.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 64, objects: 1_000 }
    }
}

/// Why a line is not a message; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Nothing but white space.
    Empty,
    /// Text, a list, a number: anything that does not begin as an object.
    NotObject,
    /// Behind a whole object stands something that is no object.
    Trailing,
    /// The line breaks off inside a value.
    Truncated,
    /// This key occurs twice in one object.
    Duplicate(String),
    /// More levels than this.
    TooDeep(usize),
    /// More objects than this.
    TooMany(usize),
    /// A number no `f64` can hold.
    HugeNumber,
    /// Half a surrogate pair, written as this escape; no UTF-8 text can hold it.
    LoneSurrogate(String),
    /// Any other slip, in `serde_json`'s words.
    Syntax(String),
}

impl Reject {
    /// The sentence for people.
    pub fn reason(&self) -> String {
        match self {
            Reject::Empty => "empty".into(),
            Reject::NotObject => "not a JSON object".into(),
            Reject::Trailing => "something that is not a JSON object follows the message".into(),
            Reject::Truncated => "ends in the middle".into(),
            Reject::Duplicate(key) => format!("the key {} appears twice", quoted(key)),
            Reject::TooDeep(depth) => format!("nested deeper than {depth}"),
            Reject::TooMany(objects) => format!("more than {objects} messages in one line"),
            Reject::HugeNumber => "a number too big for JSON readers".into(),
            Reject::LoneSurrogate(escape) => format!("a lone surrogate ({escape}) in a string"),
            Reject::Syntax(what) => format!("not valid JSON: {what}"),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}

impl std::error::Error for Reject {}

/// A key from the share as it may stand in a log: escaped, and not longer than a log line can bear.
fn quoted(key: &str) -> String {
    match key.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &key[..end]),
        None => format!("{key:?}"),
    }
}

/// Parses one line into the objects that stand in it, at least one.
pub fn parse(text: &str, limits: Limits) -> Result<Vec<Value>, Reject> {
    let mut source = serde_json::Deserializer::from_str(text);
    let mut objects = Vec::new();
    // `end` only looks ahead over white space; an error means that something is still there.
    while source.end().is_err() {
        if objects.len() == limits.objects {
            return Err(Reject::TooMany(limits.objects));
        }
        let notes = Notes::default();
        let seed = Strict { depth: 0, limits, notes: &notes };
        match seed.deserialize(&mut source) {
            Ok(value) => objects.push(value),
            Err(error) => return Err(notes.judge(&error, text, limits, objects.is_empty())),
        }
    }
    if objects.is_empty() { Err(Reject::Empty) } else { Ok(objects) }
}

/// What the visitor saw; a serde error can carry only text across `serde_json`.
#[derive(Default)]
struct Notes {
    began: Cell<bool>,
    reject: RefCell<Option<Reject>>,
}

impl Notes {
    fn refuse<E: serde::de::Error>(&self, reject: Reject) -> E {
        let error = E::custom(&reject);
        self.reject.replace(Some(reject));
        error
    }

    fn judge(&self, error: &serde_json::Error, text: &str, limits: Limits, first: bool) -> Reject {
        if !self.began.get() {
            return if first { Reject::NotObject } else { Reject::Trailing };
        }
        if let Some(reject) = self.reject.take() {
            return reject;
        }
        if error.is_eof() {
            return Reject::Truncated;
        }
        let words = error.to_string();
        // serde_json keeps its error codes to itself; an unknown wording falls through to `Syntax`, never to `Ok`.
        if words.starts_with("recursion limit") {
            return Reject::TooDeep(limits.depth.min(127));
        }
        if words.starts_with("number out of range") {
            return Reject::HugeNumber;
        }
        if (words.contains("surrogate") || words.contains("hex escape"))
            && let Some(escape) = lone_surrogate(text)
        {
            return Reject::LoneSurrogate(escape);
        }
        Reject::Syntax(words)
    }
}

/// The first `\uD800`-`\uDFFF` escape in `text` that is no half of a pair, as it is written there.
fn lone_surrogate(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut at = 0;
    while let Some(skip) = text.get(at..)?.find('\\') {
        at += skip;
        match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => return text.get(at..at + 6).map(str::to_owned),
            (Some(_), _) => at += 6,
            // `\\` or `\n`: the next character belongs to this escape.
            (None, _) => at += 1 + text.get(at + 1..)?.chars().next()?.len_utf8(),
        }
    }
    None
}

/// Builds a `Value`; `depth` counts the objects and arrays around it.
#[derive(Clone, Copy)]
struct Strict<'n> {
    depth: usize,
    limits: Limits,
    notes: &'n Notes,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.limits.depth {
            return Err(self.notes.refuse(Reject::TooDeep(self.limits.depth)));
        }
        Ok(Strict { depth: self.depth + 1, ..self })
    }

    fn scalar<E: serde::de::Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        if self.depth == 0 {
            return Err(E::custom(Reject::NotObject));
        }
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.scalar(Value::Number(number)),
            None => Err(self.notes.refuse(Reject::HugeNumber)),
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        if self.depth == 0 {
            return Err(A::Error::custom(Reject::NotObject));
        }
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.notes.began.set(true);
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            // Judged before the value is read: whatever the value is, the line is refused.
            if object.contains_key(&key) {
                return Err(self.notes.refuse(Reject::Duplicate(key)));
            }
            let value = entries.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { depth: 64, objects: 1_000 };

    #[test]
    fn a_bad_line_is_refused_with_a_sentence() {
        let deep = |levels: usize| format!("{}{}{}", r#"{"a":"#.repeat(levels), "1", "}".repeat(levels));
        let cases: &[(&str, &str)] = &[
            ("", "empty"),
            (" \t\r\n", "empty"),
            ("hello", "not a JSON object"),
            ("\u{feff}{}", "not a JSON object"),
            ("\"text", "not a JSON object"),
            ("[{}]", "not a JSON object"),
            ("[", "not a JSON object"),
            ("12", "not a JSON object"),
            ("null", "not a JSON object"),
            (r#"{"from":"#, "ends in the middle"),
            (r#"{"from":"a"#, "ends in the middle"),
            (r#"{"from":"a\"#, "ends in the middle"),
            (r#"{"from":"a\u00"#, "ends in the middle"),
            (r#"{"from":"a\ud83d"#, "ends in the middle"),
            (r#"{"a":1}{"b":"#, "ends in the middle"),
            (r#"{"a":1} and more"#, "something that is not a JSON object follows the message"),
            (r#"{"a":1}}"#, "something that is not a JSON object follows the message"),
            (r#"{"a":1},{"b":1}"#, "something that is not a JSON object follows the message"),
            (r#"{"a":1}7"#, "something that is not a JSON object follows the message"),
            (r#"{"from":"a","from":"b"}"#, r#"the key "from" appears twice"#),
            (r#"{"from":"a","fr\u006fm":"b"}"#, r#"the key "from" appears twice"#),
            (r#"{"x":[{"\n":1,"\n":1}]}"#, r#"the key "\n" appears twice"#),
            (r#"{"n":1e999}"#, "a number too big for JSON readers"),
            (r#"{"c":"\ud83d"}"#, r"a lone surrogate (\ud83d) in a string"),
            (r#"{"c":"\ud83d\ud83d\ude00"}"#, r"a lone surrogate (\ud83d) in a string"),
            (r#"{"c":"\\ud83d 你\ud83d\ude00 \uDE00"}"#, r"a lone surrogate (\uDE00) in a string"),
            (r#"{"\udc00":1}"#, r"a lone surrogate (\udc00) in a string"),
            (r#"{"c":"\ud83d\n"}"#, r"a lone surrogate (\ud83d) in a string"),
            (&deep(65), "nested deeper than 64"),
            (&deep(5000), "nested deeper than 64"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(text, LIMITS).expect_err(text).to_string(), *reason, "{text}");
        }
        assert!(parse(&deep(64), LIMITS).is_ok());
        assert_eq!(parse(&deep(500), Limits { depth: 1000, ..LIMITS }), Err(Reject::TooDeep(127)));
        assert!(matches!(parse("{'a':1}", LIMITS), Err(Reject::Syntax(_))));
        assert!(matches!(parse(r#"{"a":"\u12g4"}"#, LIMITS), Err(Reject::Syntax(_))));
        assert!(matches!(parse(r#"{"a":NaN}"#, LIMITS), Err(Reject::Syntax(_))));
    }

    #[test]
    fn a_key_from_the_share_cannot_flood_the_log() {
        let key = "长".repeat(1000);
        let reason = parse(&format!(r#"{{"{key}":1,"{key}":2}}"#), LIMITS).unwrap_err().reason();
        assert!(reason.chars().count() < 100, "{reason}");
    }

    #[test]
    fn glued_objects_are_messages_of_their_own() {
        let glued = parse(" {\"a\":1}{\"a\":[2]} {\"a\":\"}{\"}\r", LIMITS).unwrap();
        let expected: Vec<Value> =
            vec![serde_json::json!({"a": 1}), serde_json::json!({"a": [2]}), serde_json::json!({"a": "}{"})];
        assert_eq!(glued, expected);
    }

    #[test]
    fn integers_stay_whole_to_64_bits() {
        let text = r#"{"big":18446744073709551615,"small":-9223372036854775808}"#;
        assert_eq!(parse(text, LIMITS).unwrap()[0].to_string(), text);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Halves are exact in every float reader; serde_json's default one may be off in the last digit.
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 2.0)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(value(), 1..4)) {
            let objects: Vec<Value> = values.into_iter().map(|v| serde_json::json!({"v": v})).collect();
            let line: String = objects.iter().map(Value::to_string).collect();
            prop_assert_eq!(parse(&line, LIMITS), Ok(objects));
        }

        #[test]
        fn nothing_panics(text in any::<String>(), near in r#"[{}\[\]",:\\ud89cD0-9e.truefalsn 你]{0,60}"#, depth in 0..200usize) {
            let _ = parse(&text, Limits { depth, ..LIMITS });
            if let Err(reject) = parse(&near, Limits { depth, ..LIMITS }) {
                prop_assert!(!reject.reason().is_empty());
            }
            let _ = parse(&format!("{{\"a\":\"{near}"), Limits { depth, ..LIMITS });
            let _ = lone_surrogate(&near);
        }
    }
}
