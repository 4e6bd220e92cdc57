//! Quiet hours: spans of a day in some time zone in which nobody is woken. Pure; the moment is an argument.
//!
//! ```text
//! span := HH:MM "-" HH:MM        the second is not in it, and may be 24:00; one that ends before it begins passes midnight
//! ```
//! A span is what the clock on the wall shows: on the night that an hour is skipped it is shorter, on the night that one
//! comes twice it is longer.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};

const DAY: u32 = 24 * 60;

/// One span, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: u32,
    to: u32,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let bad = || format!("{text:?} is no span of a day like \"22:00-07:00\"");
        let (from, to) = text.split_once('-').ok_or_else(bad)?;
        let (from, to) = (minute(from).ok_or_else(bad)?, minute(to).ok_or_else(bad)?);
        // Midnight has two names, and is no span.
        match from % DAY == to || from == to {
            true => Err(format!("{text:?} holds no time; to wake nobody at all, leave out the wake command")),
            false => Ok(Span { from: from % DAY, to }),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|at| format!("{:02}:{:02}", at / 60, at % 60));
        write!(f, "{from}-{to}")
    }
}

/// The minute of a day that `HH:MM` names.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| matches!(text.len(), 1..=2) && text.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = (digits(hours).then_some(hours)?, digits(minutes).then_some(minutes)?);
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && (hours < 24 || hours == 24 && minutes == 0)).then_some(hours * 60 + minutes)
}

/// Whether no minute of a day is outside of all spans.
pub fn is_all_day(spans: &[Span]) -> bool {
    (0..DAY).all(|minute| spans.iter().any(|span| span.has(minute)))
}

/// When the quiet that is at `now` ends; `None` if it is not quiet.
pub fn ends<Z: TimeZone>(spans: &[Span], zone: &Z, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut end = None;
    let mut at = now;
    // One span may end in another; together they may be the whole day.
    for _ in 0..=spans.len() {
        let local = at.with_timezone(zone).naive_local();
        let Some(span) = spans.iter().find(|span| span.holds(local)) else { break };
        let next = span.end_after(zone, local, at)?;
        (end, at) = (Some(next), next);
    }
    end
}

impl Span {
    fn holds(&self, local: NaiveDateTime) -> bool {
        self.has(local.hour() * 60 + local.minute())
    }

