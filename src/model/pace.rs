//! The pace of looking: quick after traffic, backing off to a resting interval; and how far to believe the watcher.
//!
//! Pure: `now` is an argument, on the monotonic clock. An event is a hint, only a look finds mail. A change that a
//! look found and no event announced within [`BOUND`] is a *miss*: the watcher is not believed for a while and must
//! be set up anew. Looks go on at the idle interval then, at the rest interval while the watcher is believed.

use std::time::Duration;

/// How much later than the look an event may still come without being a miss.
pub const BOUND: Duration = Duration::from_secs(1);
/// How many announced changes make an unproven watcher believed.
const PROOF: u32 = 1;
/// The interval grows by half at every look that finds nothing.
const GROWTH: (u32, u32) = (3, 2);

/// The configured intervals.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Right after traffic.
    pub busy: Duration,
    /// The longest while the watcher is not believed.
    pub idle: Duration,
    /// The longest while it is.
    pub rest: Duration,
}

/// When to look next, and whether the watcher is believed.
#[derive(Debug)]
pub struct Pace {
    intervals: Intervals,
    interval: Duration,
    announced: u32,
    /// Missed since the start; shown by `status`.
    pub missed: u64,
    last_event: Option<Duration>,
    unannounced: Option<Duration>,
    rearm: bool,
}

impl Pace {
    /// Starts quick and believes nothing.
    pub fn new(intervals: Intervals) -> Pace {
        Pace {
            intervals,
            interval: intervals.busy,
            announced: 0,
            missed: 0,
            last_event: None,
            unannounced: None,
            rearm: false,
        }
    }

    /// Notes that we changed the mailbox ourselves, to see whether the event comes back.
    pub fn probed(&mut self, now: Duration) {
        self.unannounced.get_or_insert(now);
    }

    /// Notes an event of the mailbox.
    pub fn event(&mut self, now: Duration) {
        self.last_event = Some(now);
        if self.unannounced.take().is_some() {
            self.announced += 1;
        }
    }

    /// Notes what a look found and returns the time until the next one.
    pub fn looked(&mut self, now: Duration, changed: bool) -> Duration {
        if self.unannounced.is_some_and(|since| now.saturating_sub(since) > BOUND) {
            // One that was never believed is not worth setting up again: on NFS no event ever comes.
            self.rearm |= self.believes();
            self.unannounced = None;
            self.announced = 0;
            self.missed += 1;
        }
        if changed {
            // One event may stand for several changes: between two of its questions an SMB server tells of none.
            match self.last_event {
                Some(at) if now.saturating_sub(at) <= BOUND => self.announced += 1,
                _ => self.unannounced = Some(now),
            }
            self.interval = self.intervals.busy;
        } else {
            let longest = if self.believes() { self.intervals.rest } else { self.intervals.idle };
            self.interval = (self.interval * GROWTH.0 / GROWTH.1).min(longest);
        }
        self.interval
    }

    /// Whether the watcher announced what the last looks found.
    pub fn believes(&self) -> bool {
        self.announced >= PROOF
    }

    /// Whether the watcher has to be set up anew; asks once per miss.
    pub fn take_rearm(&mut self) -> bool {
        std::mem::take(&mut self.rearm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let ms = Duration::from_millis;
        Pace::new(Intervals { busy: ms(50), idle: ms(2_000), rest: ms(10_000) })
    }

    fn settle(pace: &mut Pace, from: Duration) -> Duration {
        let mut now = from;
        for _ in 0..40 {
            now += pace.looked(now, false);
        }
        pace.looked(now, false)
    }

    #[test]
    fn looks_back_off_to_idle_without_proof_and_to_rest_with_it() {
        let mut pace = pace();
        assert_eq!(settle(&mut pace, Duration::ZERO), Duration::from_secs(2));
        for second in 1000..1003 {
            pace.event(Duration::from_secs(second));
            assert_eq!(pace.looked(Duration::from_secs(second), true), Duration::from_millis(50));
        }
        assert!(pace.believes());
        assert_eq!(settle(&mut pace, Duration::from_secs(2000)), Duration::from_secs(10));
        assert_eq!(pace.missed, 0);
    }

    #[test]
    fn a_change_without_an_event_is_a_miss_and_rearms_once() {
        let mut pace = pace();
        for second in 0..3 {
            pace.event(Duration::from_secs(second));
            pace.looked(Duration::from_secs(second), true);
        }
        pace.looked(Duration::from_secs(60), true);
        assert!(pace.believes(), "the event may still come");
        pace.looked(Duration::from_secs(62), false);
        assert!(!pace.believes());
        assert_eq!(pace.missed, 1);
        assert!(pace.take_rearm());
        assert!(!pace.take_rearm());
    }

    #[test]
    fn a_probe_that_comes_back_is_proof() {
        let mut pace = pace();
        pace.probed(Duration::from_secs(1));
        pace.event(Duration::from_millis(1_005));
        assert!(pace.believes());
        pace.probed(Duration::from_secs(60));
        pace.looked(Duration::from_secs(70), false);
        assert!(!pace.believes(), "the second one did not come back");
    }

    #[test]
    fn an_event_that_comes_just_after_the_look_is_no_miss() {
        let mut pace = pace();
        pace.looked(Duration::from_secs(60), true);
        pace.event(Duration::from_millis(60_200));
        pace.looked(Duration::from_secs(70), false);
        assert_eq!(pace.missed, 0);
    }
}
