//! A lease: who runs an instance. `leases/<instance>/<number>.json`; the highest number holds.
//!
//! Written once, with O_EXCL, by the daemon that takes over; never changed. The number is the fencing token in the
//! lane's file names, so a daemon that lost its lease without noticing keeps writing into lanes of its own.

use serde::{Deserialize, Serialize};

/// The content of a lease file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// A random word that names the state folder it belongs to; it tells our own lease from another PC's.
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
        Some(number) if number >= highest => Standing::Held,
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
        assert_eq!(standing([], Some(7)), Standing::Held, "a wiped lease folder passes to nobody");
    }
}
