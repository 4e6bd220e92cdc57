//! Signatures against the standards' own vectors, and against whoever changes a bit.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value} is no object") };
    map
}

fn signed(value: Value) -> Map<String, Value> {
    let mut map = object(value);
    Signer::new(&[7; 32]).sign_object(&mut map);
    map
}

fn key() -> Key {
    Signer::new(&[7; 32]).key()
}

/// RFC 8032 §7.1, test 1: this secret has this public key.
#[test]
fn a_key_is_the_one_of_its_secret() {
    let secret = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let public = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(Signer::new(&secret).key().to_string(), public);
    assert_eq!(public.parse::<Key>().unwrap().to_string(), public);
}

/// RFC 8785 §3.2.3: the order of keys is that of UTF-16, and numbers are those of ECMAScript.
#[test]
fn the_canonical_form_is_that_of_the_standard() {
    let value = json!({"\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "ö": "Latin Small Letter O With Diaeresis"});
    let map = object(value);
    let bytes = canonical(map.iter().map(|(key, value)| (key.as_str(), value))).unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\
         \"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
    let value =
        json!({"n": [333_333_333.333_333_3_f64, 1E30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001]});
    let map = object(value);
    let bytes = canonical(map.iter().map(|(key, value)| (key.as_str(), value))).unwrap();
    assert_eq!(bytes, b"{\"n\":[333333333.3333333,1e+30,4.5,0.002,1e-27]}");
}

#[test]
fn a_number_that_a_double_would_change_is_neither_signed_nor_verified() {
    let most = json!({"a": [{"b": 9_007_199_254_740_991_i64}, -9_007_199_254_740_991_i64, 1e300]});
    assert!(key().verifies(&signed(most)));
    for number in [json!(9_007_199_254_740_992_i64), json!(-9_007_199_254_740_992_i64), json!(u64::MAX)] {
        let map = signed(json!({"a": [{"b": number}]}));
        assert!(!map.contains_key(FIELD), "{map:?}");
    }
    // Signed for one number, passed on with another of the same double.
    let mut map = signed(json!({"n": 9_007_199_254_740_992.0_f64}));
    assert!(key().verifies(&map), "a double is what it is");
    map.insert("n".into(), json!(9_007_199_254_740_993_i64));
    assert!(!key().verifies(&map));
}

#[test]
fn only_one_spelling_of_a_signature_or_a_key_is_taken() {
    let map = signed(json!({"a": 1}));
    let signature = map[FIELD].as_str().unwrap().to_owned();
    let other = |text: String| {
        let mut map = map.clone();
        map.insert(FIELD.into(), text.into());
        (is_signed(&map), key().verifies(&map))
    };
    assert_eq!(other(signature.clone()), (true, true));
    for bad in [signature.to_uppercase(), signature[1..].to_owned(), format!("{signature} "), String::new()] {
        assert_eq!(other(bad.clone()), (false, false), "{bad}");
    }
    assert_eq!(other("0".repeat(128)), (true, false));
    // RFC 8032: s + L verifies with a lax verifier.
    assert!(key().to_string().to_uppercase().parse::<Key>().is_err());
    // The point of order 1, and one of order 8: whatever is "signed" by them verifies.
    for weak in [
        "ed25519:0100000000000000000000000000000000000000000000000000000000000000",
        "ed25519:c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        assert!(weak.parse::<Key>().is_err(), "{weak}");
    }
    for bad in ["", "ed25519:", "ed448:00", &format!("{}0", key())] {
        assert!(bad.parse::<Key>().unwrap_err().contains("64 hex digits"), "{bad}");
    }
}

#[test]
fn a_fingerprint_is_read_over_the_phone() {
    let fingerprint = key().fingerprint();
    assert_eq!(fingerprint.len(), 35);
    assert!(fingerprint.split('-').all(|group| group.len() == 5 && group.parse::<u32>().is_ok()));
    assert!(key().is_called(&fingerprint));
    assert!(key().is_called(&fingerprint.replace('-', " ")));
    assert!(key().is_called(&fingerprint.replace('-', "")));
    assert!(key().is_called(&key().to_string()));
    let near = fingerprint.replacen(&fingerprint[..1], "x", 1);
    for other in ["", " ", &fingerprint[..34], &near, &Signer::new(&[8; 32]).key().fingerprint()] {
        assert!(!key().is_called(other), "{other:?}");
    }
}

#[test]
fn a_secret_is_shown_by_nothing() {
    let shown = format!("{:?}", Signer::new(&[7; 32]));
    assert!(!shown.contains("0707") && shown.contains("ed25519:"), "{shown}");
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(|n| Value::from(n % (EXACT as i64))),
        any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n).map(Value::Number)),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    /// What is signed verifies after the trip through a line, and with no other key.
    #[test]
    fn what_was_signed_verifies_as_it_is_read(content in json(), more in json()) {
        let map = signed(json!({"content": content, "x": more}));
        prop_assert_eq!(Value::Object(map.clone()).to_string().len() + 1, // no comma in an object of one field
            json!({"content": &map["content"], "x": &map["x"]}).to_string().len() + OVERHEAD + 1);
        let read = super::super::json::parse(&Value::Object(map).to_string(), Default::default()).unwrap().remove(0);
        let read = object(read);
        prop_assert!(key().verifies(&read));
        prop_assert!(!Signer::new(&[8; 32]).key().verifies(&read));
    }

    /// Another content, another field, a field less: no more valid.
    #[test]
    fn a_change_shows(one in json(), other in json(), at in 0_usize..128) {
        let map = signed(json!({"content": one, "to": "lab"}));
        let mut changed = map.clone();
        changed.insert("content".into(), other.clone());
        let same = serde_json_canonicalizer::to_vec(&one).unwrap() == serde_json_canonicalizer::to_vec(&other).unwrap();
        prop_assert_eq!(key().verifies(&changed), same);
        let mut more = map.clone();
        more.insert("x".into(), other);
        prop_assert!(!key().verifies(&more));
        let mut less = map.clone();
        less.remove("to");
        prop_assert!(!key().verifies(&less));
        let mut flipped = map.clone();
        let mut signature = map[FIELD].as_str().unwrap().to_owned().into_bytes();
        signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
        flipped.insert(FIELD.into(), String::from_utf8(signature).unwrap().into());
        prop_assert!(!key().verifies(&flipped));
    }
}
