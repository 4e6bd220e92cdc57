//! What nobody needs any more goes: here, and on the share, where only what we put is ours to remove.
//!
//! A blob stays on the share until all its recipients have it, and as long after that as acknowledged segments stay
//! (`keep.segments`), so that what is sent again in that time is there already. Then it is removed, if its stamp is the one
//! that we last saw: otherwise somebody else wants it, too, and it is theirs. Whoever is unlucky in the very moment between
//! finds out, since what its recipients may not have yet is looked at every hour.
//! Here a blob stays until it is on the share and its recipients have it, and one that came as long as its message.
//!
//! Runs once an hour, when nothing is to be moved. A crash leaves a part of it undone.

use std::time::Duration;

use super::Porter;
use crate::error::Result;
use crate::model::blob::Blob;
use crate::store::db::Unneeded;
use crate::sys::share::Share;

/// The time between two rounds.
pub(super) const EVERY: Duration = Duration::from_secs(3_600);
/// The time from the start to the first.
pub(super) const SETTLED: Duration = Duration::from_secs(900);
/// How long what was stored here, and not sent yet, waits for that: `send` may be at work on the rest.
const UNSENT: Duration = Duration::from_secs(86_400);

impl Porter {
    /// What nobody needs on the share any more.
    pub(super) fn unneeded(&self, wall: i64) -> Result<Vec<Unneeded>> {
        self.node.db.unneeded_there(ago(wall, self.node.config.keep.segments))
    }

    /// One round, or as much of it as one step does.
    pub(super) fn tidy(
        &mut self,
        share: &dyn Share,
        unneeded: &[Unneeded],
        now: Duration,
        wall: i64,
    ) -> Result<()> {
        let segments = self.node.config.keep.segments;
        unneeded.iter().try_for_each(|unneeded| self.remove(share, unneeded))?;
        let blobs = self.contents.blobs.clone();
        let (dropped, full) = self.node.db.drop_blobs(ago(wall, UNSENT), &mut |hash| blobs.remove(hash))?;
        if !unneeded.is_empty() || full {
            // There may be more.
            return Ok(());
        }
        self.next_tidy = now + EVERY;
        self.node.db.recheck(ago(wall, EVERY))?;
        let why = format!("its files did not come within {}", humantime::format_duration(segments));
        self.node.db.fail_fetching(ago(wall, segments), &why, wall)?;
        let (known, _) = self.node.db.blobs()?;
        if dropped > 0 || !known.is_empty() {
            self.node.db.forget_blobs()?;
        }
        blobs.tidy(UNSENT, &|hash| known.contains(hash)).map(drop)
    }

    /// Removes a blob of ours from the share, and what was begun of it.
    fn remove(&mut self, share: &dyn Share, unneeded: &Unneeded) -> Result<()> {
        let (path, aside) = self.places(&Blob { size: 0, blake3: unneeded.hash });
        if unneeded.begun {
            share.remove(&aside)?;
        }
        if let Some(stamp) = unneeded.stamp
            && share.stat(&path)?.is_some_and(|meta| meta.regular && meta.stamp == stamp)
        {
            share.remove(&path)?;
        }
        self.node.db.blob_left(&unneeded.hash)
    }
}

fn ago(wall: i64, age: Duration) -> i64 {
    wall.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
