//! Sending into an open slot, for a peer without a heartbeat: its lockfile is taken, or waited for, or broken when whoever
//! held it is surely gone.

use std::time::Duration;

use super::{Outbox, TROUBLE};
use crate::engine::gate;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::layout;
use crate::model::lockfile;
use crate::model::name::Name;
use crate::model::sign::Signer;
use crate::store::db::Outgoing;
use crate::store::slot::{self, Appended};
use crate::sys::process;
use crate::sys::share::Share;

/// Lines in one visit to an open slot.
pub(super) const SLOT_BATCH: usize = 100;
/// A busy lockfile is tried again after this.
const LOCKED: Duration = Duration::from_millis(200);
/// A lockfile that stands still for this long is told of.
const TOLD_AFTER: Duration = Duration::from_secs(20);
/// After a lockfile was broken: longer than whoever judged it at the same time takes to remove it.
const BROKEN: Duration = Duration::from_secs(2);
/// Whose open slot we may hold the lockfile of; empty when none. Written before the lock is taken, so that a lock
/// that could not be removed, or that a crash left, is removed as soon as the share lets us.
const LOCK: &str = "lockfile";

impl Outbox {
    /// Removes the lockfile that an append of ours may have left. Cost: none, unless there was one.
    pub(super) fn release(&mut self, share: &dyn Share, node: &mut Node) -> Result<()> {
        if self.released {
            return Ok(());
        }
        if let Some(to) = node.db.meta(LOCK)?.and_then(|to| Name::parse(&to).ok()) {
            let holder = node.db.meta("holder")?.unwrap_or_default();
            gate::look(share, node)?;
            slot::release(share, &to, (&holder, &process::host_name()))?;
            node.db.set_meta(LOCK, "")?;
        }
        self.released = true;
        Ok(())
    }

    /// Appends a batch; whether more may go at once.
    pub(super) fn send_slot(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        (to, fold): (&Name, &str),
        batch: &[Outgoing],
        signer: &Signer,
        now: Duration,
    ) -> Result<bool> {
        let lines: Vec<u8> =
            batch.iter().flat_map(|outgoing| outgoing.envelope.to_signed_plain_line(signer)).collect();
        let holder = node.db.meta("holder")?.unwrap_or_default();
        let attempt = node.clock.message_id();
        let host = process::host_name();
        let note = lockfile::note(&holder, &host, process::id(), attempt.as_str());
        gate::look(share, node)?;
        let slot = layout::open_slot(to);
        let len = share.stat(&slot)?.map_or(0, |meta| meta.len);
        if len >= node.config.keep.spool_bytes.0 {
            let error = Error::new(Kind::Full, "append to", slot, format!("it is {len} bytes long already"));
            return Err(error.next(
                "have it emptied or removed by whoever reads it, or raise `spool_bytes` in the config's table `keep`",
            ));
        }
        node.db.set_meta(LOCK, to.as_str())?;
        self.released = false;
        let (appended, unlocked) = slot::append(share, to, &lines, &note)?;
        if unlocked {
            node.db.set_meta(LOCK, "")?;
            self.released = true;
        }
        let held = self.held.entry(fold.to_owned()).or_default();
        match appended {
            Appended::Written => {
                self.held.remove(fold);
                node.db.sent(fold, batch, None, "to the open slot", node.clock.wall_ms())?;
                return Ok(batch.len() == SLOT_BATCH);
            }
            Appended::Locked(lock) => {
                let since =
                    held.lock.take().filter(|(seen, _)| *seen == lock).map_or(now, |(_, since)| since);
                let still = now.saturating_sub(since);
                if slot::is_left_behind(share, (node.instance(), to), (&holder, &host), &lock, still)? {
                    slot::break_lock(share, to, &lock)?;
                    held.until = now + BROKEN;
                    let lock = layout::open_slot_lock(to);
                    self.broken
                        .push(format!("{lock} was left behind by something that died; it was removed"));
                } else {
                    held.lock = Some((lock, since));
                    held.until = now + LOCKED;
                    if still >= TOLD_AFTER {
                        let cause = "its lockfile is held, and stands still";
                        let error = Error::new(Kind::Busy, "append to", layout::open_slot(to), cause);
                        return Err(error.next(
                            "it is broken 60 s after lanpost left it, 5 min after another tool did; if you know \
                             that nobody holds it, remove it",
                        ));
                    }
                }
            }
            Appended::Overwritten => held.until = now + TROUBLE.0,
        }
        Ok(false)
    }
}
