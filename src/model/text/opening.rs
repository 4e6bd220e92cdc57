//! How a message begins, looked for in bytes or in units of UTF-16; nothing is decoded, and a look is bounded.
//!
//! `{"from":` is told from text in another form because chance does not make it: as UTF-16 its bytes are `笀∀昀…`.

/// The most units of an opening that are looked at.
const OPENING: usize = 64;

/// The width and order of the units that a pattern is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Byte,
    Le,
    Be,
}

impl Form {
    /// The unit at index `i`, if all of it is there.
    pub fn unit(self, buf: &[u8], i: usize) -> Option<u16> {
        match self {
            Form::Byte => buf.get(i).copied().map(u16::from),
            Form::Le => Some(u16::from_le_bytes([*buf.get(2 * i)?, *buf.get(2 * i + 1)?])),
            Form::Be => Some(u16::from_be_bytes([*buf.get(2 * i)?, *buf.get(2 * i + 1)?])),
        }
    }
}

/// Whether `buf` begins like a message: `{`, perhaps blanks, `"`.
pub(super) fn opens(buf: &[u8], form: Form) -> bool {
    if form.unit(buf, 0) != Some(u16::from(b'{')) {
        return false;
    }
    let inner = (1..).map_while(|i| form.unit(buf, i)).find(|unit| !matches!(unit, 0x09 | 0x20));
    inner == Some(u16::from(b'"'))
}

/// Whether `buf` begins with `{"key":`, perhaps with blanks, which is more than chance makes of text in another form.
pub(super) fn opens_with_key(buf: &[u8], form: Form) -> bool {
    let mut units = (0..OPENING).map_while(|i| form.unit(buf, i)).peekable();
    let blanks =
        |units: &mut std::iter::Peekable<_>| while units.next_if(|u| matches!(u, 0x09 | 0x20)).is_some() {};
    let (quote, colon) = (Some(u16::from(b'"')), Some(u16::from(b':')));
    if units.next() != Some(u16::from(b'{')) {
        return false;
    }
    blanks(&mut units);
    if units.next() != quote {
        return false;
    }
    let in_key =
        |unit: &u16| u8::try_from(*unit).is_ok_and(|c| c.is_ascii_alphanumeric() || b"_-.".contains(&c));
    let mut len = 0;
    while units.next_if(in_key).is_some() {
        len += 1;
    }
    if len == 0 || units.next() != quote {
        return false;
    }
    blanks(&mut units);
    units.next() == colon
}
