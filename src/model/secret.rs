//! Secrets: the reference that a config holds, and the text that it stands for.
//!
//! Grammar: `env:VARIABLE`, `file:PATH`, `keyring:NAME`. Anything else is taken for a secret in clear and refused.
//! Invariants: neither `Debug` nor an error of this file ever shows a secret, or the text that may be one; a secret's
//! memory is wiped when it is dropped.

use std::fmt;
use std::path::PathBuf;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use zeroize::Zeroizing;

use super::name::Name;

/// The longest secret that is taken, in bytes. A Credential Manager entry holds 2,560.
pub const LONGEST: usize = 1_024;

/// What is said of a text that is no reference. It never repeats it.
const IN_CLEAR: &str = "this is no reference to a secret; secrets never stand in the config in clear";

/// The way out, as commands.
pub const WAY_OUT: &str = "take the secret out of the config, store it with `lanpost secret set share-password`, and \
                           write 'keyring:share-password', 'file:PATH' or 'env:VARIABLE' in its place";

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable of the process.
    Env(String),
    /// In a file that its owner alone may read.
    File(PathBuf),
    /// In the system's own store of this user.
    Keyring(Name),
}

impl SecretRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// A sentence that does not repeat the text.
    pub fn parse(text: &str) -> Result<SecretRef, String> {
        let Some((kind, rest)) = text.split_once(':') else { return Err(IN_CLEAR.into()) };
        match kind {
            "env" if is_variable(rest) => Ok(SecretRef::Env(rest.into())),
            "env" => Err("env: is followed by no name of a variable".into()),
            "file" if !rest.trim().is_empty() && !rest.contains(char::is_control) => {
                Ok(SecretRef::File(rest.into()))
            }
            "file" => Err("file: is followed by no path".into()),
            "keyring" => Name::parse(rest).map(SecretRef::Keyring).map_err(|_| {
                "keyring: is followed by no name; letters, digits, `-`, `_` and `.` make one".into()
            }),
            _ => Err(IN_CLEAR.into()),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_control() || c.is_whitespace())
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(variable) => write!(f, "env:{variable}"),
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
            SecretRef::Keyring(name) => write!(f, "keyring:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    /// Whatever stands there, the error does not show it: a number or a list may be the secret, too.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SecretRef, D::Error> {
        struct Reference;

        impl Visitor<'_> for Reference {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
                SecretRef::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(E::custom(IN_CLEAR))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
                Err(E::custom(IN_CLEAR))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
                Err(E::custom(IN_CLEAR))
            }
        }

        from.deserialize_any(Reference)
    }
}

/// A secret's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// `text` as a secret: without the one newline that editors and `echo` leave at its end.
    ///
    /// # Errors
    /// It is empty, or nothing that anybody means by a password; the sentence does not show it.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Secret, &'static str> {
        let mut text = text.into();
        let end = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).map_or(text.len(), str::len);
        text.truncate(end);
        match &**text {
            "" => Err("it is empty"),
            long if long.len() > LONGEST => Err("it is longer than 1024 bytes"),
            lines if lines.contains(['\n', '\r']) => Err("it has several lines; a secret is one"),
            raw if raw.contains(char::is_control) => Err("it holds a control character"),
            _ => Ok(Secret(text)),
        }
    }

    /// The text itself, for whoever has to hand it over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reference_is_one_of_three() {
        for text in ["env:LANPOST_SHARE_PASSWORD", r"file:C:\ProgramData\密码.txt", "keyring:share-password"]
        {
            assert_eq!(SecretRef::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_not_repeated() {
        for text in
            ["hunter2", "pass:hunter2", "env:hunter 2", "env:", "file:", "keyring:", "keyring:a/hunter2"]
        {
            let said = SecretRef::parse(text).unwrap_err();
            assert!(!said.contains("hunter"), "{said}");
        }
    }

    #[test]
    fn a_secret_loses_one_newline_and_is_never_shown() {
        for (text, secret) in [("x y\n", "x y"), ("密码\r\n", "密码"), (" x ", " x "), ("x", "x")] {
            assert_eq!(Secret::new(text.to_owned()).unwrap().expose(), secret);
        }
        for text in ["", "\n", "a\nb", "a\n\n", "a\tb", "a\0", &"x".repeat(1025)] {
            assert!(Secret::new(text.to_owned()).is_err(), "{text:?}");
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Ok(Secret(…))");
    }

    proptest! {
        #[test]
        fn any_reference_prints_as_it_was_read(text in "(env|file|keyring|x)?:?[^\0]{0,20}") {
            if let Ok(reference) = SecretRef::parse(&text) {
                prop_assert_eq!(SecretRef::parse(&reference.to_string()), Ok(reference));
            }
        }
    }
}
