//! What happened to the share behind our back: a backup of it was restored, or files of ours were cut, deleted, or
//! written by somebody else. Recognised by comparing what stands there with what our store remembers; mended by writing
//! unacknowledged mail again, which its recipients drop if they know it. What happened to the state folder is seen
//! before, by [`recall`](crate::engine::recall).
//!
//! Runs at the start, when the share is back, and with every full round. Cost: the read of our heartbeat, the list of
//! our leases, and a stat for each lane with unacknowledged mail.

use crate::engine::beat;
use crate::engine::node::Node;
use crate::engine::tenure::{Tenure, Watched};
use crate::error::Result;
use crate::model::heartbeat::Heartbeat;
use crate::model::layout::{self, LaneFile};
use crate::sys::share::Share;

/// What a look found.
#[derive(Default)]
pub struct Found {
    /// What was mended, in words for the log and for `status`.
    pub mended: Vec<String>,
    /// A lane of ours is longer than what we wrote: before it is gone on with, it must be seen whose lines those are.
    pub grown: bool,
}

/// Looks and mends.
///
/// # Errors
/// The lease is lost; the share's or the store's otherwise.
pub fn look(share: &dyn Share, node: &mut Node, tenure: &mut Tenure) -> Result<Found> {
    let written = node.db.meta("beat")?.and_then(|beat| beat.parse::<u64>().ok()).unwrap_or(0);
    let mut found = vec![];
    found.extend(
        beat::ours(share, node)?.filter(|beat| beat.beat < written).map(|beat| went_back(&beat, written)),
    );
    if let Watched::Missing { number } = tenure.watch(share, node)? {
        found.push(format!("the lease {number} of ours is gone from the share; a new one was taken"));
    }
    if !found.is_empty() {
        let again = node.db.resend(None, node.clock.wall_ms())?;
        found[0] += &format!("; {again} unacknowledged messages are written again");
        return Ok(Found { mended: found, grown: false });
    }
    lanes(share, node)
}

/// Our heartbeat only counts up; a lower one is from before.
fn went_back(beat: &Heartbeat, written: u64) -> String {
    format!(
        "the share went back in time, as if a backup was restored: our heartbeat there is number {}, of {}, and we wrote \
         number {written}",
        beat.beat, beat.timestamp
    )
}

/// Lanes of ours that are shorter than what we wrote, or gone, though their mail was not acknowledged; or longer.
fn lanes(share: &dyn Share, node: &mut Node) -> Result<Found> {
    let mut found = Found::default();
    for (peer, lane) in node.db.unacknowledged_lanes()? {
        let Some(to) = node.db.peer(&peer)?.map(|peer| peer.name) else { continue };
        let file =
            LaneFile { from: node.instance().clone(), lease: lane.lease, segment: lane.position.segment };
        let path = layout::lane(&to, &file);
        let what = match share.stat(&path)? {
            Some(meta) if meta.len >= lane.position.size => {
                found.grown |= meta.len > lane.position.size;
                continue;
            }
            Some(meta) => format!("shrank from {} to {} bytes", lane.position.size, meta.len),
            None => "vanished".to_owned(),
        };
        let again = node.db.resend(Some(&peer), node.clock.wall_ms())?;
        found
            .mended
            .push(format!("{path} of ours {what}; {again} unacknowledged messages are written again"));
    }
    Ok(found)
}
