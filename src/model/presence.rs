//! Presence: our judgement of a peer, from what we saw change and when, on our own clock alone.
//!
//! A peer that beats every `interval` is late after three missed beats and gone after ten minutes of silence. One whose
//! heartbeat we never saw change is late, and gone when we have looked for as long. Nothing a peer writes about time decides anything.

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
    /// It stopped, or stood still for long while we looked.
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

/// Judges a peer: `still` is how long its heartbeat stood still on our clock, since it was last seen to change if it was
/// `moved`, else since it was first seen.
pub fn judge(activity: Activity, interval: Duration, still: Duration, moved: bool) -> Presence {
    // A peer that claims a day between beats doesn't get to be online for three.
    let fresh = moved && still <= interval.saturating_mul(MISSED).min(GONE);
    match activity {
        Activity::Online if fresh => Presence::Online,
        Activity::Online if still < GONE => Presence::Late,
        Activity::Online | Activity::Stopped => Presence::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_judged_by_how_long_it_stood_still() {
        let beat = Duration::from_secs(15);
        let cases = [
            (0, true, Presence::Online),
            (45, true, Presence::Online),
            (46, true, Presence::Late),
            (600, true, Presence::Gone),
            (0, false, Presence::Late),
            (599, false, Presence::Late),
            (600, false, Presence::Gone),
        ];
        for (still, moved, presence) in cases {
            let judged = judge(Activity::Online, beat, Duration::from_secs(still), moved);
            assert_eq!(judged, presence, "{still} s, moved: {moved}");
        }
        assert_eq!(judge(Activity::Stopped, beat, Duration::ZERO, true), Presence::Gone);
    }

    #[test]
    fn a_boastful_interval_does_not_keep_a_peer_online() {
        let day = Duration::from_secs(86_400);
        assert_eq!(judge(Activity::Online, day, day * 2, true), Presence::Gone);
        let forever = Duration::from_secs(u64::MAX);
        assert_eq!(judge(Activity::Online, forever, day, true), Presence::Gone, "and breaks no arithmetic");
    }
}
