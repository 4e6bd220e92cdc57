//! When an engine looks for mail, where, and how long it may rest.

use std::time::Duration;

use super::{Engine, SCANS};
use crate::engine::hint::{Hints, Role};
use crate::engine::receive::Found;
use crate::error::Result;
use crate::model::layout;

/// The longest rest of an engine that has nothing to do.
const IDLE: Duration = Duration::from_secs(5);

impl Engine {
    /// The look that is due or hinted at: at everything, at one place, or the cheapest there is.
    pub(super) fn look(&mut self, now: Duration, hints: &Hints) -> Result<Found> {
        let (share, node) = (&*self.share, &mut self.node);
        let mut hinted = hints.places();
        if std::mem::take(&mut self.mailbox.more) {
            (hinted.mailbox, hinted.slot) = (true, true);
        }
        let full = now >= self.next_full || hints.everything || self.mailbox.is_due(now);
        let found = if full {
            self.next_full = now + node.config.look.full;
            if self.alone && self.role == Role::Daemon && node.config.look.notify && !self.pace.believes() {
                // Nobody else rings, so we ring ourselves: the event must come back.
                self.gate.ensure(share, node, now)?;
                share.touch(&layout::bell(node.instance()))?;
                self.pace.probed(now);
            }
            self.tasks.look_full(share, self.role, now);
            if hints.everything {
                self.tasks.hint();
            }
            self.mailbox.look_full(share, node, now)?
        } else if hinted.any() {
            let mut found = Found::default();
            if hinted.mailbox {
                found = self.mailbox.look_lanes(share, node, now, false)?;
            }
            if hinted.slot {
                found.join(self.mailbox.look_slot(share, node, now)?);
            }
            if found.changed.any() {
                self.next_look = self.next_look.min(now + self.pace.looked(now, found.changed));
            }
            // The look that is due by itself stays due: hints of one place must not put off the look at the other.
            return Ok(found);
        } else if now >= self.next_look && self.tasks.takes_turn() {
            self.tasks.look_bell(share);
            Found::default()
        } else if now >= self.next_look {
            self.mailbox.look_idle(share, node, now)?
        } else {
            return Ok(Found::default());
        };
        self.next_look = now + self.pace.looked(now, found.changed);
        Ok(found)
    }

    /// How long the engine may rest, hints aside.
    pub(super) fn rest(&self, now: Duration) -> Duration {
        if self.mailbox.more && self.gate.is_open() && self.tenure.number().is_some() {
            return Duration::ZERO;
        }
        if let Some(soon) = self.gate.due(now) {
            return soon.saturating_sub(now);
        }
        if self.lease_lost() {
            return IDLE;
        }
        let beat = (self.role == Role::Daemon).then_some(self.next_beat);
        let timers = [Some(self.next_look), Some(self.next_full), beat, self.mailbox.due()];
        let tasks = self.tasks.due(&self.node, self.role, now);
        let scan = self.last_scan.filter(|_| self.status_hinted).map(|at| at + SCANS);
        let first = timers.into_iter().flatten().chain(scan).chain(tasks).chain(self.outbox.due()).min();
        first.map_or(IDLE, |at| at.saturating_sub(now))
    }
}
