//! A whole text whose encoding nobody told: a config that an editor saved its own way, or what is piped in.
//!
//! 1. A BOM is believed.
//! 2. Valid UTF-8 is never altered. Without NULs it stays as it is. With NULs it is text only where every second byte is
//!    one, which is ASCII in UTF-16; else it is refused.
//! 3. UTF-8 with a character cut in two is refused: it is no GBK.
//! 4. Of the rest, what has NULs is UTF-16 if it is plausible so in one byte order. What has none is GB18030, or lines of
//!    it among lines of UTF-8 (two editors), unless that reads badly, and as Western text or in UTF-16 it reads better.
//!
//! Whatever was guessed comes with a note for the person who piped it in, and where two readings are as good as each
//! other it is refused: an error is mended at once, wrong text is found when it is too late.

use std::borrow::Cow;
use std::str::from_utf8;

use encoding_rs::GB18030;

use super::mojibake::{is_common, is_private, is_written};
use super::start::Start;
use super::western::{may_be_western, western};
use super::{Damage, Encoding, decode, utf8};

/// The fewest characters of UTF-16 without BOM and NULs that are believed.
const ENOUGH: usize = 4;
/// How much of another reading a note shows, in characters.
const SHOWN: usize = 40;

/// A text, and what it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it says, without BOM.
    pub text: String,
    /// How it was written.
    pub encoding: Encoding,
    /// What whoever wrote it should know, if the encoding was guessed or may be another one.
    pub note: Option<String>,
}

/// Reads a whole document.
///
/// # Errors
/// It is no text, or it could be several.
pub fn decode_document(bytes: &[u8]) -> Result<Document, Damage> {
    if let Some(start) = Start::by_bom(bytes) {
        return marked(&start, &bytes[start.bom..]);
    }
    let nuls = bytes.contains(&0);
    if let Ok(text) = from_utf8(bytes) {
        return if nuls { alternating(bytes) } else { Ok(as_it_is(text)) };
    }
    let (encoding, text) = if nuls { by_nuls(bytes).ok_or(Damage::Nul)? } else { without_nuls(bytes)? };
    Ok(Document { text: text.into_owned(), encoding, note: Some(guess(encoding)) })
}

/// What stands behind a BOM.
fn marked(start: &Start, bytes: &[u8]) -> Result<Document, Damage> {
    if !start.encoding.is_utf16() && !bytes.contains(&0) && from_utf8(bytes).is_err() {
        let (encoding, text) = (Encoding::Gb18030, by_lines(bytes, true)?.ok_or(Damage::Undecodable)?);
        return Ok(Document { text, encoding, note: Some(guess(encoding)) });
    }
    let (encoding, text) = decode(start.encoding, bytes);
    Ok(Document { text: text?.into_owned(), encoding, note: None })
}

/// Lines of GB18030, perhaps among lines of UTF-8; these there are for sure after its BOM. `None`: some are neither.
fn by_lines(bytes: &[u8], after_bom: bool) -> Result<Option<String>, Damage> {
    let lines = || bytes.split_inclusive(|byte| *byte == b'\n');
    if lines().any(is_cut) {
        return Err(Damage::Cut);
    }
    // GBK of few characters may be UTF-8 by chance, but then hardly beyond U+07FF.
    let sure = |line: &[u8]| utf8(line).is_some_and(|text| text.chars().any(|c| c > '\u{7ff}'));
    let mixed = after_bom || lines().any(sure);
    let read = |line| {
        let gbk = || GB18030.decode_without_bom_handling_and_without_replacement(line);
        if mixed { utf8(line).or_else(gbk) } else { gbk().or_else(|| utf8(line)) }
    };
    Ok(lines().map(read).collect())
}

fn guess(encoding: Encoding) -> String {
    let name = match encoding {
        Encoding::Gb18030 => "GBK".to_owned(),
        other => format!("{} without BOM", other.name().to_uppercase()),
    };
    format!("it was taken for {name}; if that is wrong, write it as UTF-8")
}

/// UTF-8. UTF-16 of few Chinese characters may be ASCII, too: that is told, but nothing is done about it.
fn as_it_is(text: &str) -> Document {
    let everyday = |encoding| {
        let wide = utf16(text.as_bytes(), encoding)?;
        let len = wide.chars().count();
        let odd_looking = len >= ENOUGH || text.contains(|c: char| !c.is_ascii_alphanumeric());
        let chinese = |c| is_common(c) || matches!(c, '\u{3001}'..='\u{3011}');
        (len > 1 && odd_looking && wide.chars().all(chinese)).then(|| wide.into_owned())
    };
    let other = [Encoding::Utf16Le, Encoding::Utf16Be].into_iter().find_map(everyday);
    let note = other.map(|other| {
        let shown = match other.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &other[..end]),
            None => other,
        };
        format!("it was taken for UTF-8; if it is {shown:?} in UTF-16, write it with a BOM")
    });
    Document { text: text.to_owned(), encoding: Encoding::Utf8, note }
}

