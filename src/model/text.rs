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

use std::borrow::Cow;
use std::fmt;
use std::str::{FromStr, from_utf8};

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};

const BOM8: &[u8] = b"\xEF\xBB\xBF";
const BOM_LE: &[u8] = b"\xFF\xFE";
const BOM_BE: &[u8] = b"\xFE\xFF";

/// Pieces without a newline that are told apart in a row; each may cost a look at all that follows up to the newline,
/// and a stranger's file must not cost the square of its size.
const MAX_GLUED: usize = 100;
/// Candidates for a seam in a line for which quotes are counted, for the same reason.
const MAX_COUNTS: usize = 8;

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

/// Why a complete line has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Data may still fill the hole: who can afford it reads such a line again before setting it aside.
    Nul,
    /// No encoding fits.
    Undecodable,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Nul => "NUL bytes where text should be",
            Damage::Undecodable => "neither UTF-8, UTF-16 nor GB18030",
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
        if start.in_nuls(rest) {
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

/// Takes a tail as if its newline were there: for files that were written by hand without a last newline and stood
/// still. `None` if it is blank or begins with NULs. The line may end at a seam before the tail does; then call again.
pub fn scan_tail(buf: &[u8], before: Option<Encoding>) -> Option<Line<'_>> {
    let start = Start::of(buf, before);
    if start.in_nuls(buf) {
        return None;
    }
    let len = start.len(buf, true).or_else(|| start.inner_seam(buf)).unwrap_or(buf.len());
    Some(start.read(0, &buf[..len])).filter(|line| !is_blank(line))
}

/// Length of the run of NULs that `buf` begins with; 0 if its first NUL is half of a UTF-16BE line's first unit.
/// More than 0 wherever a scan stopped at [`Tail::Nul`].
pub fn nul_run(buf: &[u8]) -> usize {
    if sniffs(buf, Form::Be) {
        return 0;
    }
    buf.iter().position(|byte| *byte != 0).unwrap_or(buf.len())
}

/// A whole document, such as a config file that an editor saved its own way.
pub fn decode_document(bytes: &[u8]) -> Result<(String, Encoding), Damage> {
    let start = match Start::by_bom(bytes) {
        Some(start) => start,
        None => {
            // ASCII letters in UTF-16 put their NULs on one side; text without any is not UTF-16 of a config.
            let nuls = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
            let (even, odd) = (nuls(0), nuls(1));
            let encoding = match even.cmp(&odd) {
                std::cmp::Ordering::Less => Encoding::Utf16Le,
                std::cmp::Ordering::Greater => Encoding::Utf16Be,
                std::cmp::Ordering::Equal => Encoding::Utf8,
            };
            Start { encoding, bom: 0 }
        }
    };
    let (encoding, text) = decode(start.encoding, &bytes[start.bom..]);
    Ok((text?.into_owned(), encoding))
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

/// The width and order of the units that a pattern is looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Byte,
    Le,
    Be,
}

impl Form {
    /// The unit at index `i`, if all of it is there.
    fn unit(self, buf: &[u8], i: usize) -> Option<u16> {
        match self {
            Form::Byte => buf.get(i).copied().map(u16::from),
            Form::Le => Some(u16::from_le_bytes([*buf.get(2 * i)?, *buf.get(2 * i + 1)?])),
            Form::Be => Some(u16::from_be_bytes([*buf.get(2 * i)?, *buf.get(2 * i + 1)?])),
        }
    }
}

/// Whether `buf` begins like a message: `{`, perhaps blanks, `"`.
fn opens(buf: &[u8], form: Form) -> bool {
    if form.unit(buf, 0) != Some(u16::from(b'{')) {
        return false;
    }
    let inner = (1..).map_while(|i| form.unit(buf, i)).find(|unit| !matches!(unit, 0x09 | 0x20));
    inner == Some(u16::from(b'"'))
}

