//! Time and chance, as arguments: what logic needs of them comes through [`Clock`].
//!
//! `now` decides (monotonic, starts anywhere); `wall` is written down for people and ids. The simulator brings a
//! [`ManualClock`], so a week of bad luck runs in a second and a seed replays.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind, Result};
use crate::model::id::MessageId;

/// Where time and randomness come from.
pub trait Clock: Send + Sync {
    /// Monotonic time since some fixed moment of this process.
    fn now(&self) -> Duration;
    /// The wall clock: may jump, decides nothing about peers.
    fn wall(&self) -> DateTime<Utc>;
    /// Ten random bytes, for ids.
    fn random(&self) -> [u8; 10];

    /// A fresh message id.
    fn message_id(&self) -> MessageId {
        MessageId::v7(self.wall().timestamp_millis().max(0).unsigned_abs(), self.random())
    }

    /// The wall clock in milliseconds since 1970, as the store keeps it.
    fn wall_ms(&self) -> i64 {
        self.wall().timestamp_millis()
    }
}

/// Waits, for faces that poll the local store. Logic never does.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Random bytes for keys and names that nobody may guess.
///
/// # Errors
/// The machine has no random source.
pub fn secret<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::new(Kind::Io, "make a key", "", error))?;
    Ok(bytes)
}

/// The machine's clock and random source.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts at zero now.
    pub fn new() -> Self {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> DateTime<Utc> {
        SystemTime::now().into()
    }

    fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        if getrandom::fill(&mut bytes).is_err() {
            // No random source: ids stay unique on this PC by process and time, which is all that is asked of them.
            let mix = self.start.elapsed().as_nanos() ^ u128::from(std::process::id()) << 64;
            bytes.copy_from_slice(&blake3::hash(&mix.to_le_bytes()).as_bytes()[..10]);
        }
        bytes
    }
}

/// A clock that stands still until it is told to move; its randomness is a counter.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<Manual>,
    seed: u64,
}

#[derive(Debug, Default)]
struct Manual {
    now: Duration,
    ahead: Duration,
    drawn: u64,
}

impl ManualClock {
    /// Starts at zero, wall clock at 2026-01-01; `seed` makes the ids of two clocks differ.
    pub fn new(seed: u64) -> Self {
        ManualClock { state: Mutex::default(), seed }
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.state().now += by;
    }

    /// Sets the wall clock so far ahead of where it would be, without any time passing.
    pub fn set_ahead(&self, by: Duration) {
        self.state().ahead = by;
    }

    fn state(&self) -> MutexGuard<'_, Manual> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.state().now
    }

    fn wall(&self) -> DateTime<Utc> {
        let state = self.state();
        DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default() + state.now + state.ahead
    }

    fn random(&self) -> [u8; 10] {
        let mut state = self.state();
        state.drawn += 1;
        let mut bytes = [0; 10];
        // The counter leads: ids made within one millisecond still sort in the order they were made.
        bytes[..8].copy_from_slice(&state.drawn.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seed.to_be_bytes()[6..]);
        bytes
    }
}
