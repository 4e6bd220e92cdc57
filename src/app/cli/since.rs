//! Moments in the past, as `log` and `search` take them: a duration back from now, a day, or a time.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};

use crate::model::config::parse_duration;

/// A time, or a duration back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Wall-clock milliseconds.
    At(i64),
    /// Milliseconds before now.
    Ago(i64),
}

impl Moment {
    /// As wall-clock milliseconds.
    pub fn ms(self, now: i64) -> i64 {
        match self {
            Moment::At(ms) => ms,
            Moment::Ago(ms) => now.saturating_sub(ms),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|day| day.and_utc());
        if let Some(at) = text.parse::<DateTime<Utc>>().ok().or_else(day) {
            return Ok(Moment::At(at.timestamp_millis()));
        }
        let ago = parse_duration(text)
            .map_err(|error| format!("{error}, nor a time as in 2026-02-14T10:40:00Z"))?;
        Ok(Moment::Ago(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_duration_a_day_or_a_time() {
        assert_eq!("2h".parse(), Ok(Moment::Ago(7_200_000)));
        assert_eq!("1970-01-02".parse(), Ok(Moment::At(86_400_000)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Moment::At(1_000)));
        assert!("yesterday".parse::<Moment>().is_err());
        assert_eq!((Moment::Ago(3).ms(10), Moment::At(3).ms(10)), (7, 3));
    }
}
