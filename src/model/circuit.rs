//! A circuit breaker: whether a way that may be dead is used, and when it is tried again. Pure.
//!
//! ```text
//! closed --a failure--> open --a probe that went well--> trial --something was taken--> closed
//!                        ^  \--a probe that failed: a longer pause--/  |
//!                        \----------------a failure---------------/
//! ```
//! It begins closed: the first try is made in hope. A probe alone never closes it, since a way may carry a greeting and
//! no mail; the pauses grow until something was taken.

use std::time::Duration;

use super::retry;

/// The pauses between probes.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// One way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Trial,
    Open {
        probe_at: Duration,
    },
}

impl Circuit {
    /// Whether mail may go this way.
    pub fn is_usable(&self) -> bool {
        !matches!(self.state, State::Open { .. })
    }

    /// Whether mail went this way last time.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// When a probe is due, if it is open.
    pub fn probe_at(&self) -> Option<Duration> {
        match self.state {
            State::Open { probe_at } => Some(probe_at),
            _ => None,
        }
    }

    /// How often in a row it failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something was not taken, or a probe failed; `wait` is what the other side asked for.
    pub fn failed(&mut self, now: Duration, wait: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        let pause =
            retry::backoff(PAUSES.0, PAUSES.1, self.failures).max(wait.unwrap_or_default().min(PAUSES.1));
        self.state = State::Open { probe_at: now.saturating_add(pause) };
    }

    /// It did not carry so much in the time that there was, and is to carry less: it is probed soon.
    pub fn strained(&mut self, now: Duration) {
        self.failures = self.failures.max(1);
        self.state = State::Open { probe_at: now.saturating_add(PAUSES.0) };
    }

    /// A probe went well.
    pub fn answered(&mut self) {
        if !self.is_usable() {
            self.state = State::Trial;
        }
    }

    /// Something was taken.
    pub fn taken(&mut self) {
        *self = Circuit::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_opens_at_once_and_closes_when_something_was_taken() {
        let mut circuit = Circuit::default();
        assert!(circuit.is_usable() && circuit.is_closed());
        circuit.failed(SECOND, None);
        assert!(!circuit.is_usable());
        assert_eq!(circuit.probe_at(), Some(2 * SECOND));
        circuit.answered();
        assert!(circuit.is_usable() && !circuit.is_closed());
        circuit.failed(2 * SECOND, None);
        assert_eq!(circuit.probe_at(), Some(4 * SECOND), "a greeting alone shortens no pause");
        circuit.answered();
        circuit.taken();
        assert_eq!(circuit, Circuit::default());
    }

    #[test]
    fn one_that_is_to_carry_less_is_probed_soon() {
        let mut circuit = Circuit::default();
        (0..3).for_each(|_| circuit.failed(SECOND, None));
        circuit.strained(5 * SECOND);
        assert_eq!((circuit.probe_at(), circuit.failures()), (Some(6 * SECOND), 3));
    }

    #[test]
    fn who_asks_for_a_pause_gets_it_up_to_a_minute() {
        let mut circuit = Circuit::default();
        circuit.failed(SECOND, Some(30 * SECOND));
        assert_eq!(circuit.probe_at(), Some(31 * SECOND));
        circuit.failed(SECOND, Some(3_600 * SECOND));
        assert_eq!(circuit.probe_at(), Some(61 * SECOND));
    }

    proptest! {
        #[test]
        fn an_open_one_is_probed_within_a_minute_and_a_closed_one_never_failed(
            deeds in prop::collection::vec((0_u8..4, 0_u64..1_000), 0..100),
        ) {
            let (mut circuit, mut now) = (Circuit::default(), Duration::ZERO);
            for (deed, pass) in deeds {
                now += Duration::from_secs(pass);
                match deed {
                    0 => circuit.failed(now, None),
                    1 => circuit.answered(),
                    2 => circuit.strained(now),
                    _ => circuit.taken(),
                }
                prop_assert_eq!(circuit.is_usable(), circuit.probe_at().is_none());
                if let Some(at) = circuit.probe_at().filter(|_| matches!(deed, 0 | 2)) {
                    prop_assert!(at > now && at <= now + 60 * SECOND);
                }
                prop_assert_eq!(circuit.is_closed(), circuit.failures() == 0);
            }
        }
    }
}
