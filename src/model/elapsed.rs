//! How much time has passed: the wall clock's, but for its leaps.
//!
//! Days are counted on the wall clock, since no other goes on while the PC is off. One that is set ahead would make
//! everything old at once. So of the time that our monotonic clock did not see pass, a day counts at a time: the PC
//! was off, or slept, or its clock was set, and nobody can tell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What counts of a leap, in milliseconds.
const BELIEVED: i64 = 86_400_000;
/// Leaps that are remembered: a year's, of a PC that is off over every weekend.
const LEAPS: usize = 60;

/// What the wall clock showed so far, in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elapsed {
    /// The latest time that was believed.
    seen: Option<i64>,
    /// The spans that do not count, in order.
    leaps: Vec<(i64, i64)>,
}

impl Elapsed {
    /// The wall clock shows `wall`, `passed` after it was last noted; zero if that is not known.
    pub fn note(&mut self, wall: i64, passed: Duration) {
        let seen = self.seen.unwrap_or(wall);
        if wall < seen {
            // Set back. If that undoes a leap, it never was; else the clock is behind, and what counted has counted.
            if let Some((from, _)) =
                self.leaps.pop_if(|leap| (leap.0.saturating_sub(BELIEVED)..leap.1).contains(&wall))
            {
                self.seen = Some(wall.min(from));
            }
            return;
        }
        let believed = seen.saturating_add(ms(passed)).saturating_add(BELIEVED);
        if wall > believed {
            self.leaps.push((believed, wall));
            let old = self.leaps.len().saturating_sub(LEAPS);
            self.leaps.drain(..old);
        }
        self.seen = Some(wall);
    }

    /// The time on the wall clock since when `age` has passed at `wall`.
    pub fn ago(&self, wall: i64, age: Duration) -> i64 {
        let (mut at, mut left) = (wall, ms(age));
        for (from, to) in self.leaps.iter().rev().filter(|(_, to)| *to <= wall) {
            let counts = at.saturating_sub(*to);
            if counts >= left {
                break;
            }
            (at, left) = (*from, left - counts);
        }
        at.saturating_sub(left)
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: i64 = 1_767_225_600_000;

    /// Days after the start.
    fn day(days: i64) -> i64 {
        NOW + days * BELIEVED
    }

    fn noted(notes: &[(i64, Duration)]) -> Elapsed {
        let mut elapsed = Elapsed::default();
        notes.iter().for_each(|(wall, passed)| elapsed.note(*wall, *passed));
        elapsed
    }

    #[test]
    fn time_that_we_saw_pass_counts_and_so_does_a_day_at_a_time_that_we_did_not() {
        let seen = noted(&[(day(0), DAY), (day(30), 30 * DAY), (day(31), Duration::ZERO)]);
        assert_eq!((seen.leaps.len(), seen.ago(day(31), 31 * DAY)), (0, day(0)));
        let off = noted(&[(day(0), DAY), (day(10), Duration::ZERO), (day(12), 2 * DAY)]);
        assert_eq!(off.ago(day(12), 2 * DAY), day(10));
        assert_eq!(off.ago(day(12), 3 * DAY), day(0), "one of the ten days");
    }

    #[test]
    fn a_leap_that_is_undone_never_was_and_a_clock_that_is_behind_takes_nothing_back() {
        let mut elapsed = noted(&[(day(0), DAY), (day(40), Duration::ZERO), (day(0) + 1, Duration::ZERO)]);
        elapsed.note(day(5), 5 * DAY);
        assert_eq!((elapsed.leaps.len(), elapsed.ago(day(5), 5 * DAY)), (0, day(0)));
        elapsed.note(0, Duration::ZERO);
        elapsed.note(day(5), DAY);
        assert_eq!(elapsed.ago(day(5), 5 * DAY), day(0), "a PC whose clock begins at 1970");
    }

    #[test]
    fn no_clock_breaks_the_reckoning() {
        let mut elapsed = noted(&[(i64::MIN + BELIEVED, Duration::MAX), (i64::MAX, Duration::ZERO)]);
        elapsed.note(0, Duration::MAX);
        assert!(elapsed.ago(0, DAY) <= 0);
        assert_eq!(elapsed.ago(i64::MIN, Duration::MAX), i64::MIN);
    }
}
