//! Values of the config: durations, sizes and numbers within their ranges.
//!
//! Grammar: durations as humantime reads them; `size := digits " "* unit?`, unit B, KB, MB, GB (1000-based), KiB, MiB
//! or GiB (1024-based), in any case. Checked while deserializing, so that an error knows its line.

use std::fmt::{self, Display};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};

/// Inclusive bounds, in milliseconds, bytes or pieces. The template prints what the parser checks.
pub(super) type Range = (u64, u64);

pub(super) const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;
pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;

pub(super) const INTERVAL: Range = (10, HOUR);
pub(super) const HEARTBEAT: Range = (SECOND, 300 * SECOND);
pub(super) const WINDOW: Range = (0, HOUR);
pub(super) const TIMEOUT: Range = (SECOND, 24 * HOUR);
/// How long the answer of a server is waited for.
pub(super) const ANSWER: Range = (SECOND, 600 * SECOND);
pub(super) const ATTEMPT: Range = (100, 60 * SECOND);
/// An agent's turn may be a long one.
pub(super) const PATIENCE: Range = (60 * SECOND, 24 * HOUR);
pub(super) const RETRY: Range = (100, 24 * HOUR);
pub(super) const DEDUPE: Range = (0, 24 * HOUR);
/// What fits into an environment variable on every system.
pub(super) const TEXT: Range = (KIB, 24 * KIB);
/// For how long nobody says more of a request.
pub(super) const SILENCE: Range = (SECOND, 8766 * HOUR);
/// What stands for a time that never comes.
pub(super) const NEVER: &str = "never";
pub(super) const AGE: Range = (60 * SECOND, 30 * 24 * HOUR);
pub(super) const MESSAGE: Range = (KIB, 64 * MIB);
pub(super) const SEGMENT: Range = (64 * KIB, 1024 * MIB);
pub(super) const COUNT: Range = (1, 1000);
pub(super) const PEERS: Range = (10, 100_000);
pub(super) const MEMBERS: Range = (2, 1_000);
pub(super) const LANES: Range = (100, 1_000_000);
pub(super) const MESSAGES: Range = (100, 100_000_000);
/// A day to a year, which has 365.25 days.
pub(super) const KEEP: Range = (24 * HOUR, 8766 * HOUR);
pub(super) const SPOOL: Range = (1, 10_000_000);
pub(super) const SPOOL_BYTES: Range = (MIB, 1024 * 1024 * MIB);
/// Of all files of a message, and of all that are kept.
pub(super) const FILES: Range = (MIB, 1024 * 1024 * MIB);
pub(super) const OUTPUT: Range = (0, 16 * MIB);
pub(super) const LOG: Range = (64 * KIB, 1024 * MIB);
pub(super) const LOGS: Range = (1, 100);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// Largest first, binary before decimal, as [`Size`] prints itself.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", MIB),
    ("KiB", KIB),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

impl Size {
    /// Reads `"8388608"`, `"500 KiB"` (1024-based), `"1MB"` (1000-based); units in any case.
    pub fn parse(text: &str) -> Result<Size, String> {
        let bad = || format!("{text:?} is not a size like \"1MiB\", \"500KB\" or \"8388608\"");
        let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.trim().get(digits.len()..).unwrap_or_default();
        let factor = match UNITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit)) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => return Err(bad()),
        };
        let digits = digits.trim_end();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
        bytes.map(Size).ok_or_else(|| format!("{text:?} is too large"))
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS[..3].iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Whole numbers are read as the text they are, so that `idle = 2` hears that the unit is missing.
struct Text<F>(&'static str, F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> Visitor<'de> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Duration, D::Error> {
    from.deserialize_any(Text("a duration like \"2s\" or \"1h 30m\"", |text: &str| {
        let value = parse_duration(text)?;
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        within(text, value, min, max, &show(min), &show(max))
    }))
}

/// Reads `30s`, `5m`, `1h 30m`.
///
/// # Errors
/// A sentence for people.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    // humantime 2.4 panics when a sum lands just past u64::MAX seconds; 11 digits of years stay below that.
    if text.bytes().filter(u8::is_ascii_digit).count() > 11 {
        return Err(format!("{text:?} is too long a duration"));
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is not a duration like \"2s\" or \"1h 30m\": {error}"))
}

pub(super) fn size<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Size, D::Error> {
    from.deserialize_any(Text("a size like \"1MiB\" or \"500KB\"", |text: &str| {
        within(text, Size::parse(text)?, Size(MIN), Size(MAX), &Size(MIN), &Size(MAX))
    }))
}

pub(super) fn number<'de, D, T, const MIN: u64, const MAX: u64>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let value = i64::deserialize(from)?;
    let number = u64::try_from(value).ok().filter(|n| (MIN..=MAX).contains(n));
    number
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| D::Error::custom(format!("{value} is out of range: from {MIN} to {MAX}")))
}

pub(super) fn within<T: PartialOrd>(
    text: &str,
    value: T,
    min: T,
    max: T,
    low: &dyn Display,
    high: &dyn Display,
) -> Result<T, String> {
    if value < min || value > max {
        return Err(format!("{text:?} is out of range: from {low} to {high}"));
    }
    Ok(value)
}

pub(super) fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
