//! Where a line begins and ends: its encoding, judged at its first bytes, and the seams where another one begins.
//!
//! Nothing behind a line's end is looked at, and what a look costs is bounded: a stranger's file must not cost the
//! square of its size. Half a line (a full disk, a killed script) must not take the next one with it. The rules, each
//! with what it is for; `|` is where it finds something:
//!
//! - [`opens_in_utf16`]: `|7B 00 22 00`, PowerShell's `{"` without BOM.
//! - [`stays_in_utf16`]: behind a line of UTF-16 `60 4F 7D 59 0A 00` is `你好`; `{"from":1}` and `# by hand, no JSON` are not.
//! - [`Start::seam_in_bytes`]: `{"a":"你"}|FF FE 7B 00`, a script's UTF-8 that PowerShell went on from without a newline.
//! - [`Start::seam_to_gbk`]: `{"a":"你"}|{"b":"C4 E3"}`, UTF-8 and then GBK: in neither is all of it valid.
//! - [`Start::cut_at`]: `{"a":"hel|{"b":1}`: [`Place`] knows that no JSON has an object in a string.
//! - [`Start::len_in_utf16`]: the same in UTF-16 by `cut.rs`; `7D 00|{"b":1}`, bytes behind a whole message; and
//!   `6F 6B 21 0A|{"b":1}`, where `ok!` in bytes was taken for UTF-16, and the next message must not be.
//! - [`without_half_newline`]: `7D 00 0A`, whose last `00` was cut off, is a whole line.

use std::str::from_utf8;

use super::cut::{begins_in_utf16, begins_plainly, the_better_of};
use super::opening::{Form, opens, opens_with_key};
use super::place::Place;
use super::{BOM_BE, BOM_LE, BOM8, Encoding, Line, decode, utf8, without_newline};

/// Candidates for a seam in a line for which quotes are counted.
const MAX_COUNTS: usize = 8;

/// Whether `buf` begins like a line of UTF-16 that has no BOM: `{` and then ASCII, perhaps after blanks, or a blank
/// line. A lone `0A 00` is not enough: it may as well be an empty line of bytes and then NULs or UTF-16BE.
pub(super) fn opens_in_utf16(buf: &[u8], form: Form) -> bool {
    let blanks =
        (0..).map_while(|i| form.unit(buf, i)).take_while(|unit| matches!(unit, 0x09 | 0x0D | 0x20)).count();
    match (form.unit(buf, blanks), form.unit(buf, blanks + 1)) {
        (Some(0x7B), next) => next.is_none_or(|unit| (1..0x80).contains(&unit)),
        // Half a unit behind blanks waits for its other half, lest `0D 00 0A` end a line one byte early.
        (None | Some(0x0A), _) => blanks > 0,
        _ => false,
    }
}

/// Whether the next line, after a UTF-16 line, goes on in UTF-16 rather than in bytes.
fn stays_in_utf16(buf: &[u8]) -> bool {
    if let [0, next, ..] = buf {
        // A unit such as U+4E00 or BE ASCII; two NULs are a hole, and so is one before a message in bytes.
        return *next != 0 && !opens(&buf[1..], Form::Byte);
    }
    if opens(buf.trim_ascii_start(), Form::Byte) {
        return false;
    }
    // Text in bytes that is no message: UTF-16 of this length is hardly ever printable ASCII or valid UTF-8.
    let line = buf.iter().position(|byte| *byte == b'\n').map_or(&buf[..0], |end| &buf[..end]);
    let printable = !line.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\r'));
    line.len() < 16 || !printable || from_utf8(line).is_err()
}

/// How a line begins; `Utf8` stands for any text in bytes.
pub(super) struct Start {
    /// What it was taken for.
    pub encoding: Encoding,
    /// Bytes of the BOM.
    pub bom: usize,
}

impl Start {
    /// What a BOM says.
    pub fn by_bom(buf: &[u8]) -> Option<Self> {
        let marks = [(BOM8, Encoding::Utf8Bom), (BOM_LE, Encoding::Utf16Le), (BOM_BE, Encoding::Utf16Be)];
        let (mark, encoding) = marks.into_iter().find(|(mark, _)| buf.starts_with(mark))?;
        Some(Start { encoding, bom: mark.len() })
    }

