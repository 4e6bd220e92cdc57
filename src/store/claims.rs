//! Claims on the share: who alone may work on something. Taken as leases are ([`lease`](super::lease)), number by number;
//! what is claimed, and who may take over, is for the caller to say.
//!
//! After an error the same call may be made again: it recognises what it made by its bytes. A crash leaves a claim that its
//! maker knows again by the word in it.

use crate::error::Result;
use crate::model::claim::{Claim, MAX};
use crate::model::layout::{self, ClaimFolder, SharePath};
use crate::store::claim::claim;
use crate::sys::share::Share;
use serde_json::{Map, Value};

/// What stands in the place of a claim.
#[derive(Clone, Debug)]
pub enum Found {
    /// A claim, and the object that the key of its writer is to verify.
    Claim(Claim, Map<String, Value>),
    /// Something else, or nothing any more.
    Nothing,
}

/// The highest number that was given; 0 if none was. Cost: 1 list.
pub fn highest(share: &dyn Share, on: &ClaimFolder) -> Result<u64> {
    let mut highest = 0;
    share.list_those(on.path(), &mut |name| {
        highest = layout::parse_claim(name).unwrap_or(0).max(highest);
        false
    })?;
    Ok(highest)
}

/// What the claim `number` says. Cost: 1 read.
pub fn read(share: &dyn Share, on: &ClaimFolder, number: u64) -> Result<Found> {
    let bytes = share.read(&on.claim(number), 0, MAX)?.unwrap_or_default();
    let found = Claim::read(&bytes, on.path().as_str(), number);
    Ok(found.map_or(Found::Nothing, |(claim, object)| Found::Claim(claim, object)))
}

/// Makes the claim `number`, which no other one holds, and looks again: it is held only if it is the highest. `bytes` are
/// those of this claim alone. The share must be known to be the right one, since the folder is made if need be.
/// Cost: 1 create, 1 list; for the first claim a mkdir for each folder that is not there.
pub fn take(share: &dyn Share, on: &ClaimFolder, number: u64, bytes: &[u8]) -> Result<bool> {
    let path = on.claim(number);
    let made = match claim(share, &path, bytes) {
        Err(error) if error.is_not_found() => {
            make_folders(share, on.path())?;
            claim(share, &path, bytes)?
        }
        other => other?,
    };
    Ok(made && highest(share, on)? == number)
}

/// Makes a folder and those that it lies in, but for the share's root.
fn make_folders(share: &dyn Share, folder: &SharePath) -> Result<()> {
    let mut missing = vec![folder.clone()];
    while let Some(above) = missing.last().map(SharePath::parent).filter(|above| !above.as_str().is_empty()) {
        missing.push(above);
    }
    missing.iter().rev().try_for_each(|folder| share.make_folder(folder))
}

/// Whether a number above `number` was given. Cost: 1 stat.
pub fn is_passed(share: &dyn Share, on: &ClaimFolder, number: u64) -> Result<bool> {
    Ok(share.stat(&on.claim(number + 1))?.is_some())
}

/// Removes all claims of something that is over and forgotten, the highest last. Cost: 1 list, and an unlink each.
pub fn remove(share: &dyn Share, on: &ClaimFolder) -> Result<()> {
    let mut numbers: Vec<u64> =
        share.names(on.path())?.iter().filter_map(|name| layout::parse_claim(name)).collect();
    if numbers.is_empty() && share.stat(on.path())?.is_none() {
        return Ok(());
    }
    numbers.sort_unstable();
    numbers.into_iter().try_for_each(|number| share.remove(&on.claim(number)))?;
    share.remove(on.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemoryShare;

    #[test]
    fn a_number_is_given_once_and_the_highest_holds() {
        let share = MemoryShare::new();
        let on = layout::task_claims(&"01942a3f-0c00-7000-8000-000000000001".parse().unwrap());
        assert_eq!(highest(&share, &on).unwrap(), 0);
        assert!(take(&share, &on, 1, b"a").unwrap());
        assert!(take(&share, &on, 1, b"a").unwrap(), "the first answer may have been lost");
        assert!(!take(&share, &on, 1, b"b").unwrap());
        assert!(!is_passed(&share, &on, 1).unwrap());
        assert!(take(&share, &on, 2, b"b").unwrap() && is_passed(&share, &on, 1).unwrap());
        assert!(!take(&share, &on, 1, b"a").unwrap(), "it was passed");
        assert!(matches!(read(&share, &on, 2).unwrap(), Found::Nothing));
        remove(&share, &on).unwrap();
        remove(&share, &on).unwrap();
        assert_eq!(highest(&share, &on).unwrap(), 0);
    }
}
