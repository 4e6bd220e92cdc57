//! Moments to come, as people say them: when mail is to go, or to come back. Pure; now and the zone are arguments.
//!
//! ```text
//! moment := RFC 3339, with its offset | [day (" " | "T")] time        in the zone of this PC
//! day    := YYYY-MM-DD | "today" | "tomorrow"          time := H:MM[:SS]
//! ```
//! A time without a day is the next one that the clock on the wall will show. What is due may be so on a day, or have been:
//!
//! ```text
//! due    := day | moment | RFC 3339, though it is over
//! ```

use std::fmt::Display;

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc};

/// A moment to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The moment.
    pub at: DateTime<Utc>,
    /// What whoever said it should know.
    pub note: Option<String>,
}

/// The moment that `text` says at `now` in `zone`.
///
/// # Errors
/// It says none, one that is over, or one that the clocks of that zone skip.
pub fn parse<Z: TimeZone>(text: &str, now: DateTime<Utc>, zone: &Z) -> Result<When, String>
where
    Z::Offset: Display,
{
    let when = match DateTime::parse_from_rfc3339(text.trim()) {
        Ok(at) => When { at: at.to_utc(), note: None },
        Err(_) => local(text.trim(), now, zone)?,
    };
    match when.at > now {
        true => Ok(when),
        false => Err(format!("{text:?} is over")),
    }
}

/// When something is due that `text` says: the day, or the moment with its offset; and what whoever said it should know.
///
/// # Errors
/// As of [`parse`].
pub fn due<Z: TimeZone>(text: &str, now: DateTime<Utc>, zone: &Z) -> Result<(String, Option<String>), String>
where
    Z::Offset: Display,
{
    let text = text.trim();
    if let Some(day) = named(text, now.with_timezone(zone).date_naive()) {
        return Ok((day.to_string(), None));
    }
    if DateTime::parse_from_rfc3339(text).is_ok() {
        return Ok((text.to_owned(), None));
    }
    parse(text, now, zone).map(|when| (when.at.with_timezone(zone).to_rfc3339(), when.note))
}

fn local<Z: TimeZone>(text: &str, now: DateTime<Utc>, zone: &Z) -> Result<When, String>
where
    Z::Offset: Display,
{
    let bad = || {
        format!(
            "{text:?} is no time as in \"2026-12-01 09:00\", \"tomorrow 9:00\", \"9:00\" or 2026-12-01T09:00:00+08:00"
        )
    };
    let today = now.with_timezone(zone).date_naive();
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (Some(named(day, today).ok_or_else(bad)?), time.trim()),
        None => (None, text),
    };
    let formats = ["%H:%M", "%H:%M:%S"];
    let time =
        formats.iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok()).ok_or_else(bad)?;
    if let Some(day) = day {
        return on(day, time, zone);
    }
    match on(today, time, zone) {
        Ok(when) if when.at > now => Ok(when),
        _ => on(today.checked_add_days(Days::new(1)).ok_or_else(bad)?, time, zone),
    }
}

fn named(day: &str, today: NaiveDate) -> Option<NaiveDate> {
    match day {
        "today" => Some(today),
        "tomorrow" => today.checked_add_days(Days::new(1)),
        _ => day.parse().ok(),
    }
}

fn on<Z: TimeZone>(day: NaiveDate, time: NaiveTime, zone: &Z) -> Result<When, String>
where
    Z::Offset: Display,
{
    match zone.from_local_datetime(&day.and_time(time)) {
        LocalResult::Single(at) => Ok(When { at: at.to_utc(), note: None }),
        LocalResult::Ambiguous(one, other) => {
            // Which of them chrono names first depends on where the zone comes from.
            let (first, second) = if other < one { (other, one) } else { (one, other) };
            let note = format!(
                "clocks are set back then, and show {time} twice on {day}: the first is meant, {}; the second is {}",
                first.to_rfc3339(),
                second.to_rfc3339()
            );
            Ok(When { at: first.to_utc(), note: Some(note) })
        }
        LocalResult::None => Err(format!(
            "there is no {time} on {day}: clocks are set forward then; give a time before or after"
        )),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Result<String, String> {
        let now = "2026-03-28T10:00:00Z".parse().unwrap();
        parse(text, now, &Berlin).map(|when| when.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[test]
    fn a_moment_is_said_in_many_ways() {
        for (said, meant) in [
            ("2026-12-01 09:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01T09:00:30", "2026-12-01T08:00:30Z"),
            ("2026-12-01T09:00:00+08:00", "2026-12-01T01:00:00Z"),
            ("2026-07-01 9:00", "2026-07-01T07:00:00Z"),
            ("tomorrow 9:00", "2026-03-29T07:00:00Z"),
            ("today 23:59", "2026-03-28T22:59:00Z"),
            ("12:00", "2026-03-28T11:00:00Z"),
            ("11:00", "2026-03-29T09:00:00Z"),
        ] {
            assert_eq!(at(said).as_deref(), Ok(meant), "{said}");
        }
    }

    #[test]
    fn what_is_over_or_skipped_or_nonsense_is_refused() {
        for (said, why) in [
            ("2026-03-28 09:00", "over"),
            ("2026-03-28T10:00:00Z", "over"),
            ("2026-03-29 02:30", "set forward"),
            ("tomorrow", "is no time"),
            ("2026-12-01", "is no time"),
            ("2026-02-30 09:00", "is no time"),
            ("25:00", "is no time"),
            ("", "is no time"),
            ("someday 9:00", "is no time"),
        ] {
            assert!(at(said).unwrap_err().contains(why), "{said}");
        }
    }

    #[test]
    fn what_is_due_is_due_on_a_day_or_at_a_moment() {
        let now = "2026-03-28T10:00:00Z".parse().unwrap();
        for (said, meant) in [
            ("2026-02-14", "2026-02-14"),
            ("tomorrow", "2026-03-29"),
            ("2026-02-14T18:00:00+08:00", "2026-02-14T18:00:00+08:00"),
            ("2026-12-01 9:00", "2026-12-01T09:00:00+01:00"),
            ("tomorrow 18:00", "2026-03-29T18:00:00+02:00"),
        ] {
            assert_eq!(due(said, now, &Berlin), Ok((meant.to_owned(), None)), "{said}");
        }
        for said in ["soon", "", "2026-02-30", "2026-02-14 9:00"] {
            assert!(due(said, now, &Berlin).is_err(), "{said}");
        }
    }

    #[test]
    fn of_two_the_first_is_meant_and_it_is_said() {
        let now = "2026-10-24T10:00:00Z".parse().unwrap();
        let when = parse("tomorrow 2:30", now, &Berlin).unwrap();
        assert_eq!(when.at.to_rfc3339(), "2026-10-25T00:30:00+00:00");
        assert!(when.note.unwrap().contains("twice"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_panics(text in "\\PC{0,24}|[0-9:T +-]{0,20}|(today|tomorrow|9999-12-31) [0-9:]{0,6}") {
            if let Ok(when) = parse(&text, "2026-03-28T10:00:00Z".parse().unwrap(), &Berlin) {
                prop_assert!(when.at > DateTime::UNIX_EPOCH);
            }
        }
    }
}