    /// How the line begins that `buf` begins with, behind a line in the encoding `before`.
    pub fn of(buf: &[u8], before: Option<Encoding>) -> Self {
        if let Some(start) = Start::by_bom(buf) {
            return start;
        }
        let encoding = match before {
            _ if opens_in_utf16(buf, Form::Le) => Encoding::Utf16Le,
            _ if opens_in_utf16(buf, Form::Be) => Encoding::Utf16Be,
            Some(encoding) if encoding.is_utf16() && stays_in_utf16(buf) => encoding,
            _ => Encoding::Utf8,
        };
        Start { encoding, bom: 0 }
    }

    /// Whether NULs stand where a line should start.
    pub fn is_hole(&self, buf: &[u8]) -> bool {
        !self.encoding.is_utf16() && buf.first() == Some(&0)
    }

    /// Length of the line if its end is there.
    pub fn len(&self, buf: &[u8], seams: bool) -> Option<usize> {
        if self.encoding.is_utf16() {
            // What was judged by its whole line is judged anew until a newline is there.
            let told_by_its_start =
                self.bom > 0 || opens_in_utf16(buf, Form::Le) || opens_in_utf16(buf, Form::Be);
            if !told_by_its_start && !buf.contains(&b'\n') {
                return None;
            }
            return self.len_in_utf16(buf, seams, false);
        }
        let newline = buf.iter().position(|byte| *byte == b'\n');
        let line = &buf[..newline.map_or(buf.len(), |at| at + 1)];
        // The common line ends here: valid UTF-8, no NUL, nothing glued in.
        let clean = !line.contains(&0) && utf8(line).is_some_and(|text| !text.contains("}\u{feff}{"));
        if !seams {
            return newline.map(|_| line.len());
        }
        if !clean && let Some(seam) = self.seam_in_bytes(line) {
            return self.cut_at(&line[..seam]).or(Some(seam));
        }
        newline?;
        let inner = || if clean { None } else { self.seam_to_gbk(line) };
        self.cut_at(line).or_else(inner).or(Some(line.len()))
    }

    /// Where UTF-16 or a second BOM begins inside a line of bytes.
    fn seam_in_bytes(&self, line: &[u8]) -> Option<usize> {
        let mut counts = 0;
        let mut in_text = |at: usize| {
            counts += 1;
            counts > MAX_COUNTS || ends_in_string(&line[self.bom..at])
        };
        (self.bom.max(1)..line.len()).find(|&at| {
            let rest = &line[at..];
            let preceding = line[at - 1];
            match line[at] {
                // FE may end a GBK pair right before FF FE, so FE FF counts only as the BOM of ASCII.
                0xFF => rest.starts_with(BOM_LE),
                0xFE => rest.starts_with(b"\xFE\xFF\0"),
                0xEF => {
                    preceding == b'}'
                        && rest.starts_with(BOM8)
                        && opens(&rest[3..], Form::Byte)
                        && !in_text(at)
                }
                // One NUL before `{ 00 "` makes it UTF-16BE; several are a hole before UTF-16LE.
                0 => preceding != 0 && opens(rest, Form::Be),
                b'{' => opens(rest, Form::Le),
                b'\r' => rest.starts_with(b"\r\0\n"),
                _ => false,
            }
        })
    }

    /// Where UTF-8 and GB18030 were glued without a newline between them, so that neither fits the whole line:
    /// `}{"` with valid UTF-8 beyond ASCII on one side only. Two places are tried, to stay linear in the line.
    pub fn seam_to_gbk(&self, line: &[u8]) -> Option<usize> {
        let valid = match from_utf8(line) {
            Err(error) if !self.encoding.is_utf16() => error.valid_up_to(),
            _ => return None,
        };
        let last_in = |part: &[u8]| part.windows(3).rposition(|bytes| bytes == b"}{\"").map(|at| at + 1);
        [last_in(&line[..valid]), last_in(line)].into_iter().flatten().find(|&at| {
            let (left, right) = line.split_at(at);
            let both = !left.is_ascii() && !right.is_ascii();
            both && from_utf8(left).is_ok() != from_utf8(right).is_ok() && !ends_in_string(&left[self.bom..])
        })
    }

