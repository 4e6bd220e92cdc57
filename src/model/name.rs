//! Names of instances and agents, and the addresses made of them.
//!
//! Names become file names on a share that Windows, Linux and macOS read, so the rules are the strictest of all three.
//! Grammar: `address := name ("/" name)?`, `name := first rest*`, at most 64 bytes of UTF-8 after NFC;
//! `first := letter | digit`, `rest := letter | digit | mark | "-" | "_" | "."`.
//! Invariants: a `Name` is in NFC and keeps its case; it is never a path, a Windows device, or one of our own suffixes.
//! Two names of equal [`Name::fold`] may be one file on a server that folds case: they must not coexist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::visible::acts;

/// The longest name in bytes; leaves room for the prefixes, numbers and suffixes of lane files within 255.
pub const MAX_BYTES: usize = 64;

/// Suffixes of our own files; a name that ends in one could pose as such a file.
const SUFFIXES: [&str; 4] = [".json", ".jsonl", ".lock", ".tmp"];

/// Means every mailbox.
const RESERVED: &str = super::group::ALL;

/// A valid name of an instance or an agent, in NFC, its case as it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks and normalises `text`.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let name: String = text.nfc().collect();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        // Characters come before the length: "a path was given" explains more than "it is long".
        if let Some(bad) = name.chars().find(|&c| !allowed(c)) {
            return Err(NameError::Char(name, bad));
        }
        if let Some(first) = name.chars().next().filter(|&c| !c.is_alphanumeric() || is_combining_mark(c)) {
            return Err(NameError::First(name, first));
        }
        if name.len() > MAX_BYTES {
            return Err(NameError::Long(name));
        }
        // Windows drops a final dot, so "a." would be the file of "a".
        if name.ends_with('.') {
            return Err(NameError::Dot(name));
        }
        let lower = name.to_ascii_lowercase();
        if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| lower.ends_with(suffix)) {
            return Err(NameError::Suffix(name, suffix));
        }
        if is_device(&lower) {
            return Err(NameError::Device(name));
        }
        if fold(&name) == RESERVED {
            return Err(NameError::Reserved(name));
        }
        Ok(Name(name))
    }

    /// The name as it was given, in NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which names that a file server may take for one file are equal. For comparing only: it can be
    /// longer than a name may be.
    pub fn fold(&self) -> String {
        fold(&self.0)
    }

    /// Whether a file server may take both names for one file.
    pub fn same_as(&self, other: &Name) -> bool {
        self == other || self.fold() == other.fold()
    }
}

/// Lower case alone is not enough: σ and ς, ß and ẞ, ſ and s differ only in case and meet only by way of upper case.
/// It goes character by character since `str::to_lowercase` treats a Σ at the end of a word apart.
pub(super) fn fold(text: &str) -> String {
    text.nfc()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

fn allowed(c: char) -> bool {
    matches!(c, '-' | '_' | '.') || ((c.is_alphanumeric() || is_combining_mark(c)) && !is_invisible(c))
}

/// Letters and marks that show nothing: two names could look the same. (Default_Ignorable_Code_Point of Unicode, as
/// far as its members are letters or marks; joiners and bidi controls are neither and never get here.)
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}')
        || matches!(c, '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

/// Windows opens a device for these whatever follows the first dot. (CONIN$ and CONOUT$ fall to their `$`.)
pub(super) fn is_device(lower: &str) -> bool {
    let stem = lower.split('.').next().unwrap_or(lower);
    if matches!(stem, "con" | "prn" | "aux" | "nul") {
        return true;
    }
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")).unwrap_or("");
    let mut port = port.chars();
    matches!((port.next(), port.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// What is wrong with a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// There is nothing.
    Empty,
    /// A character that no name may hold.
    Char(String, char),
    /// A character that no name may begin with.
    First(String, char),
    /// More than [`MAX_BYTES`].
    Long(String),
    /// Ends with a dot.
    Dot(String),
    /// Ends like one of our own files.
    Suffix(String, &'static str),
    /// A device on Windows.
    Device(String),
    /// Kept for a later meaning.
    Reserved(String),
    /// An address with nothing on one side of its slash.
    Half(String),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => write!(f, "the name is empty"),
            NameError::Char(name, bad) => {
                let bad = visible(format!("{bad:?}"));
                write!(f, "{} holds {bad}; allowed are letters, digits, '-', '_' and '.'", quoted(name))
            }
            NameError::First(name, first) => {
                write!(f, "{} begins with {first:?}; a name begins with a letter or a digit", quoted(name))
            }
            NameError::Long(name) => {
                write!(f, "{} is {} bytes long; at most {MAX_BYTES}", quoted(name), name.len())
            }
            NameError::Dot(name) => write!(f, "{} ends with '.', which Windows drops", quoted(name)),
            NameError::Suffix(name, suffix) => {
                write!(f, "{} ends in {suffix:?} like a file of lanpost's own", quoted(name))
            }
            NameError::Device(name) => write!(f, "{} is a device name on Windows", quoted(name)),
            NameError::Reserved(name) => write!(f, "{} is reserved", quoted(name)),
            NameError::Half(text) => {
                write!(f, "{} lacks a name beside its '/'; write instance or instance/agent", quoted(text))
            }
        }
    }
}

impl std::error::Error for NameError {}

/// What is none, or may be none, for a message: in quotes and escaped, since it may come from the share and end on a
/// terminal, and cut.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(48) {
        Some((cut, _)) => visible(format!("{:?}", format!("{}…", &text[..cut]))),
        None => visible(format!("{text:?}")),
    }
}

