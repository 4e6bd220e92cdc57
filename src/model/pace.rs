//! The pace of looking: quick after traffic, backing off to a resting interval; and how far to believe the watchers.
//!
//! Pure: `now` is an argument, on the monotonic clock. An event is a hint, only a look finds mail. A change that a
//! look found and no event announced within [`BOUND`] is a *miss*: the watchers are not believed for a while and must
//! be set up anew. Looks go on at the idle interval then, at the rest interval while they are believed.
//!
//! Mailbox and open slot lie in two folders with a watcher each, and each is believed by its own events: traffic in
//! one says nothing of a watcher that died in the other.

use std::time::Duration;

/// How much later than the look an event may still come without being a miss.
pub const BOUND: Duration = Duration::from_secs(1);
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

/// Of which of the two places an event speaks, or in which a look found a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Our mailbox.
    pub mailbox: bool,
    /// Our open slot.
    pub slot: bool,
}

impl Places {
    /// Whether it is any.
    pub fn any(self) -> bool {
        self.mailbox || self.slot
    }
}

/// What a watcher has shown of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Record {
    #[default]
    Nothing,
    Announced,
    Missed,
}

/// How far the watcher of one place is believed.
#[derive(Debug, Default)]
struct Belief {
    record: Record,
    last_event: Option<Duration>,
    unannounced: Option<Duration>,
}

impl Belief {
    fn event(&mut self, now: Duration) {
        self.last_event = Some(now);
        if self.unannounced.take().is_some() {
            self.record = Record::Announced;
        }
    }

    /// A look found a change.
    fn changed(&mut self, now: Duration) {
        // One event may stand for several changes: between two of its questions an SMB server tells of none.
        match self.last_event {
            Some(at) if now.saturating_sub(at) <= BOUND => self.record = Record::Announced,
            _ => self.unannounced = Some(now),
        }
    }

    /// Whether a change was not announced in time; told once.
    fn missed(&mut self, now: Duration) -> bool {
        let missed = self.unannounced.take_if(|since| now.saturating_sub(*since) > BOUND).is_some();
        if missed {
            self.record = Record::Missed;
        }
        missed
    }
}

/// When to look next, and whether the watchers are believed.
#[derive(Debug)]
pub struct Pace {
    intervals: Intervals,
    interval: Duration,
    mailbox: Belief,
    slot: Belief,
    /// Missed since the start; shown by `status`.
    pub missed: u64,
    rearm: bool,
    /// A look may show what was, so an event may be over before one shows what it was about.
    stale: bool,
}

impl Pace {
    /// Starts quick and believes nothing.
    pub fn new(intervals: Intervals) -> Pace {
        Pace {
            intervals,
            interval: intervals.busy,
            mailbox: Belief::default(),
            slot: Belief::default(),
            missed: 0,
            rearm: false,
            stale: false,
        }
    }

    /// Notes whether the mount lets a look show what was.
    pub fn set_stale(&mut self, stale: bool) {
        self.stale = stale;
    }

    /// Notes that we changed the mailbox ourselves, to see whether the event comes back.
    pub fn probed(&mut self, now: Duration) {
        self.mailbox.unannounced.get_or_insert(now);
    }

    /// Notes an event.
    pub fn event(&mut self, now: Duration, of: Places) {
        if of.mailbox {
            self.mailbox.event(now);
        }
        if of.slot {
            self.slot.event(now);
        }
    }

    /// Notes what a look found and returns the time until the next one.
    pub fn looked(&mut self, now: Duration, changed: Places) -> Duration {
        let believed = self.believes();
        let missed = [self.mailbox.missed(now), self.slot.missed(now)].into_iter().filter(|missed| *missed);
        let missed = missed.count() as u64;
        // One that was never believed is not worth setting up again: on NFS no event ever comes.
        self.rearm |= believed && missed > 0;
        self.missed += missed;
        if changed.mailbox {
            self.mailbox.changed(now);
        }
        if changed.slot {
            self.slot.changed(now);
        }
        if changed.any() {
            self.interval = self.intervals.busy;
        } else {
            let longest = if self.believes() { self.intervals.rest } else { self.intervals.idle };
            self.interval = (self.interval * GROWTH.0 / GROWTH.1).min(longest);
        }
        self.interval
    }

    /// Whether events are waited for: those of the mailbox proved true, those of the slot at least not untrue (a slot
    /// that nobody writes to proves nothing), and a look then shows what they were about.
    pub fn believes(&self) -> bool {
        !self.stale && self.mailbox.record == Record::Announced && self.slot.record != Record::Missed
    }

