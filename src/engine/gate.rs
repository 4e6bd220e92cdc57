//! The gate: the share is used only while it is known to be the share we know.
//!
//! Its identity is read at the start, with every heartbeat, and after every failure. An unmounted mount point has no
//! identity, a swapped share has another one: neither is believed or written, and looking for the right one goes on
//! with growing pauses.

use std::time::Duration;

use crate::engine::node::{Node, init_again};
use crate::error::{Error, Kind, Result};
use crate::model::retry;
use crate::store::identity;
use crate::sys::share::Share;

/// Pauses between looks whether the share is back.
const AWAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// What is known of the share's identity.
#[derive(Debug, Default)]
pub struct Gate {
    checked: Option<Duration>,
    failures: u32,
    retry_at: Duration,
}

/// Whether the share may be used.
pub enum Verdict {
    /// It may.
    Open,
    /// It may not; this is why, if it was just looked at.
    Closed(Option<Error>),
}

impl Gate {
    /// Whether the share may be used now. `writing`: something is about to be written that nothing else guards, so
    /// that what was seen earlier is not enough. Cost: a read of `lanpost.json` if a look is due.
    ///
    /// # Errors
    /// The local store's alone.
    pub fn judge(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        now: Duration,
        writing: bool,
    ) -> Result<Verdict> {
        let lately = |at| now.saturating_sub(at) < node.config.look.heartbeat;
        if self.checked.is_some_and(lately) && !(writing && self.checked != Some(now)) {
            return Ok(Verdict::Open);
        }
        if self.failures > 0 && now < self.retry_at {
            return Ok(Verdict::Closed(None));
        }
        match look(share, node) {
            Ok(()) => {
                *self = Gate { checked: Some(now), ..Gate::default() };
                Ok(Verdict::Open)
            }
            Err(error) if error.is_in_store() => Err(error),
            Err(error) => {
                self.checked = None;
                self.failures += 1;
                self.retry_at = now + retry::backoff(AWAY.0, AWAY.1, self.failures);
                Ok(Verdict::Closed(Some(error)))
            }
        }
    }

    /// Has the share looked at again, unless it was in this very step.
    pub fn ensure(&mut self, share: &dyn Share, node: &mut Node, now: Duration) -> Result<()> {
        if self.checked == Some(now) {
            return Ok(());
        }
        look(share, node)?;
        self.checked = Some(now);
        Ok(())
    }

    /// Something failed: the identity is looked at again before anything more is believed.
    pub fn doubt(&mut self) {
        self.checked = None;
    }

    /// Whether the last look found the share, and nothing failed since.
    pub fn is_open(&self) -> bool {
        self.checked.is_some()
    }

    /// When to look again; `None` while the gate is open.
    pub fn due(&self, now: Duration) -> Option<Duration> {
        match (self.checked, self.failures) {
            (Some(_), _) => None,
            (None, 0) => Some(now + AWAY.0),
            (None, _) => Some(self.retry_at),
        }
    }
}

/// Looks at the share's identity once.
pub fn look(share: &dyn Share, node: &mut Node) -> Result<()> {
    let (deed, place) = ("use the share", share.describe());
    let Some(found) = identity::read(share)? else {
        if let Some(known) = node.db.meta("share")?
            && identity::is_missing(share)
        {
            let cause = "there is no lanpost.json, though folders of lanpost are there: it was removed";
            return Err(Error::new(Kind::Away, deed, place, cause).next(identity::restore(&known)));
        }
        let cause = "there is no lanpost.json: it is not mounted, or was never set up";
        return Err(Error::new(Kind::Away, deed, place, cause)
            .next(format!("mount it; only if it is a new share, set it up: {}", init_again(&node.config))));
    };
    match node.db.meta("share")? {
        Some(known) if known == found.share => Ok(()),
        Some(known) => {
            let cause =
                format!("its id is {}, ours was {known}: another share is mounted there", found.share);
            let error = Error::new(Kind::Away, deed, place, cause);
            Err(error.next(format!("mount the right one, or move over: {}", init_again(&node.config))))
        }
        None => node.db.set_meta("share", &found.share),
    }
}
