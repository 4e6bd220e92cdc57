//! What the wall clock brings about, each side by itself: whoever steps asks, so it happens though the share hangs.

use std::time::Duration;

use super::beat;
use super::node::Node;
use crate::error::Result;

/// Mail of ours whose time has come goes into the queue; what waited there for longer than its sender wanted ends.
///
/// # Errors
/// The local store's.
pub fn outgoing(node: &mut Node) -> Result<()> {
    let now = node.clock.wall_ms();
    node.db.queue_scheduled(now)?;
    node.db.expire_queued(now).map(drop)
}

/// Mail that was put off comes back, and unread mail whose time ran out ends. That time is by its sender's clock, which we know
/// no better than what it last said and what has passed since by our own: unless that is set ahead, nothing ends too early.
///
/// # Errors
/// The local store's.
pub fn incoming(node: &mut Node) -> Result<()> {
    let now = node.clock.wall_ms();
    node.db.end_snoozes(node.config.wake.is_on(), now)?;
    for (peer, first) in node.db.unread_expiries()? {
        if let Some(theirs) = beat::their_least_time(node, &peer)?.filter(|theirs| *theirs >= first) {
            node.db.expire_unread(&peer, theirs, now)?;
        }
    }
    Ok(())
}

/// How long it is until the next message is to go, or to come back, if the clock is not set.
///
/// # Errors
/// The local store's.
pub fn next(node: &Node) -> Result<Option<Duration>> {
    let now = node.clock.wall_ms();
    // What is due already waits for something else.
    let next = node.db.next_due()?.filter(|at| *at > now);
    Ok(next.map(|at| Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or_default())))
}
