//! The share's identity, and the folders that every share has.
//!
//! `lanpost.json` is created once by whoever comes first; the loser of the race reads the winner's.

use crate::error::{Error, Kind, Result};
use crate::model::identity::{FORMAT, Identity};
use crate::model::layout::{self, SharePath};
use crate::store::claim::claim;
use crate::sys::share::Share;

/// More than any identity file holds; a larger file is not ours.
const MAX: usize = 64 * 1024;

/// Reads the share's identity; `None` if there is none: no lanpost share, or nothing mounted.
///
/// # Errors
/// The share does not answer, or its identity is not one that this version understands.
pub fn read(share: &dyn Share) -> Result<Option<Identity>> {
    let path = layout::identity();
    let Some(bytes) = share.read(&path, 0, MAX)? else { return Ok(None) };
    let parsed = Identity::parse(&bytes);
    parsed.map(Some).map_err(|cause| {
        let place = format!("{} of {}", path, share.describe());
        Error::new(Kind::Away, "read", place, cause).next(match Identity::is_newer(&bytes) {
            true => "update lanpost on this PC",
            false => {
                "look whether the right share is mounted there; if it is, restore that file from a backup"
            }
        })
    })
}

/// Whether there is an identity that says nothing, nor is of a newer lanpost.
pub fn is_damaged(share: &dyn Share) -> bool {
    let found = share.read(&layout::identity(), 0, MAX);
    found.is_ok_and(|found| {
        found.is_some_and(|bytes| Identity::parse(&bytes).is_err() && !Identity::is_newer(&bytes))
    })
}

/// Whether folders of lanpost are there without an identity: somebody removed the file. An empty mount point has
/// neither, and nor has a share that doesn't answer.
pub fn is_missing(share: &dyn Share) -> bool {
    let names = share.names(&layout::root()).unwrap_or_default();
    // The plain protocol knows the first of them, too.
    layout::folders().iter().skip(1).all(|folder| names.iter().any(|name| name == folder.as_str()))
}

/// How the identity `known` comes back to a share that lost it, in words.
pub fn restore(known: &str) -> String {
    let line = serde_json::json!({"share": known, "format": FORMAT});
    format!("if the right share is mounted, put the file back: from a backup, or with this one line: {line}")
}

/// Which of lanpost's folders are not on the share. Cost: 1 list.
pub fn missing_folders(share: &dyn Share) -> Result<Vec<SharePath>> {
    let names = share.names(&layout::root())?;
    let gone = |folder: &SharePath| !names.iter().any(|name| name == folder.as_str());
    Ok(layout::folders().into_iter().filter(gone).collect())
}

/// Makes the folders again that somebody removed, and returns them. The share must be known to be the right one: on
/// what is mounted in its place, or on an empty mount point, nothing is to be made. Cost: 1 list, and 1 mkdir each.
pub fn mend_folders(share: &dyn Share) -> Result<Vec<SharePath>> {
    let missing = missing_folders(share)?;
    for folder in &missing {
        share.make_folder(folder)?;
    }
    Ok(missing)
}

/// Makes the share ours: its folders and its identity, unless somebody did before. Returns the identity in force.
pub fn establish(share: &dyn Share, fresh: &Identity) -> Result<Identity> {
    for folder in layout::folders() {
        share.make_folder(&folder)?;
    }
    if claim(share, &layout::identity(), &fresh.to_bytes())? {
        return Ok(fresh.clone());
    }
    read(share)?.ok_or_else(|| {
        let cause = "it was there a moment ago and is gone";
        Error::new(Kind::Away, "read", layout::identity(), cause)
            .next("look whether the share is still mounted")
    })
}
