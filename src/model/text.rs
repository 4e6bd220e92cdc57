//! Bytes of a mailbox file in, lines out, whatever encoding each line was written in.
//!
//! Our own lanes are UTF-8, but the open slot is written by hand and by whatever tool is at hand: UTF-8 with or
//! without BOM, UTF-16 (PowerShell 5.1's `>>`), GBK (cmd.exe on a Chinese Windows), CRLF, several of these in one
//! file and even in one line. So the encoding is judged at the start of each line, never for a file.
//!
//! Grammar: `file := (line | nul-run)* tail`; `line := BOM? text newline`, or without newline where bytes of another
//! encoding begin (a seam). `newline := 0A`, in UTF-16 the unit 000A aligned to the line's start. A CR before it goes.
//! Invariants: `consumed` is where the first unfinished line begins; the `raw` of the lines, and the blank lines that
//! are left out, add up to `buf[..consumed]`; to scan at once or piece by piece (handing on [`Scan::after`]) gives the
//! same lines, because nothing behind a line's end is looked at; valid UTF-8 is never taken for anything else.
//! Known limit: a GBK line that happens to be valid UTF-8 (all its pairs in C2-DF 80-BF, such as a lone U+4E00) reads
//! as UTF-8. What a crash leaves: a tail without newline or a run of NULs, both in flight and not consumed.

mod cut;
mod document;
pub mod masked;
pub mod mojibake;
mod opening;
mod place;
pub mod said;
mod start;
mod western;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};

pub use document::{Document, decode_document};
use opening::Form;
use start::{Start, opens_in_utf16};

const BOM8: &[u8] = b"\xEF\xBB\xBF";
const BOM_LE: &[u8] = b"\xFF\xFE";
const BOM_BE: &[u8] = b"\xFE\xFF";

/// Pieces without a newline that are told apart in a row; each may cost a look at all that follows up to the newline,
/// and a stranger's file must not cost the square of its size.
const MAX_GLUED: usize = 100;

/// How a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Without BOM; also what a line is called that is nothing we know.
    Utf8,
    /// With the three bytes EF BB BF at its start.
    Utf8Bom,
    /// Little-endian, with or without BOM.
    Utf16Le,
    /// Big-endian, with or without BOM.
    Utf16Be,
    /// GB18030, and so GBK and GB2312.
    Gb18030,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 5] =
        [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Gb18030];

    /// The name that stands in the store and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf8Bom => "utf-8-bom",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Gb18030 => "gb18030",
        }
    }

    /// The inverse of [`Encoding::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Encoding::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    fn is_utf16(self) -> bool {
        matches!(self, Encoding::Utf16Le | Encoding::Utf16Be)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Encoding::from_name(name).ok_or_else(|| format!("{name:?} is no encoding of ours"))
    }
}

/// Why a complete line, or a document, has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Data may still fill the hole: who can afford it reads such a line again before setting it aside.
    Nul,
    /// No encoding fits.
    Undecodable,
    /// Of documents: UTF-8, but not all of its characters are whole.
    Cut,
    /// Of documents: several encodings fit.
    Unclear,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Nul => "NUL bytes where text should be",
            Damage::Undecodable => "neither UTF-8, UTF-16 nor GB18030",
            Damage::Cut => "UTF-8 with a character that is cut in two",
            Damage::Unclear => "nothing tells whether it is GBK, UTF-16 without BOM or Western text",
        })
    }
}

impl std::error::Error for Damage {}

/// One complete line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Offset of `raw` in the buffer.
    pub at: usize,
    /// All bytes of the line, BOM and newline included.
    pub raw: &'a [u8],
    /// How it was written.
    pub encoding: Encoding,
    /// What it says, without BOM and newline.
    pub text: Result<Cow<'a, str>, Damage>,
}

/// What stands behind the last complete line; all of it is still in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    None,
    /// A line without newline, NULs in it or not.
    Partial,
    /// NULs where a line should start: the share shows the size before the data. Data may follow, see [`nul_run`].
    Nul,
}

/// The lines of a buffer; blank ones are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// In file order.
    pub lines: Vec<Line<'a>>,
    /// Where the next scan starts.
    pub consumed: usize,
    /// What stands there.
    pub tail: Tail,
    /// What the next scan takes as `before`.
    pub after: Option<Encoding>,
}

/// Splits `buf`, which begins where a line begins. `before` is [`Scan::after`] of the scan that ended there: a UTF-16
/// file has one BOM for all its lines.
pub fn scan(buf: &[u8], before: Option<Encoding>) -> Scan<'_> {
    let mut scan = Scan { lines: Vec::new(), consumed: 0, tail: Tail::None, after: before };
    let mut glued = 0;
    while scan.consumed < buf.len() {
        let rest = &buf[scan.consumed..];
        let start = Start::of(rest, scan.after);
        if start.is_hole(rest) {
            scan.tail = Tail::Nul;
            break;
        }
        let Some(len) = start.len(rest, glued < MAX_GLUED) else {
            scan.tail = Tail::Partial;
            break;
        };
        let line = start.read(scan.consumed, &rest[..len]);
        glued = if line.raw.ends_with(b"\n") || line.raw.ends_with(b"\n\0") { 0 } else { glued + 1 };
        scan.consumed += len;
        scan.after = Some(line.encoding);
        if !is_blank(&line) {
            scan.lines.push(line);
        }
    }
    scan
}

