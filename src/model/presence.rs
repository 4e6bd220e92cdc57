//! Presence: our judgement of a peer, from what we saw change and when, on our own clock alone.
//!
//! A peer that beats every `interval` is late after three missed beats and gone after ten minutes of silence.
//! Nothing a peer writes about time decides anything.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::heartbeat::Activity;

/// Beats that may be missed before a peer counts as late: one may be lost to the share, one to the look.
const MISSED: u32 = 3;
/// Silence after which a peer counts as gone.
const GONE: Duration = Duration::from_secs(600);

/// Whether a peer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Its heartbeat changes.
    Online,
    /// Its heartbeat stood still for a while, or was not seen to change yet.
    Late,
    /// It stopped, or stood still for long.
    Gone,
    /// It speaks the plain protocol: nothing is known.
    Plain,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Presence::Online => "online",
            Presence::Late => "late",
            Presence::Gone => "gone",
            Presence::Plain => "plain",
        })
    }
}

/// Judges a peer: `unchanged` is how long its heartbeat stood still on our clock, `None` if we never saw it change.
pub fn judge(activity: Activity, interval: Duration, unchanged: Option<Duration>) -> Presence {
    match (activity, unchanged) {
        (Activity::Stopped, _) => Presence::Gone,
        (Activity::Online, None) => Presence::Late,
        // A peer that claims a day between beats doesn't get to be online for three.
        (Activity::Online, Some(still)) if still <= interval.saturating_mul(MISSED).min(GONE) => {
            Presence::Online
        }
        (Activity::Online, Some(still)) if still < GONE => Presence::Late,
        (Activity::Online, Some(_)) => Presence::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_judged_by_how_long_it_stood_still() {
        let beat = Duration::from_secs(15);
        let cases = [
            (Some(0), Presence::Online),
            (Some(45), Presence::Online),
            (Some(46), Presence::Late),
            (Some(600), Presence::Gone),
            (None, Presence::Late),
        ];
        for (still, presence) in cases {
            assert_eq!(judge(Activity::Online, beat, still.map(Duration::from_secs)), presence, "{still:?}");
        }
        assert_eq!(judge(Activity::Stopped, beat, Some(Duration::ZERO)), Presence::Gone);
    }

    #[test]
    fn a_boastful_interval_does_not_keep_a_peer_online() {
        let day = Duration::from_secs(86_400);
        assert_eq!(judge(Activity::Online, day, Some(day * 2)), Presence::Gone);
        let forever = Duration::from_secs(u64::MAX);
        assert_eq!(judge(Activity::Online, forever, Some(day)), Presence::Gone, "and breaks no arithmetic");
    }
}
