//! Whether a thread lives, seen from outside.
//!
//! The engine's lives while it rests no longer than it meant to, while a call on the share is in flight (which may hang for hours,
//! and restarting the daemon would not mend it), and for a while after it last began something. The courier's makes no such calls:
//! when it does not come round in time, the engine sends what it would.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::sys::clock::Clock;

/// The signs of life of one thread; clones look at the same one.
#[derive(Clone)]
pub struct Pulse {
    clock: Arc<dyn Clock>,
    /// Until when nothing need be heard of it.
    quiet: Arc<Mutex<Duration>>,
}

impl Pulse {
    /// A thread that begins now.
    pub fn new(clock: Arc<dyn Clock>) -> Pulse {
        let quiet = Arc::new(Mutex::new(clock.now()));
        Pulse { clock, quiet }
    }

    /// It begins to work.
    pub fn works(&self) {
        self.set(self.clock.now());
    }

    /// It rests for so long at most.
    pub fn rests(&self, time: Duration) {
        self.set(self.clock.now().saturating_add(time));
    }

    /// Whether it lives, if it may work for `patience` without a sign. A call on the share is one: whether one is in
    /// flight, and when the last one began or ended.
    pub fn is_alive(&self, in_flight: bool, last: Duration, patience: Duration) -> bool {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight || self.clock.now() <= quiet.max(last).saturating_add(patience)
    }

    fn set(&self, until: Duration) {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::ManualClock;

    #[test]
    fn it_may_rest_and_hang_but_not_be_silent() {
        let clock = Arc::new(ManualClock::new(1));
        let pulse = Pulse::new(clock.clone());
        let lives = |pass: u64, in_flight: bool, last: Duration| {
            clock.advance(Duration::from_secs(pass));
            pulse.is_alive(in_flight, last, Duration::from_secs(60))
        };
        let never = Duration::ZERO;
        pulse.rests(Duration::from_secs(3600));
        assert!(lives(3600, false, never) && lives(60, false, never) && !lives(1, false, never));
        pulse.works();
        assert!(lives(60, false, never) && !lives(1, false, never));
        let last = clock.now();
        assert!(lives(60, false, last), "a call on the share is a sign");
        assert!(!lives(1, false, last));
        assert!(lives(86_400, true, last), "a share that hangs all day");
    }
}