    fn has(&self, minute: u32) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            false => minute >= self.from || minute < self.to,
        }
    }

    /// The first moment after `at`, which is in the span and `local` on the wall, that is not.
    fn end_after<Z: TimeZone>(
        &self,
        zone: &Z,
        local: NaiveDateTime,
        at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let minute = local.hour() * 60 + local.minute();
        let tomorrow = u64::from(minute >= self.to || self.to == DAY);
        let midnight = local.date().checked_add_days(Days::new(tomorrow))?.and_time(NaiveTime::MIN);
        let mut end = midnight.checked_add_signed(TimeDelta::minutes(i64::from(self.to % DAY)))?;
        // An hour, or in some places a day, may be skipped: then the first minute that exists after it.
        for _ in 0..2 * DAY {
            let found = zone.from_local_datetime(&end);
            let moments = [found.clone().earliest(), found.latest()].into_iter().flatten();
            if let Some(moment) = moments.map(|moment| moment.with_timezone(&Utc)).find(|moment| *moment > at)
            {
                return Some(moment);
            }
            end = end.checked_add_signed(TimeDelta::minutes(1))?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::{America, Asia, Europe, Pacific, Tz};
    use proptest::prelude::*;

    use super::*;

    fn spans(text: &[&str]) -> Vec<Span> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn quiet(span: &[&str], zone: Tz, now: &str) -> Option<String> {
        ends(&spans(span), &zone, utc(now)).map(|end| end.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    }

    #[test]
    fn a_night_passes_midnight_in_its_own_zone() {
        let night = |now| quiet(&["22:00-07:00"], Asia::Shanghai, now);
        assert_eq!(night("2026-11-22T13:59:59Z"), None, "21:59:59 there");
        assert_eq!(night("2026-11-22T14:00:00Z").as_deref(), Some("2026-11-22T23:00:00Z"));
        assert_eq!(night("2026-11-22T22:59:59.999Z").as_deref(), Some("2026-11-22T23:00:00Z"));
        assert_eq!(night("2026-11-22T23:00:00Z"), None);
        let noon = |now| quiet(&["12:00-13:30", "23:00-24:00"], Asia::Shanghai, now);
        assert_eq!(noon("2026-11-22T04:00:00Z").as_deref(), Some("2026-11-22T05:30:00Z"));
        assert_eq!(noon("2026-11-22T15:10:00Z").as_deref(), Some("2026-11-22T16:00:00Z"));
        assert_eq!(noon("2026-11-22T16:00:00Z"), None);
    }

    #[test]
    fn a_whole_day_is_told_from_nearly_one() {
        for all in [&["00:00-12:00", "12:00-24:00"][..], &["00:00-24:00"], &["22:00-07:00", "06:00-22:00"]] {
            assert!(is_all_day(&spans(all)), "{all:?}");
        }
        for some in [&[][..], &["00:00-12:00", "12:01-24:00"], &["00:01-24:00"], &["22:00-07:00"]] {
            assert!(!is_all_day(&spans(some)), "{some:?}");
        }
        assert_eq!(spans(&["24:00-07:00"]), spans(&["00:00-07:00"]));
        assert!("24:00-00:00".parse::<Span>().is_err() && "24:00-24:00".parse::<Span>().is_err());
    }

    #[test]
    fn clocks_that_are_changed_make_a_night_shorter_or_longer() {
        let night = |now| quiet(&["22:00-07:00"], Europe::Berlin, now);
        // Spring: 02:00 becomes 03:00. Autumn: 03:00 becomes 02:00.
        assert_eq!(night("2026-03-28T21:00:00Z").as_deref(), Some("2026-03-29T05:00:00Z"));
        assert_eq!(night("2026-10-24T20:00:00Z").as_deref(), Some("2026-10-25T06:00:00Z"));
        // One that ends in the hour that is skipped, and in the one that comes twice.
        let early = |now| quiet(&["22:00-02:30"], Europe::Berlin, now);
        assert_eq!(early("2026-03-29T00:30:00Z").as_deref(), Some("2026-03-29T01:00:00Z"));
        assert_eq!(early("2026-03-29T01:00:00Z"), None);
        assert_eq!(early("2026-10-25T00:10:00Z").as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(early("2026-10-25T00:40:00Z"), None, "02:40, the first time");
        assert_eq!(early("2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T01:30:00Z"), "02:10, again");
        // A day that Samoa skipped, and a zone without any change.
        let samoa = quiet(&["20:00-08:00"], Pacific::Apia, "2011-12-30T09:00:00Z");
        assert_eq!(samoa.as_deref(), Some("2011-12-30T18:00:00Z"));
        assert_eq!(quiet(&["00:00-24:00"], America::Phoenix, "2026-03-08T12:00:00Z").unwrap().len(), 20);
    }

    #[test]
    fn what_is_no_span_is_named() {
        for bad in
            ["", "22", "22:00", "22:00-", "22-7", "25:00-07:00", "22:60-07:00", "7:00-7:00", "-1:00-2:00"]
        {
            assert!(bad.parse::<Span>().unwrap_err().contains(bad), "{bad}");
        }
        assert_eq!("7:05-24:00".parse::<Span>().unwrap().to_string(), "07:05-24:00");
    }

    proptest! {
        #[test]
        fn quiet_ends_later_and_then_it_is_not(
            from in 0..DAY, to in 0..DAY, second in 1_700_000_000..1_800_000_000_i64, zone in 0..4_usize,
        ) {
            prop_assume!(from != to);
            let zone = [Europe::Berlin, Asia::Shanghai, America::New_York, Pacific::Apia][zone];
            let (spans, now) = ([Span { from, to }], DateTime::from_timestamp(second, 0).unwrap());
            if let Some(end) = ends(&spans, &zone, now) {
                prop_assert!(end > now);
                // A night is at most a day and the hour that comes twice.
                prop_assert!(end - now <= TimeDelta::hours(25));
                let before = end - TimeDelta::seconds(1);
                prop_assert!(before < now || ends(&spans, &zone, before).is_some());
                prop_assert!(ends(&spans, &zone, end).is_none());
            }
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,12}|[0-9:-]{0,12}") {
            if let Ok(span) = text.parse::<Span>() {
                prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
            }
        }
    }
}
