//! Text that went through a wrong encoding on its way: `浣犲ソ` and `ÄãºÃ` were both `你好` once.
//!
//! A misreading is a pair of codes: the text was written in the first and read in the second. Only those count that
//! lose nothing, so each can be undone, and what reads well after undoing it is no accident.

use encoding_rs::{BIG5, GB18030, SHIFT_JIS, WINDOWS_1252};
use unicode_normalization::UnicodeNormalization;

/// A way to write text as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Utf8,
    /// And so GBK and GB2312.
    Gb18030,
    Big5,
    ShiftJis,
    Windows1252,
    /// Each byte a character: Linux's `iocharset=iso8859-1`. Differs from Windows-1252 in 80-9F.
    Latin1,
}

/// Misreadings that happen once, as (written, read).
const ONCE: [(Code, Code); 11] = [
    (Code::Utf8, Code::Gb18030),
    (Code::Utf8, Code::Big5),
    (Code::Utf8, Code::ShiftJis),
    (Code::Utf8, Code::Windows1252),
    (Code::Utf8, Code::Latin1),
    (Code::Gb18030, Code::Windows1252),
    (Code::Gb18030, Code::Latin1),
    (Code::Big5, Code::Windows1252),
    (Code::Big5, Code::Latin1),
    (Code::ShiftJis, Code::Windows1252),
    (Code::ShiftJis, Code::Latin1),
];

/// Misreadings that happen to the same text again.
const AGAIN: [(Code, Code); 3] =
    [(Code::Utf8, Code::Gb18030), (Code::Utf8, Code::Windows1252), (Code::Utf8, Code::Latin1)];

impl Code {
    /// What names on disks were written in before UTF-8, the likeliest first.
    pub const OLDER: [Code; 4] = [Code::Gb18030, Code::Big5, Code::ShiftJis, Code::Windows1252];

    /// The text that these bytes are; `None` if they are none.
    pub fn read(self, bytes: &[u8]) -> Option<String> {
        match self.encoding() {
            Some(encoding) => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
                text.map(|text| text.into_owned())
            }
            None if self == Code::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            None => Some(bytes.iter().copied().map(char::from).collect()),
        }
    }

    /// The bytes of this text; `None` if it has characters that this code has not.
    pub fn write(self, text: &str) -> Option<Vec<u8>> {
        match self.encoding() {
            Some(encoding) => {
                let (bytes, _, lost) = encoding.encode(text);
                (!lost).then(|| bytes.into_owned())
            }
            None if self == Code::Utf8 => Some(text.as_bytes().to_vec()),
            None => text.chars().map(|c| u8::try_from(c).ok()).collect(),
        }
    }

    fn encoding(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Code::Gb18030 => Some(GB18030),
            Code::Big5 => Some(BIG5),
            Code::ShiftJis => Some(SHIFT_JIS),
            Code::Windows1252 => Some(WINDOWS_1252),
            Code::Utf8 | Code::Latin1 => None,
        }
    }
}

/// What `text` may have become by misreadings, and what it may have been before some, in NFC and without itself.
pub(super) fn garbled(text: &str) -> Vec<String> {
    let composed: String = text.nfc().collect();
    let undone =
        |pairs: &[(Code, Code)]| pairs.iter().map(|(written, read)| (*read, *written)).collect::<Vec<_>>();
    let mut found: Vec<String> = vec![];
    for text in [composed.clone(), text.nfd().collect()] {
        for (once, again) in [(ONCE.to_vec(), AGAIN.to_vec()), (undone(&ONCE), undone(&AGAIN))] {
            found.extend(through(&text, &once));
            found.extend(through(&text, &again).iter().flat_map(|first| through(first, &again)));
        }
    }
    for text in &mut found {
        *text = text.nfc().collect();
    }
    found.retain(|text| *text != composed);
    found.sort_unstable();
    found.dedup();
    found
}

/// `text` after each of these misreadings that it can go through.
fn through(text: &str, pairs: &[(Code, Code)]) -> Vec<String> {
    pairs.iter().filter_map(|(written, read)| read.read(&written.write(text)?)).collect()
}

/// What UTF-8 `text` may have been before it was misread, once or twice, as far as it is left; for comparing only.
pub(super) fn before(text: &str) -> Vec<String> {
    let undo = |text: &str| -> Vec<String> {
        [Code::Gb18030, Code::Windows1252, Code::Latin1]
            .iter()
            .filter_map(|read| unread(text, *read))
            .collect()
    };
    let once = undo(text);
    let twice: Vec<String> = once.iter().flat_map(|text| undo(text)).collect();
    [once, twice].concat()
}

/// The UTF-8 that was read as `read`, without what was lost; `None` if little of it is UTF-8.
fn unread(text: &str, read: Code) -> Option<String> {
    let mut one = [0; 4];
    let known = text.chars().filter(|c| *c != '\u{fffd}');
    let bytes: Vec<u8> = known.filter_map(|c| read.write(c.encode_utf8(&mut one))).flatten().collect();
    let whole = String::from_utf8_lossy(&bytes);
    let lost = whole.matches('\u{fffd}').count();
    let fillers = ["\u{fffd}?", "\u{fffd}_", "\u{fffd} ", "\u{fffd}"];
    let kept = fillers.iter().fold(whole.into_owned(), |text, filler| text.replace(filler, ""));
    let telling = kept.chars().filter(|c| !c.is_ascii()).count();
    (telling > 0 && telling >= lost).then_some(kept)
}
