//! A lease: who runs an instance. `leases/<instance>/<number>.json`; the highest number holds.
//!
//! Written once, with O_EXCL, by whoever takes over; never changed. The number is the fencing token in the lane's file
//! names, so a daemon that lost its lease without noticing keeps writing into lanes of its own. Its renewal is the
//! instance's heartbeat, which names the number: a daemon always takes over at its start, but a command's pass only
//! from a holder whose heartbeat says `stopped`, or stood still for [`TERM`] on our clock and on the share's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a holder's heartbeat must stand still before a pass takes the instance over from it: eight missed beats
/// at the default interval, and longer than the 90 s for which clients were seen to hang on a server that was cut off.
pub const TERM: Duration = Duration::from_secs(120);

/// The content of a lease file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// A random word for the run that took it; it tells our own lease from another's, and from that of a copy of our
    /// state folder.
    pub holder: String,
    /// The PC, for people.
    pub host: String,
    /// When it was taken, on the holder's clock (RFC 3339), for people.
    pub since: String,
}

/// What a look at the lease folder means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The highest number is ours.
    Held,
    /// Ours was passed by a higher one.
    Lost {
        /// The number that holds now.
        to: u64,
    },
    /// Ours is not there, nor a higher one: somebody deleted it, or the share is a backup from before.
    Missing,
    /// We have none yet; this number is free.
    Free {
        /// The next number to create.
        next: u64,
    },
}

/// Judges the numbers found in the lease folder; `ours` is the number that our store remembers, if any.
pub fn standing(found: impl IntoIterator<Item = u64>, ours: Option<u64>) -> Standing {
    let highest = found.into_iter().max().unwrap_or(0);
    match ours {
        Some(number) if number == highest => Standing::Held,
        Some(number) if number > highest => Standing::Missing,
        Some(_) => Standing::Lost { to: highest },
        None => Standing::Free { next: highest + 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_holds() {
        assert_eq!(standing([], None), Standing::Free { next: 1 });
        assert_eq!(standing([1, 7, 3], None), Standing::Free { next: 8 });
        assert_eq!(standing([1, 7, 3], Some(7)), Standing::Held);
        assert_eq!(standing([1, 8], Some(7)), Standing::Lost { to: 8 });
        assert_eq!(standing([6], Some(7)), Standing::Missing, "a wiped lease folder passes to nobody");
    }
}