/// ASCII in UTF-16, which is valid UTF-8 with a NUL in each second place.
fn alternating(bytes: &[u8]) -> Result<Document, Damage> {
    let encoding = if bytes[0] == 0 { Encoding::Utf16Be } else { Encoding::Utf16Le };
    let text = utf16(bytes, encoding)
        .filter(|text| bytes.len() > 2 && text.is_ascii() && text.chars().all(is_written));
    let text = text.ok_or(Damage::Nul)?.into_owned();
    Ok(Document { text, encoding, note: Some(guess(encoding)) })
}

/// UTF-16 that is no valid UTF-8 and has NULs: of ASCII, or of characters such as U+4E00.
fn by_nuls(bytes: &[u8]) -> Option<(Encoding, Cow<'_, str>)> {
    let nuls = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    let plausible = |(encoding, own, other): (Encoding, usize, usize)| {
        let text = utf16(bytes, encoding)?;
        // Three characters in four: fewer NULs may be a stranger's among Chinese in bytes.
        let mostly_ascii = other == 0 && own * 8 >= bytes.len() * 3;
        let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r') || is_private(c);
        let fits = if mostly_ascii { !text.contains(odd) } else { is_everyday(&text) };
        fits.then_some((encoding, text, mostly_ascii))
    };
    let le = plausible((Encoding::Utf16Le, odd, even));
    let be = plausible((Encoding::Utf16Be, even, odd));
    match (le, be) {
        (Some((encoding, text, _)), None) | (None, Some((encoding, text, _))) => Some((encoding, text)),
        (Some((encoding, text, true)), _) | (_, Some((encoding, text, true))) => Some((encoding, text)),
        _ => None,
    }
}

/// GB18030, or Chinese in UTF-16 without any ASCII.
fn without_nuls(bytes: &[u8]) -> Result<(Encoding, Cow<'_, str>), Damage> {
    let gbk = by_lines(bytes, false)?.map(Cow::Owned);
    let mostly_common = |text: &&Cow<'_, str>| common(text) * 2 > hanzi(text) && !may_be_western(text);
    if let Some(text) = gbk.as_ref().filter(mostly_common) {
        return Ok((Encoding::Gb18030, text.clone()));
    }
    let everyday = |encoding| {
        let text = utf16(bytes, encoding)?;
        (hanzi(&text) > 0 && is_everyday(&text)).then_some((encoding, text))
    };
    match (gbk, everyday(Encoding::Utf16Le), everyday(Encoding::Utf16Be)) {
        (_, Some(wide), None) | (_, None, Some(wide)) if wide.1.chars().count() >= ENOUGH => Ok(wide),
        (_, Some(_), _) | (_, _, Some(_)) => Err(Damage::Unclear),
        (Some(text), ..)
            if western(&text).is_some() || may_be_western(&text) || text.contains(is_private) =>
        {
            Err(Damage::Unclear)
        }
        (Some(text), ..) => Ok((Encoding::Gb18030, text)),
        (None, ..) => Err(Damage::Undecodable),
    }
}

/// Whether a line is UTF-8 with characters that were cut in two, at its end or elsewhere.
fn is_cut(bytes: &[u8]) -> bool {
    if utf8(bytes).is_some() {
        return false;
    }
    let at_the_end = from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
    let text = String::from_utf8_lossy(bytes);
    let broken = text.chars().filter(|c| *c == '\u{FFFD}').count();
    // GBK makes next to no valid sequence of three bytes, and breaks everywhere else.
    let whole = text.chars().filter(|c| *c != '\u{FFFD}' && c.len_utf8() > 2).count();
    at_the_end || whole > broken
}

fn utf16(bytes: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    decode(encoding, bytes).1.ok()
}

/// Whether it is made of what Chinese and Japanese text is, with hardly any rare character. Hangul is not: pairs of
/// GBK's bytes often make it.
fn is_everyday(text: &str) -> bool {
    let known = |c: char| is_written(c) && !('\u{AC00}'..='\u{D7A3}').contains(&c);
    text.chars().all(known) && common(text) * 5 >= hanzi(text) * 4
}

fn hanzi(text: &str) -> usize {
    text.chars().filter(|c| ('\u{4E00}'..='\u{9FA5}').contains(c)).count()
}

fn common(text: &str) -> usize {
    text.chars().filter(|c| is_common(*c)).count()
}

#[cfg(test)]
mod tests;
