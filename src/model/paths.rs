//! Names of files and folders as people type them, found among the names that a disk really keeps.
//!
//! What is typed is Unicode. What lies on a disk of Linux is bytes: names that an old tool stored as GBK, names that a
//! Mac decomposed, a share mounted with the wrong `iocharset`, text that was read in a wrong encoding and written
//! back. So a name is looked for in steps, the closest first: the same bytes; the same text composed otherwise (NFC,
//! NFD); the same text in an older encoding; the same text garbled by such a misreading, or ungarbled; and what is left
//! of it where the misreading lost some bytes.
//!
//! Invariants: a step is taken only if no earlier one found anything, so the exact name always wins; two names of one
//! step are never chosen between; an ASCII name is found by its own bytes alone. Names are the bytes of an `OsStr`:
//! as the disk has them on Unix, elsewhere UTF-8 (with lone surrogates encoded in the same manner, which no text has).

mod damaged;
mod misread;

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::name;
use damaged::{Pattern, damaged};
use misread::{Code, before, garbled};

/// How a name on disk is the one that was typed, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Byte for byte.
    Exact,
    /// The same text, its characters composed otherwise.
    Composition,
    /// The same text in an older encoding.
    Encoding,
    /// The same text, one of the two read in a wrong encoding, once or twice.
    Mojibake,
    /// The same, but what was lost by it can't be compared.
    Damaged,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Exact => "the same name",
            How::Composition => "the same name, its characters composed otherwise (NFC, NFD)",
            How::Encoding => "the same name in an older encoding than UTF-8",
            How::Mojibake => "the same name, read in a wrong encoding by whoever wrote one of the two",
            How::Damaged => "the same name as far as can be told, read in a wrong encoding that lost a part of one of the two",
        })
    }
}

/// What was found for a name, as indices of the names there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Nothing.
    None,
    /// One name.
    One(usize, How),
    /// Several that are equally close.
    Several(How, Vec<usize>),
}

/// Looks for what was `typed` among the names that are `there`.
pub fn pick<N: AsRef<[u8]>>(typed: &[u8], there: &[N]) -> Pick {
    if let Some(at) = there.iter().position(|name| name.as_ref() == typed) {
        return Pick::One(at, How::Exact);
    }
    if typed.is_ascii() {
        return Pick::None;
    }
    let wanted: Vec<Wanted> = readings(typed).into_iter().map(Wanted::new).collect();
    for how in [How::Composition, How::Encoding, How::Mojibake, How::Damaged] {
        let fits = |name: &N| wanted.iter().any(|wanted| wanted.fits(name.as_ref(), how));
        let found: Vec<usize> = (0..there.len()).filter(|at| fits(&there[*at])).collect();
        match found[..] {
            [] => {}
            [one] => return Pick::One(one, how),
            _ => return Pick::Several(how, found),
        }
    }
    Pick::None
}

/// A name that is looked for.
struct Wanted {
    composed: String,
    garbled: Vec<String>,
    damaged: Vec<Pattern>,
}

impl Wanted {
    fn new(text: String) -> Wanted {
        Wanted { composed: text.nfc().collect(), garbled: garbled(&text), damaged: damaged(&text) }
    }

    fn fits(&self, name: &[u8], how: How) -> bool {
        match std::str::from_utf8(name) {
            // ASCII is the same in every encoding and composition.
            Ok(text) if text.is_ascii() => false,
            Ok(text) => match how {
                How::Composition => text.nfc().eq(self.composed.chars()),
                How::Mojibake => self.garbled.contains(&text.nfc().collect()),
                How::Damaged => {
                    let composed: String = text.nfc().collect();
                    self.damaged.iter().any(|pattern| pattern.fits(&composed))
                        || damaged(text).iter().any(|pattern| pattern.fits(&self.composed))
                }
                How::Exact | How::Encoding => false,
            },
            // Some characters have two codes in an encoding: what the name reads as counts, not how we would write it.
            Err(_) => {
                how == How::Encoding && readings(name).iter().any(|text| text.nfc().eq(self.composed.chars()))
            }
        }
    }
}

/// What a name may say: itself if it is UTF-8, else its text in each of the older encodings that it can be.
fn readings(name: &[u8]) -> Vec<String> {
    match std::str::from_utf8(name) {
        Ok(text) => vec![text.to_owned()],
        Err(_) => Code::OLDER.into_iter().filter_map(|code| code.read(name)).collect(),
    }
}

/// A name as text that a config can hold and that [`pick`] finds again: the first of its readings without control
/// characters. `None` if there is none.
pub fn readable(name: &[u8]) -> Option<String> {
    readings(name).into_iter().find(|text| !text.chars().any(char::is_control))
}

/// A name or path for people: each name as it is, or byte by byte if it is no text.
pub fn shown(path: &[u8]) -> String {
    let name = |name: &[u8]| std::str::from_utf8(name).map_or_else(|_| bytes(name), str::to_owned);
    path.split(|byte| *byte == b'/').map(name).collect::<Vec<_>>().join("/")
}

/// A name with its bytes, where those say more than the text: `"共享" (\xb9\xb2\xcf\xed)`. Of the texts that it may be,
/// the one that was `typed` is told, if it is among them.
pub fn told(name: &[u8], typed: &[u8]) -> String {
    let typed: Vec<String> = readings(typed).iter().map(|text| text.nfc().collect()).collect();
    let meant = readings(name).into_iter().find(|text| typed.contains(&text.nfc().collect()));
    told_as(name, &meant.or_else(|| readable(name)).unwrap_or_else(|| shown(name)))
}

/// A name as this text, and its bytes.
fn told_as(name: &[u8], text: &str) -> String {
    match name.is_ascii() {
        true => format!("{text:?}"),
        false => format!("{text:?} ({})", bytes(name)),
    }
}

/// ASCII as it is, all else as `\xNN`.
fn bytes(name: &[u8]) -> String {
    let byte = |byte: &u8| match *byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    name.iter().map(byte).collect()
}

/// Up to three of the names `there` that may have been meant, the likeliest first, as [`told`] tells them.
pub fn near<N: AsRef<[u8]>>(typed: &[u8], there: &[N]) -> Vec<String> {
    let wanted = readings(typed);
    let alike =
        |text: &str| wanted.iter().filter_map(|wanted| name::likeness(wanted, text)).max_by(f64::total_cmp);
    let mut scored: Vec<(f64, String)> = vec![];
    for name in there.iter().map(AsRef::as_ref) {
        // A garbled name is as near as what it was before.
        let score = |text: &str| {
            std::iter::once(text.to_owned())
                .chain(before(text))
                .filter_map(|text| alike(&text))
                .max_by(f64::total_cmp)
        };
        let texts = readings(name).into_iter().filter_map(|text| Some((score(&text)?, text)));
        if let Some((score, text)) = texts.max_by(|a, b| a.0.total_cmp(&b.0)) {
            scored.push((score, told_as(name, &text)));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().take(3).map(|(_, told)| told).collect()
}

#[cfg(test)]
mod tests;
