//! Behind half a line of UTF-16: whether a message begins here, in which form, and at which of two bytes.
//!
//! - `7B 00 22 00` is `{"` in little-endian. At an odd offset it is nothing else: who goes on by pairs reads `00 22 00..`
//!   as `∀`, and no text reads so for a whole `{"from":`.
//! - `00 7B 00 22 00` is `{"` in big-endian from its first byte, and in little-endian from its second ([`Found::twin`]).
//!   Both are read up to their newline. Of `00 22 4F 60 59 7D 00 22 00`, which is `"你好"` in big-endian, the other one
//!   makes a single quote: a wrong byte order eats the Latin beside other characters. More quotes, then more Latin, wins.

use super::Encoding;
use super::opening::{Form, opens_with_key};
use super::start::Start;

/// Whether `rest` begins with a message in bytes, or one with a BOM.
pub(super) fn begins_plainly(rest: &[u8]) -> bool {
    match rest[0] {
        b'{' => opens_with_key(rest, Form::Byte),
        0xEF | 0xFE | 0xFF => Start::by_bom(rest).is_some_and(|start| {
            let form = match start.encoding {
                Encoding::Utf16Le => Form::Le,
                Encoding::Utf16Be => Form::Be,
                _ => Form::Byte,
            };
            opens_with_key(&rest[start.bom..], form)
        }),
        _ => false,
    }
}

/// A message in UTF-16 without BOM.
pub(super) struct Found {
    pub at: usize,
    form: Form,
    /// Where it begins if it is in the other byte order: `00 7B 00 22 00` is `{"` in both.
    twin: Option<usize>,
}

/// Whether one begins at `at` of a line in `own` form. `barred`: in that line no JSON has an object here.
pub(super) fn begins_in_utf16(buf: &[u8], at: usize, own: Form, barred: bool) -> Option<Found> {
    let rest = &buf[at..];
    let aligned = at.is_multiple_of(2);
    match rest[0] {
        0 if opens_with_key(rest, Form::Be) => {
            // Behind an odd byte it is what a whole object in UTF-16LE looks like: judged there.
            let told = if own == Form::Be { !aligned || barred } else { aligned };
            told.then_some(Found { at, form: Form::Be, twin: Some(at + 1) })
        }
        b'{' if opens_with_key(rest, Form::Le) => {
            let twin = (buf[at - 1] == 0).then(|| at - 1);
            let told = if own == Form::Le { !aligned || barred } else { aligned || twin.is_none() };
            told.then_some(Found { at, form: Form::Le, twin })
        }
        _ => None,
    }
}

/// Where the message begins that was found, by the byte order in which it reads better up to its newline. `None` if
/// that is not there yet.
pub(super) fn the_better_of(buf: &[u8], found: &Found, ended: bool) -> Option<usize> {
    let Some(twin) = found.twin else { return Some(found.at) };
    let other = if found.form == Form::Le { Form::Be } else { Form::Le };
    // Quotes that a wrong byte order makes part of a character; then what people write of Latin-1.
    let mut more = (0_i32, 0_i32);
    for i in 0.. {
        let units = (found.form.unit(&buf[found.at..], i), other.unit(&buf[twin..], i));
        let from = found.at.min(twin) + 2 * i;
        let plain = i > 0 && (from..buf.len().min(from + 2)).any(|at| begins_plainly(&buf[at..]));
        if units.0 == Some(0x0A) || units.1 == Some(0x0A) || plain {
            break;
        }
        let (Some(own), Some(other)) = units else {
            if ended {
                break;
            }
            return None;
        };
        let is = |unit: u16, what: fn(u8) -> bool| i32::from(u8::try_from(unit).is_ok_and(what));
        let quote = |unit| is(unit, |c| c == b'"');
        let latin = |unit| is(unit, |c| matches!(c, b'\t' | b'\r' | b' '..=b'~' | 0xA0..));
        more.0 += quote(other) - quote(own);
        more.1 += latin(other) - latin(own);
    }
    Some(if more > (0, 0) { twin } else { found.at })
}