    /// Whether the watcher has to be set up anew; asks once per miss.
    pub fn take_rearm(&mut self) -> bool {
        std::mem::take(&mut self.rearm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Places = Places { mailbox: false, slot: false };
    const MAILBOX: Places = Places { mailbox: true, slot: false };
    const SLOT: Places = Places { mailbox: false, slot: true };

    fn pace() -> Pace {
        let ms = Duration::from_millis;
        Pace::new(Intervals { busy: ms(50), idle: ms(2_000), rest: ms(10_000) })
    }

    fn settle(pace: &mut Pace, from: Duration) -> Duration {
        let mut now = from;
        for _ in 0..40 {
            now += pace.looked(now, NONE);
        }
        pace.looked(now, NONE)
    }

    #[test]
    fn looks_back_off_to_idle_without_proof_and_to_rest_with_it() {
        let mut pace = pace();
        assert_eq!(settle(&mut pace, Duration::ZERO), Duration::from_secs(2));
        for second in 1000..1003 {
            pace.event(Duration::from_secs(second), MAILBOX);
            assert_eq!(pace.looked(Duration::from_secs(second), MAILBOX), Duration::from_millis(50));
        }
        assert!(pace.believes());
        assert_eq!(settle(&mut pace, Duration::from_secs(2000)), Duration::from_secs(10));
        assert_eq!(pace.missed, 0);
    }

    #[test]
    fn a_change_without_an_event_is_a_miss_and_rearms_once() {
        let mut pace = pace();
        for second in 0..3 {
            pace.event(Duration::from_secs(second), MAILBOX);
            pace.looked(Duration::from_secs(second), MAILBOX);
        }
        pace.looked(Duration::from_secs(60), MAILBOX);
        assert!(pace.believes(), "the event may still come");
        pace.looked(Duration::from_secs(62), NONE);
        assert!(!pace.believes());
        assert_eq!(pace.missed, 1);
        assert!(pace.take_rearm());
        assert!(!pace.take_rearm());
    }

    #[test]
    fn a_probe_that_comes_back_is_proof() {
        let mut pace = pace();
        pace.probed(Duration::from_secs(1));
        pace.event(Duration::from_millis(1_005), MAILBOX);
        assert!(pace.believes());
        pace.probed(Duration::from_secs(60));
        pace.looked(Duration::from_secs(70), NONE);
        assert!(!pace.believes(), "the second one did not come back");
    }

    #[test]
    fn an_event_that_comes_just_after_the_look_is_no_miss() {
        let mut pace = pace();
        pace.looked(Duration::from_secs(60), MAILBOX);
        pace.event(Duration::from_millis(60_200), MAILBOX);
        pace.looked(Duration::from_secs(70), NONE);
        assert_eq!(pace.missed, 0);
    }

    #[test]
    fn events_of_one_place_prove_nothing_of_the_other() {
        let mut pace = pace();
        pace.event(Duration::from_secs(1), SLOT);
        pace.looked(Duration::from_secs(1), SLOT);
        assert!(!pace.believes(), "the mailbox's watcher showed nothing yet");
        pace.event(Duration::from_secs(10), MAILBOX);
        pace.looked(Duration::from_secs(10), MAILBOX);
        assert!(pace.believes());
        pace.looked(Duration::from_secs(20), MAILBOX);
        for second in 20..23 {
            pace.event(Duration::from_secs(second), SLOT);
            pace.looked(Duration::from_secs(second), NONE);
        }
        assert_eq!((pace.believes(), pace.missed, pace.take_rearm()), (false, 1, true));
        assert_eq!(settle(&mut pace, Duration::from_secs(30)), Duration::from_secs(2), "back to polling");
        pace.event(Duration::from_secs(3000), MAILBOX);
        pace.looked(Duration::from_secs(3000), MAILBOX);
        pace.looked(Duration::from_secs(3010), SLOT);
        pace.event(Duration::from_secs(3010), MAILBOX);
        pace.looked(Duration::from_secs(3020), NONE);
        assert_eq!((pace.believes(), pace.missed, pace.take_rearm()), (false, 2, true), "nor the other way");
    }

    #[test]
    fn where_a_look_may_show_what_was_no_event_is_waited_for() {
        let mut pace = pace();
        pace.event(Duration::from_secs(1), MAILBOX);
        pace.looked(Duration::from_secs(1), MAILBOX);
        pace.set_stale(true);
        assert!(!pace.believes());
        assert_eq!(settle(&mut pace, Duration::from_secs(2)), Duration::from_secs(2));
        pace.set_stale(false);
        assert!(pace.believes());
    }
}