/// What `{:?}` takes for printable though nobody can see it.
fn visible(text: String) -> String {
    let hides = |c: char| is_invisible(c) || acts(c);
    if !text.contains(hides) {
        return text;
    }
    text.chars().map(|c| if hides(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Who a message is from or to: an instance, or one agent behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// Whose mailbox.
    pub instance: Name,
    /// Who behind it; nobody in particular if `None`.
    pub agent: Option<Name>,
}

impl Address {
    /// Whether both are the same one, however they are written.
    pub fn same_as(&self, other: &Address) -> bool {
        let agent = |address: &Address| address.agent.as_ref().map(Name::fold);
        self.instance.same_as(&other.instance) && agent(self) == agent(other)
    }
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            None => Ok(Address { instance: Name::parse(text)?, agent: None }),
            Some(("", _) | (_, "")) => Err(NameError::Half(text.to_owned())),
            Some((instance, agent)) => {
                Ok(Address { instance: Name::parse(instance)?, agent: Some(Name::parse(agent)?) })
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            None => write!(f, "{}", self.instance),
            Some(agent) => write!(f, "{}/{agent}", self.instance),
        }
    }
}

impl From<Name> for Address {
    fn from(instance: Name) -> Self {
        Address { instance, agent: None }
    }
}

impl TryFrom<String> for Address {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Name::parse(text)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Name::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

/// Up to three of the `known` names that `wanted` may have been meant to be, the likeliest first.
pub fn near<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> =
        known.into_iter().filter_map(|name| likeness(wanted, name).map(|score| (score, name))).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// How alike two names are but for case, if at all; 1 is the most. Jaro-Winkler knows common beginnings but finds
/// nothing in names of two or three characters, which Chinese ones are; there one edit is enough, or half of them.
pub fn likeness(wanted: &str, name: &str) -> Option<f64> {
    const PLAUSIBLE: f64 = 0.8;
    // Measuring costs the product of both lengths, and nothing this long is a slip of the pen.
    if wanted.len().max(name.len()) > 4 * MAX_BYTES {
        return None;
    }
    let (wanted, name) = (fold(wanted), fold(name));
    let edits = strsim::normalized_damerau_levenshtein(&wanted, &name);
    let score = strsim::jaro_winkler(&wanted, &name).max(edits);
    let one_edit = edits > 0.6 && strsim::damerau_levenshtein(&wanted, &name) == 1;
    // Each of these characters is a syllable or a word.
    let east_asian = !wanted.is_empty() && wanted.chars().chain(name.chars()).all(|c| c >= '\u{2e80}');
    (score >= PLAUSIBLE || one_edit || east_asian && edits >= 0.5).then_some(score)
}

#[cfg(test)]
mod tests;
