//! The share's clock: the modification time that the server gives to a file that we just wrote there.
//!
//! Whether a lock or a lease is stale is asked of two clocks: it must have stood still in our own time and in the
//! share's. No PC's wall clock is compared with another's. Written by us alone, in our own lease folder.

use std::time::Duration;

use crate::error::Result;
use crate::model::layout;
use crate::model::name::Name;
use crate::sys::share::{Meta, Share};

/// How long ago, in the share's time, the file of `meta` was last written; zero if it claims to be of the future.
/// `us` has a lease folder. Cost: 1 replace, 1 stat.
pub fn age(share: &dyn Share, us: &Name, meta: &Meta) -> Result<Duration> {
    let path = layout::share_clock(us);
    share.replace(&path, b"now\n")?;
    let now = share.stat(&path)?.map_or(meta.stamp, |written| written.stamp);
    let nanos = u64::try_from(now.saturating_sub(meta.stamp)).unwrap_or(0);
    Ok(Duration::from_nanos(nanos))
}
