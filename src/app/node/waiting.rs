//! Waiting for the local store to change, and looking at the share meanwhile if nobody else does.

use std::time::Duration;

use super::{Node, ROLE};
use crate::engine::node as core;
use crate::error::Result;
use crate::sys::clock::pause;

/// The time between two glances at the store.
const STEP: Duration = Duration::from_millis(20);
/// How often the share is looked at while no daemon runs.
const EVERY: Duration = Duration::from_secs(1);
/// The store is looked at anew after so long, changed or not: some things come about by time alone.
pub const LOOK: Duration = Duration::from_secs(1);

/// What the store was at the last glance.
pub struct Glance {
    version: i64,
    looked: Option<Duration>,
}

impl Glance {
    /// Begins, before its caller looks at the store.
    pub fn new(core: &core::Node) -> Result<Glance> {
        Ok(Glance { version: core.db.data_version()?, looked: None })
    }
}

impl Node {
    /// Asks until there is an answer, whenever the store may have changed; `None`: there was none within `patience`.
    pub(super) fn until<T>(
        &mut self,
        patience: Duration,
        mut ask: impl FnMut(&mut core::Node) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let until = self.core.clock.now().saturating_add(patience);
        let mut glance = Glance::new(&self.core)?;
        loop {
            // The time first: what comes while it runs out counts.
            let now = self.core.clock.now();
            let answer = ask(&mut self.core)?;
            if answer.is_some() || now >= until {
                return Ok(answer);
            }
            self.glance(&mut glance, now.saturating_add(LOOK).min(until))?;
        }
    }

    /// Returns when the store may have changed, or at `until`. Trouble with the share is no error here: mail that waits is
    /// still stored, and `status` tells.
    pub(super) fn glance(&mut self, glance: &mut Glance, until: Duration) -> Result<()> {
        loop {
            let now = self.core.clock.now();
            let due = glance.looked.is_none_or(|looked| now.saturating_sub(looked) >= EVERY);
            let mut passed = false;
            if due && !self.core.daemon_runs() {
                // What this process wrote itself is not in `data_version`.
                passed = self.passes.pass(&self.core, ROLE).is_ok();
            }
            if due {
                glance.looked = Some(self.core.clock.now());
            }
            let version = self.core.db.data_version()?;
            if std::mem::replace(&mut glance.version, version) != version || passed {
                return Ok(());
            }
            if self.core.clock.now() >= until {
                return Ok(());
            }
            pause(STEP);
        }
    }
}
