//! Text that was decoded wrongly before it reached us, and what it said before: `浣犲ソ` was `你好`.
//!
//! Such text is valid UTF-8 and stays as it is; the original is only offered beside it. The rule of evidence, all of it:
//! 1. The way back is exact: the text in the wrong encoding gives bytes that are all valid in the right one, and the
//!    same way forth gives the very same text again. What holds U+FFFD lost something, and is left alone.
//! 2. The original is shorter, and every character of it is one that people write: letters of the common scripts,
//!    CJK of the common range, punctuation, emoji; no controls, no private use, nothing unassigned.
//! 3. It says enough that chance is out of the question (`Weight`): no sentence of a living language reads so.
//! 4. There is one such original, not two. It may be two wrong turns away.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use encoding_rs::{BIG5, DecoderResult, Encoding, GBK, SHIFT_JIS, UTF_8, WINDOWS_1252};
use serde_json::Value;

use super::Encoding as Written;
use super::western::western as western_of;

/// The wrong turns: what bytes of the second were read as.
const TURNS: [(&Encoding, &Encoding); 5] =
    [(WINDOWS_1252, UTF_8), (GBK, UTF_8), (BIG5, UTF_8), (SHIFT_JIS, UTF_8), (WINDOWS_1252, GBK)];

/// What it takes to be believed, see [`weigh`].
const ENOUGH: usize = 2;

/// Letters that are tried before all of a text is.
const FIRST: usize = 8;

/// What a content said before it was decoded wrongly, by its writer or, if it was `written` in what we took for
/// GB18030, by us: of the same shape, with each such string mended. `None` unless the evidence is strong for one of them.
pub fn original_of(content: &Value, written: Option<Written>) -> Option<Value> {
    mended(content, &original).or_else(|| {
        let western = written == Some(Written::Gb18030) && all_western(content);
        if western { mended(content, &western_of) } else { None }
    })
}

