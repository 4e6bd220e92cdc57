//! JSON in ASCII alone: what stands there means the same, and every encoding that a pipe may be read in has ASCII.
//!
//! A Chinese Windows reads pipes in code page 936 (PowerShell 5.1, Python), where UTF-8 turns to garbage.

/// The same JSON, every other character written as `\uXXXX`, in UTF-16's units.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            // Beyond ASCII JSON has characters in strings alone, where an escape may stand.
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_ascii() {
        let printed = escaped(r#"{"你":"好，é \" 😀"}"#);
        assert_eq!(printed, r#"{"\u4f60":"\u597d\uff0c\u00e9 \" \ud83d\ude00"}"#);
    }

    proptest! {
        #[test]
        fn it_means_the_same(text in any::<String>()) {
            let printed = escaped(&serde_json::to_string(&text).unwrap());
            prop_assert!(printed.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
        }
    }
}
