//! How much is handed over at once, and how long an attempt may take: less and longer after one that ran out of time. Pure.
//!
//! A slow link carries a small batch in the time in which a large one fails. So after an attempt that ran out of time the
//! next is of half its lines and bytes, down to one line. If even that is too much, and nothing else could carry it, the
//! next may take twice as long, up to [`LONGEST`]. Each that went well undoes a step.
//!
//! Where the share can take over, no attempt takes longer: it is to do so soon.

use std::time::Duration;

use super::direct::BATCH;

/// No attempt takes longer: the other side gives up on a body then, too.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A batch is not cut below so many bytes, but to fewer lines.
const LEAST: usize = 1 << 10;

/// How much, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    lines: usize,
    bytes: usize,
    /// How often the time was doubled.
    longer: u32,
}

impl Default for Stride {
    fn default() -> Self {
        Stride { lines: BATCH.0, bytes: BATCH.1, longer: 0 }
    }
}

impl Stride {
    /// At most so many lines, and about so many bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.lines, self.bytes)
    }

    /// How long an attempt may take that takes `time` otherwise; `alone`: nothing else could carry it.
    pub fn time(&self, time: Duration, alone: bool) -> Duration {
        match alone {
            true => time.saturating_mul(1 << self.longer.min(16)).min(LONGEST.max(time)),
            false => time,
        }
    }

    /// An attempt of so many lines and bytes ran out of time. Whether the next one is another than that: if not, the
    /// way itself is to be doubted.
    pub fn ran_out(&mut self, (lines, bytes): (usize, usize), time: Duration, alone: bool) -> bool {
        if lines > 1 {
            self.lines = (lines / 2).clamp(1, BATCH.0);
            self.bytes = (bytes / 2).clamp(LEAST, BATCH.1);
            return true;
        }
        let longer = alone && self.time(time, true) < LONGEST;
        self.longer += u32::from(longer);
        longer
    }

    /// An attempt went well.
    pub fn went_well(&mut self) {
        self.lines = self.lines.saturating_mul(2).min(BATCH.0);
        self.bytes = self.bytes.saturating_mul(2).min(BATCH.1);
        self.longer = self.longer.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Duration = Duration::from_millis(1_500);

    /// Hands 40 letters of 10 kB over a link of so many bytes a second; how many attempts that takes.
    fn attempts(mut waits: usize, letter: usize, pace: usize, alone: bool) -> Option<usize> {
        let mut stride = Stride::default();
        for attempt in 1..100 {
            let (lines, bytes) = stride.size();
            let count = (bytes / letter).clamp(1, lines).min(waits);
            let time = stride.time(TIME, alone);
            if (count * letter) as f64 / pace as f64 <= time.as_secs_f64() {
                waits -= count;
                stride.went_well();
            } else if !stride.ran_out((count, count * letter), TIME, alone) {
                return None;
            }
            if waits == 0 {
                return Some(attempt);
            }
        }
        None
    }

    #[test]
    fn a_backlog_goes_over_a_slow_link() {
        assert_eq!(attempts(40, 10_000, 100_000_000, true), Some(2));
        // 256 KiB do not go in 1.5 s at this pace, which is how all of it once waited for ever.
        assert!(attempts(40, 10_000, 100_000, false).is_some_and(|attempts| attempts < 10));
        assert!(attempts(40, 10_000, 8_000, false).is_some_and(|attempts| attempts < 90));
    }

    #[test]
    fn one_long_letter_is_given_time_where_nothing_else_could_carry_it() {
        assert!(attempts(1, 1 << 20, 100_000, true).is_some_and(|attempts| attempts < 6));
        assert_eq!(attempts(1, 1 << 20, 100_000, false), None, "the share takes it");
        assert_eq!(
            attempts(1, 1 << 20, 1_000, true),
            None,
            "no daemon takes a body for a quarter of an hour"
        );
        let mut stride = Stride::default();
        assert!(stride.ran_out((1, 1 << 20), TIME, true));
        assert_eq!((stride.time(TIME, true), stride.time(TIME, false)), (2 * TIME, TIME));
        stride.went_well();
        assert_eq!(stride, Stride::default());
    }

    proptest! {
        #[test]
        fn it_stays_in_bounds(
            deeds in prop::collection::vec((0_usize..300, 0_usize..2_000_000, any::<bool>()), 0..60),
        ) {
            let mut stride = Stride::default();
            for (lines, bytes, alone) in deeds {
                match lines {
                    0 => stride.went_well(),
                    lines => drop(stride.ran_out((lines, bytes), TIME, alone)),
                }
                let (lines, bytes) = stride.size();
                prop_assert!((1..=BATCH.0).contains(&lines) && (LEAST..=BATCH.1).contains(&bytes));
                prop_assert!(stride.time(TIME, alone) >= TIME && stride.time(TIME, true) <= LONGEST);
            }
        }
    }
}