    /// Where another message begins in one that was never finished. All of the line is here.
    pub fn cut_at(&self, line: &[u8]) -> Option<usize> {
        if self.encoding.is_utf16() {
            return self.len_in_utf16(line, true, true);
        }
        let first = (self.bom + 1..line.len()).find(|at| line[*at..].starts_with(b"{\""))?;
        let half_bom = || [BOM8, BOM_LE, BOM_BE].iter().any(|bom| bom.starts_with(&line[..first]));
        if self.bom == 0 && half_bom() && opens_with_key(&line[first..], Form::Byte) {
            return Some(first);
        }
        let begins = |at: usize, barred: bool| match line[at] {
            b'{' => barred && at >= first && opens_with_key(&line[at..], Form::Byte),
            0xEF => line[at..].strip_prefix(BOM8).is_some_and(|text| opens_with_key(text, Form::Byte)),
            _ => false,
        };
        // In GBK a backslash or a brace may be the second half of a character, unless the line was cut between them.
        let pairs = utf8(line).is_none();
        let (mut at, mut place) = (self.bom, Place::default());
        while at < line.len() {
            if at > self.bom && begins(at, place.bars_object()) {
                return Some(at);
            }
            let next = line.get(at + 1);
            let paired = pairs && line[at] > 0x80 && next.is_some_and(|byte| *byte >= 0x40);
            place.step(u16::from(line[at]));
            at += if paired && !begins(at + 1, place.bars_object()) { 2 } else { 1 };
        }
        None
    }

    /// Up to the aligned newline, or to where another message begins. `ended` if nothing can follow `buf`.
    fn len_in_utf16(&self, buf: &[u8], seams: bool, ended: bool) -> Option<usize> {
        let own = if self.encoding == Encoding::Utf16Le { Form::Le } else { Form::Be };
        let mut place = Place::default();
        for at in self.bom..buf.len() {
            let (head, rest) = buf.split_at(at);
            let aligned = at.is_multiple_of(2);
            let unit = own.unit(rest, 0).filter(|_| aligned);
            if unit == Some(0x0A) {
                return Some(at + 2);
            }
            let again = at == self.bom && rest.starts_with(&buf[..self.bom]);
            let glued =
                at > self.bom && (aligned && glued_to_message(head, rest, own) || ends_in_bytes(head, rest));
            if glued || at > 0 && !again && begins_plainly(rest) {
                return Some(at);
            }
            if at > 0
                && let Some(found) = begins_in_utf16(buf, at, own, at > self.bom && place.bars_object())
            {
                return if seams { the_better_of(buf, &found, ended) } else { Some(found.at) };
            }
            if let Some(unit) = unit {
                place.step(unit);
            }
        }
        None
    }

    /// The line whose bytes are `raw`.
    pub fn read<'a>(&self, at: usize, raw: &'a [u8]) -> Line<'a> {
        let text = without_half_newline(&raw[self.bom..], self.encoding);
        let (encoding, text) = decode(self.encoding, text);
        Line { at, raw, encoding, text: text.map(without_newline) }
    }
}

/// Whether `rest` begins like a message in bytes, or with a BOM, right behind the brace that ends one in UTF-16.
fn glued_to_message(head: &[u8], rest: &[u8], own: Form) -> bool {
    let brace: &[u8] = if own == Form::Le { b"}\0" } else { b"\0}" };
    let bom = Start::by_bom(rest).map_or(0, |start| start.bom);
    let opens_as = |form| opens(&rest[bom..], form);
    head.ends_with(brace) && (opens_as(Form::Byte) || bom > 0 && (opens_as(Form::Le) || opens_as(Form::Be)))
}

/// Whether what was taken for UTF-16 ends like a line of bytes, and a message in bytes follows, at any alignment.
fn ends_in_bytes(head: &[u8], rest: &[u8]) -> bool {
    head.last() == Some(&b'\n') && rest.starts_with(b"{\"") && rest.get(2).is_some_and(u8::is_ascii_graphic)
}

/// A line of UTF-16 without half a newline, or one in bytes that somebody added because he found none.
fn without_half_newline(text: &[u8], encoding: Encoding) -> &[u8] {
    let end: &[u8] = match (encoding, text.len() % 2) {
        (Encoding::Utf16Le, 1) => b"\n",
        (Encoding::Utf16Le, _) => b"\n\n",
        (Encoding::Utf16Be, 1) => b"\0",
        _ => b"",
    };
    text.strip_suffix(end).unwrap_or(text)
}

/// Whether JSON that ends here ends inside a string, where a brace and a BOM are just text.
fn ends_in_string(json: &[u8]) -> bool {
    // Decoded first: in GBK a backslash may be the second half of a character.
    let Ok(text) = decode(Encoding::Utf8, json).1 else { return false };
    let mut bytes = text.bytes();
    let mut inside = false;
    while let Some(byte) = bytes.next() {
        if byte == b'"' {
            inside = !inside;
        } else if byte == b'\\' {
            bytes.next();
        }
    }
    inside
}