/// Whether no string of it is Chinese, which a single one would prove.
fn all_western(content: &Value) -> bool {
    match content {
        Value::String(text) => text.is_ascii() || western_of(text).is_some(),
        Value::Array(values) => values.iter().all(all_western),
        Value::Object(map) => map.iter().all(|(key, value)| key.is_ascii() && all_western(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn mended(content: &Value, mend: &impl Fn(&str) -> Option<String>) -> Option<Value> {
    match content {
        Value::String(text) => mend(text).map(Value::String),
        Value::Array(values) => {
            let mended: Vec<_> = values.iter().map(|value| mended(value, mend)).collect();
            let all = || mended.iter().zip(values).map(|(new, old)| new.as_ref().unwrap_or(old).clone());
            mended.iter().any(Option::is_some).then(|| Value::Array(all().collect()))
        }
        Value::Object(map) => {
            let mended: Vec<_> = map.values().map(|value| mended(value, mend)).collect();
            let pair = |(new, (key, old)): (&Option<Value>, (&String, &Value))| {
                (key.clone(), new.as_ref().unwrap_or(old).clone())
            };
            mended
                .iter()
                .any(Option::is_some)
                .then(|| Value::Object(mended.iter().zip(map).map(pair).collect()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// What `text` said before it was decoded wrongly, once or twice.
pub fn original(text: &str) -> Option<String> {
    if text.is_ascii() || text.contains('\u{FFFD}') {
        return None;
    }
    let mut found: Vec<String> = vec![];
    for turn in TURNS {
        // UTF-8 proves itself, GBK does not: it is a guess for what nothing else explains.
        if turn.1 == GBK && !found.is_empty() {
            break;
        }
        let Some(once) = back(text, turn) else { continue };
        let before = found.len();
        let twice = TURNS.iter().filter_map(|turn| believed(&once, *turn));
        found.extend(twice);
        if found.len() == before {
            found.extend(Some(once).filter(|once| convinces(text, once, turn)));
        }
    }
    let mut found: Vec<String> = found.into_iter().map(all_the_way).collect();
    found.sort_unstable();
    found.dedup();
    if found.len() == 1 { found.pop() } else { None }
}

/// As far back as UTF-8 was read as 1252: what once was garbled for sure, and still reads so, was garbled once more.
fn all_the_way(mut original: String) -> String {
    let turn = (WINDOWS_1252, UTF_8);
    while let Some(before) = back(&original, turn).filter(|before| before.chars().all(is_written)) {
        original = before;
    }
    original
}

fn believed(text: &str, turn: (&'static Encoding, &'static Encoding)) -> Option<String> {
    back(text, turn).filter(|original| convinces(text, original, turn))
}

/// One turn back, if it is exact.
fn back(text: &str, (wrong, right): (&'static Encoding, &'static Encoding)) -> Option<String> {
    // Ordinary text fails with its first letters, before the rest of it is looked at.
    let start = text.find(|c: char| !c.is_ascii())?;
    let end = text[start..].char_indices().nth(FIRST).map_or(text.len(), |(at, _)| start + at);
    if !begins(&bytes_of(&text[start..end], wrong)?, right) {
        return None;
    }
    let bytes = bytes_of(text, wrong)?;
    let original = right.decode_without_bom_handling_and_without_replacement(&bytes)?;
    let (again, _, lossy) = right.encode(&original);
    (!lossy && *again == *bytes && original != text).then(|| original.into_owned())
}

/// Whether text in `encoding` may begin with these bytes, the last character perhaps cut off.
fn begins(bytes: &[u8], encoding: &'static Encoding) -> bool {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(4 * bytes.len());
    let (result, _) =
        decoder.decode_to_string_without_replacement(bytes, &mut String::with_capacity(room), false);
    result == DecoderResult::InputEmpty
}

/// The bytes that read as exactly this in `wrong`.
fn bytes_of<'a>(text: &'a str, wrong: &'static Encoding) -> Option<Cow<'a, [u8]>> {
    let (bytes, _, lossy) = wrong.encode(text);
    if !lossy && !text.contains(|c| has_two_codes(c, wrong)) {
        let forth = wrong.decode_without_bom_handling_and_without_replacement(&bytes);
        if forth.is_some_and(|forth| forth == text) {
            return Some(bytes);
        }
    }
    // Programs that say 1252 often mean Latin-1, which has controls where 1252 has more letters.
    let latin1 = || text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
    if wrong == WINDOWS_1252 { latin1().map(Cow::Owned) } else { None }
}

/// Whether a character has several codes in an encoding of two bytes each: which of them it was is not known.
fn has_two_codes(c: char, wrong: &'static Encoding) -> bool {
    static TWICE: LazyLock<[HashSet<char>; 3]> = LazyLock::new(|| [GBK, BIG5, SHIFT_JIS].map(twice));
    let known = [GBK, BIG5, SHIFT_JIS].iter().position(|encoding| *encoding == wrong);
    known.is_some_and(|at| TWICE[at].contains(&c))
}

fn twice(encoding: &'static Encoding) -> HashSet<char> {
    let codes = (0x81..=0xFE_u8).flat_map(|lead| (0x40..=0xFE_u8).map(move |trail| [lead, trail]));
    let mut seen = HashSet::new();
    codes
        .filter_map(|code| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(&code)?;
            let mut chars = text.chars();
            chars.next().filter(|_| chars.next().is_none())
        })
        .filter(|c| !seen.insert(*c))
        .collect()
}

/// Rules 2 and 3.
fn convinces(text: &str, original: &str, turn: (&Encoding, &Encoding)) -> bool {
    let foreign = || original.chars().filter(|c| !c.is_ascii());
    let shorter = original.chars().count() < text.chars().count();
    shorter
        && original.chars().all(is_written)
        && foreign().count() > 0
        && weigh(text, original, turn) >= ENOUGH
}

/// How much there is that chance does not make. Two common Chinese characters in a row where GBK was read as 1252. Else
/// the characters of UTF-8's multi-byte sequences: where they were read as CJK, those of three bytes and more; where
/// they were read as letters, the second and further ones, unless people put such a one behind a letter; or a single
/// `Ã` in a word of small letters, as in `MÃ¼ller`.
fn weigh(text: &str, original: &str, (wrong, right): (&Encoding, &Encoding)) -> usize {
    if right == GBK {
        // Capitals alone, as in ÁÉÍÓ or INFORMAÇÃO, are no evidence.
        if text.chars().all(|c| c.is_ascii() || c.is_uppercase()) {
            return 0;
        }
        let chinese: Vec<char> = original.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).collect();
        let ordinary = chinese.iter().filter(|c| is_common(**c)).count();
        let in_a_row = original.split(|c: char| !c.is_alphabetic() || c.is_ascii());
        let runs: Vec<usize> = in_a_row.map(|run| run.chars().count()).filter(|len| *len > 0).collect();
        let alone = runs.iter().filter(|len| **len == 1).count();
        let trusted = ordinary * 5 >= chinese.len() * 4 && alone * 2 < runs.len();
        return if trusted { runs.into_iter().max().unwrap_or(0) } else { 0 };
    }
    if wrong != WINDOWS_1252 {
        return original.chars().filter(|c| c.len_utf8() > 2).count();
    }
    if has_garbled_word(text) {
        return ENOUGH;
    }
    let continues =
        |c: &char| matches!(u32::from(*c), 0x80..=0xBF | 0x100..) && !behind_a_letter(*c) && !c.is_ascii();
    text.chars().filter(continues).count()
}

/// Whether people write such a sign right behind a letter.
fn behind_a_letter(c: char) -> bool {
    let typographic = matches!(c, '‚' | '„' | '…' | '‘' | '’' | '“' | '”' | '–' | '—' | '‹' | '›' | '®');
    typographic || matches!(c, '\u{A0}' | '«' | '»' | '°' | 'º' | 'ª' | '·' | '²' | '³' | '´' | '¿' | '¡')
}

/// Whether a word has an accented letter that was read as `Ã` and a sign. People write `Ã` in words of capitals only,
/// and a small letter neither before it nor behind the sign: `IRMÃ`, `«AMANHû`, `IRMÃ’s`.
fn has_garbled_word(text: &str) -> bool {
    let small = |c: char| c.is_ascii_lowercase();
    text.match_indices('Ã').any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let mut behind = text[at + found.len()..].chars();
        let (Some(sign), after) = (behind.next(), behind.next()) else { return false };
        let apart = !behind_a_letter(sign) || sign != '’' && !before.is_some_and(char::is_alphanumeric);
        before.is_some_and(small) || after.is_some_and(small) && apart
    })
}

/// Whether it is one of the 3755 Chinese characters of every day.
pub(super) fn is_common(c: char) -> bool {
    matches!(GBK.encode(c.encode_utf8(&mut [0; 4])).0[..], [0xB0..=0xD7, 0xA1..=0xFE])
}

/// Whether it is one that stands for nothing by itself: what GB18030 makes of bytes that GBK leaves open.
pub(super) fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..)
}

/// Whether it is a character that people write in mail.
pub(super) fn is_written(c: char) -> bool {
    matches!(c,
        '\t' | '\n' | '\r' | ' '..='~'
        | '\u{A0}'..='\u{AC}' | '\u{AE}'..='\u{17F}' // Latin
        | '\u{1A0}' | '\u{1A1}' | '\u{1AF}' | '\u{1B0}' | '\u{218}'..='\u{21B}' | '\u{1EA0}'..='\u{1EF9}'
        | '\u{300}'..='\u{304}' | '\u{306}'..='\u{309}' | '\u{323}' | '\u{327}' | '\u{328}'
        | '\u{386}'..='\u{3CE}' | '\u{400}'..='\u{45F}' | '\u{490}' | '\u{491}' // Greek, Cyrillic
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' | '\u{20AC}' | '\u{2100}'..='\u{214F}'
        | '\u{2190}'..='\u{21FF}' | '\u{2200}'..='\u{22FF}' | '\u{2460}'..='\u{27BF}'
        | '\u{3000}'..='\u{303F}' | '\u{3041}'..='\u{30FF}' | '\u{4E00}'..='\u{9FA5}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{FF01}'..='\u{FF5E}' | '\u{FFE0}'..='\u{FFE6}' | '\u{FE0F}' | '\u{200D}'
        | '\u{1F300}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests;