/// The encoding that a line which begins here is taken for; text in bytes is `Utf8` until all of it was seen.
pub fn begins(buf: &[u8], before: Option<Encoding>) -> Encoding {
    Start::of(buf, before).encoding
}

/// Where the line that `buf` is in the middle of ends, and whether it ends here at all; if not, how much of `buf` is
/// surely its own. `buf` begins at a whole unit of `encoding`.
pub fn skip_line(buf: &[u8], encoding: Option<Encoding>) -> (usize, bool) {
    let unit = match encoding {
        Some(Encoding::Utf16Le) => [0x0A, 0],
        Some(Encoding::Utf16Be) => [0, 0x0A],
        _ => {
            return buf
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or((buf.len(), false), |at| (at + 1, true));
        }
    };
    match buf.chunks_exact(2).position(|pair| pair == unit) {
        Some(at) => (2 * at + 2, true),
        None => (buf.len() & !1, false),
    }
}

/// Takes a tail as if its newline were there: for files that were written by hand without a last newline and stood
/// still. `None` if it is blank or begins with NULs. The line may end at a seam before the tail does; then call again.
pub fn scan_tail(buf: &[u8], before: Option<Encoding>) -> Option<Line<'_>> {
    let start = Start::of(buf, before);
    if start.is_hole(buf) {
        return None;
    }
    let seam = start.len(buf, true).or_else(|| start.cut_at(buf)).or_else(|| start.seam_to_gbk(buf));
    let len = seam.unwrap_or(buf.len());
    Some(start.read(0, &buf[..len])).filter(|line| !is_blank(line))
}

/// Length of the run of NULs that `buf` begins with; 0 if its first NUL is half of a UTF-16BE line's first unit.
/// More than 0 wherever a scan stopped at [`Tail::Nul`].
pub fn nul_run(buf: &[u8]) -> usize {
    if opens_in_utf16(buf, Form::Be) {
        return 0;
    }
    buf.iter().position(|byte| *byte != 0).unwrap_or(buf.len())
}

/// The bytes of `text` in `encoding`; with `bom` as at a file's start, where the encoding has one.
pub fn encode(text: &str, encoding: Encoding, bom: bool) -> Vec<u8> {
    let mark = match encoding {
        Encoding::Utf8Bom => BOM8,
        Encoding::Utf16Le => BOM_LE,
        Encoding::Utf16Be => BOM_BE,
        Encoding::Utf8 | Encoding::Gb18030 => b"",
    };
    let mut bytes = if bom { mark.to_vec() } else { Vec::new() };
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => bytes.extend_from_slice(text.as_bytes()),
        Encoding::Utf16Le => bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        Encoding::Utf16Be => bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
        Encoding::Gb18030 => bytes.extend_from_slice(&GB18030.encode(text).0),
    }
    bytes
}

/// As `std::str::from_utf8`, but twice as fast on Chinese text.
fn utf8(bytes: &[u8]) -> Option<Cow<'_, str>> {
    UTF_8.decode_without_bom_handling_and_without_replacement(bytes)
}

/// Decodes what stands behind the BOM; text in bytes is UTF-8 if it can be, and else GB18030.
fn decode(encoding: Encoding, bytes: &[u8]) -> (Encoding, Result<Cow<'_, str>, Damage>) {
    let strict = |with: &'static encoding_rs::Encoding| {
        with.decode_without_bom_handling_and_without_replacement(bytes)
    };
    let (encoding, text) = match encoding {
        Encoding::Utf16Le => (encoding, strict(UTF_16LE)),
        Encoding::Utf16Be => (encoding, strict(UTF_16BE)),
        _ => match utf8(bytes) {
            Some(text) => (encoding, Some(text)),
            None => match strict(GB18030) {
                Some(text) => (Encoding::Gb18030, Some(text)),
                None => (encoding, None),
            },
        },
    };
    let hole = match &text {
        Some(text) => text.as_bytes().contains(&0),
        None => !encoding.is_utf16() && bytes.contains(&0),
    };
    (encoding, if hole { Err(Damage::Nul) } else { text.ok_or(Damage::Undecodable) })
}

/// The same text without its newline and without BOMs that concatenated files left at its start.
fn without_newline(text: Cow<'_, str>) -> Cow<'_, str> {
    fn trim(text: &str) -> &str {
        let text = text.strip_suffix('\n').unwrap_or(text);
        text.strip_suffix('\r').unwrap_or(text).trim_start_matches('\u{feff}')
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
        Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
    }
}

fn is_blank(line: &Line<'_>) -> bool {
    line.text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests;
