//! A node's clock: virtual time that only goes on, and a wall clock that is off and jumps.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lanpost::sys::clock::Clock;

#[derive(Debug)]
struct Inner {
    now: Duration,
    /// What the wall clock is off by, in milliseconds.
    off: i64,
    counter: u64,
}

/// Time and chance of one node.
#[derive(Debug)]
pub struct SimClock {
    inner: Mutex<Inner>,
    seed: u64,
}

impl SimClock {
    pub fn new(seed: u64) -> SimClock {
        SimClock { inner: Mutex::new(Inner { now: Duration::ZERO, off: 0, counter: 0 }), seed }
    }

    /// Moves on to `at`, unless it is there already: a call that hung took its time.
    pub fn reach(&self, at: Duration) {
        let mut inner = self.inner.lock().unwrap();
        inner.now = inner.now.max(at);
    }

    pub fn pass(&self, time: Duration) {
        self.inner.lock().unwrap().now += time;
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by: i64) {
        self.inner.lock().unwrap().off += by;
    }

    /// Somebody sets the wall clock right.
    pub fn set_right(&self) {
        self.inner.lock().unwrap().off = 0;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.inner.lock().unwrap().now
    }

    fn wall(&self) -> DateTime<Utc> {
        let inner = self.inner.lock().unwrap();
        DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
            + inner.now
            + TimeDelta::milliseconds(inner.off)
    }

    fn random(&self) -> [u8; 10] {
        let mut inner = self.inner.lock().unwrap();
        inner.counter += 1;
        let mut bytes = [0; 10];
        // The counter leads, so that ids made within one millisecond sort in the order they were made.
        bytes[..5].copy_from_slice(&inner.counter.to_be_bytes()[3..]);
        bytes[5..].copy_from_slice(&self.seed.to_be_bytes()[3..]);
        bytes
    }
}
