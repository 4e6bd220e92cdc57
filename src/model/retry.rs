//! Pauses between attempts: capped and doubling, or as the other side asks. Pure: the caller brings the count and the
//! clock, and sleeps by itself.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest pause that somebody else can ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The pause before attempt `failures + 1`: `first`, then doubling, never over `cap`.
pub fn backoff(first: Duration, cap: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    first.saturating_mul(1 << doublings).min(cap)
}

/// The pause that HTTP's `Retry-After` asks for, in seconds or as a date; `date` is the answer's own `Date`, by whose
/// clock it was reckoned. `None` if it is neither.
pub fn asked(retry_after: &str, date: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let text = retry_after.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What is too large for a number is long, too.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let read = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|at| at.to_utc());
    let from = date.and_then(read).unwrap_or(now);
    Some((read(text)? - from).to_std().unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let pause = |failures| backoff(Duration::from_secs(2), Duration::from_secs(300), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 8, 9, 1000].map(pause), [2, 2, 4, 8, 256, 300, 300]);
    }

    #[test]
    fn a_pause_may_be_asked_for_in_seconds_or_as_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-22T02:00:00Z").unwrap().to_utc();
        let date = "Sun, 22 Nov 2026 02:00:30 GMT";
        for (text, server, seconds) in [
            ("7", None, Some(7)),
            (" 0 ", None, Some(0)),
            ("99999999999999999999999", None, Some(86_400)),
            (date, None, Some(30)),
            // By the server's own clock, however wrong it is.
            (date, Some("Sun, 22 Nov 2026 02:00:20 GMT"), Some(10)),
            ("Sun, 22 Nov 2026 01:00:00 GMT", None, Some(0)),
            ("soon", None, None),
            ("-1", None, None),
            ("", None, None),
        ] {
            assert_eq!(asked(text, server, now).map(|pause| pause.as_secs()), seconds, "{text} {server:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_bounded(text in any::<String>(), date in proptest::option::of(any::<String>())) {
            if let Some(pause) = asked(&text, date.as_deref(), DateTime::UNIX_EPOCH) {
                prop_assert!(pause <= LONGEST);
            }
        }
    }
}
