//! Capped, doubling pauses between attempts. Pure: the caller brings the count and sleeps by itself.

use std::time::Duration;

/// The pause before attempt `failures + 1`: `first`, then doubling, never over `cap`.
pub fn backoff(first: Duration, cap: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    first.saturating_mul(1 << doublings).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let pause = |failures| backoff(Duration::from_secs(2), Duration::from_secs(300), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 8, 9, 1000].map(pause), [2, 2, 4, 8, 256, 300, 300]);
    }
}