/// Whether `buf` begins like a line of UTF-16 that has no BOM: `{` and then ASCII, perhaps after blanks, or a blank
/// line. A lone `0A 00` is not enough: it may as well be an empty line of bytes and then NULs or UTF-16BE.
fn sniffs(buf: &[u8], form: Form) -> bool {
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
fn goes_on(buf: &[u8]) -> bool {
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
struct Start {
    encoding: Encoding,
    bom: usize,
}

impl Start {
    fn by_bom(buf: &[u8]) -> Option<Self> {
        let marks = [(BOM8, Encoding::Utf8Bom), (BOM_LE, Encoding::Utf16Le), (BOM_BE, Encoding::Utf16Be)];
        let (mark, encoding) = marks.into_iter().find(|(mark, _)| buf.starts_with(mark))?;
        Some(Start { encoding, bom: mark.len() })
    }

    fn of(buf: &[u8], before: Option<Encoding>) -> Self {
        if let Some(start) = Start::by_bom(buf) {
            return start;
        }
        let encoding = match before {
            _ if sniffs(buf, Form::Le) => Encoding::Utf16Le,
            _ if sniffs(buf, Form::Be) => Encoding::Utf16Be,
            Some(encoding) if encoding.is_utf16() && goes_on(buf) => encoding,
            _ => Encoding::Utf8,
        };
        Start { encoding, bom: 0 }
    }

    fn in_nuls(&self, buf: &[u8]) -> bool {
        !self.encoding.is_utf16() && buf.first() == Some(&0)
    }

    /// Length of the line if its end is there.
    fn len(&self, buf: &[u8], seams: bool) -> Option<usize> {
        if self.encoding.is_utf16() {
            return self.len16(buf);
        }
        let newline = buf.iter().position(|byte| *byte == b'\n');
        let line = &buf[..newline.map_or(buf.len(), |at| at + 1)];
        // The common line ends here: valid UTF-8, no NUL, nothing glued in.
        let clean = !line.contains(&0) && utf8(line).is_some_and(|text| !text.contains("}\u{feff}{"));
        if !clean
            && seams
            && let Some(seam) = self.seam8(line)
        {
            return Some(seam);
        }
        newline?;
        if clean || !seams { Some(line.len()) } else { self.inner_seam(line).or(Some(line.len())) }
    }

    /// Where UTF-16 or a second BOM begins inside a line of bytes.
    fn seam8(&self, line: &[u8]) -> Option<usize> {
        let mut counts = 0;
        let mut in_text = |at: usize| {
            counts += 1;
            counts > MAX_COUNTS || ends_in_string(&line[self.bom..at])
        };
        (self.bom + 1..line.len()).find(|&at| {
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
    fn inner_seam(&self, line: &[u8]) -> Option<usize> {
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

    /// Up to the aligned newline, or to where text in bytes or another BOM follows.
    fn len16(&self, buf: &[u8]) -> Option<usize> {
        let form = if self.encoding == Encoding::Utf16Le { Form::Le } else { Form::Be };
        let brace: &[u8] = if form == Form::Le { b"}\0" } else { b"\0}" };
        for at in self.bom..buf.len() {
            let (head, rest) = buf.split_at(at);
            let aligned = at % 2 == 0;
            if aligned && form.unit(rest, 0) == Some(0x0A) {
                return Some(at + 2);
            }
            let message = aligned && head.ends_with(brace) && {
                let text = &rest[Start::by_bom(rest).map_or(0, |start| start.bom)..];
                opens(text, Form::Byte)
                    || (text.len() < rest.len() && (opens(text, Form::Le) || opens(text, Form::Be)))
            };
            // Not text in UTF-16, at any alignment: it stops a short line of bytes from garbling the next ones.
            let resync = head.last() == Some(&b'\n')
                && rest.starts_with(b"{\"")
                && rest.get(2).is_some_and(u8::is_ascii_graphic);
            if at > self.bom && (message || resync) {
                return Some(at);
            }
        }
        None
    }

    fn read<'a>(&self, at: usize, raw: &'a [u8]) -> Line<'a> {
        let (encoding, text) = decode(self.encoding, &raw[self.bom..]);
        Line { at, raw, encoding, text: text.map(without_newline) }
    }
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
    line.text.as_ref().is_ok_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
