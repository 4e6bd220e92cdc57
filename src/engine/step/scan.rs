//! Who is there, and what of ours is missing: the heartbeats of others, and folders that somebody removed.

use std::time::Duration;

use super::{Engine, SCANS};
use crate::engine::hint::{Action, Hints, Step};
use crate::engine::{beat, gate, mend, ops};
use crate::error::{Error, Result};
use crate::model::layout;
use crate::store::identity;

impl Engine {
    /// Looks who is there: with every heartbeat, when asked, and (not too often) when hinted.
    pub(super) fn scan(&mut self, now: Duration, hints: &Hints, step: &mut Step) -> Result<Option<usize>> {
        let wanted = ops::scan_wanted(&self.node)?;
        // Somebody joined; a thousand who pretend to are no reason to look more often.
        self.status_hinted |= hints.status || std::mem::take(&mut self.mailbox.stranger);
        let hinted = self.status_hinted && self.last_scan.is_none_or(|at| now.saturating_sub(at) >= SCANS);
        let due = self.last_scan.is_none_or(|at| now.saturating_sub(at) >= self.node.config.look.heartbeat);
        // A timer of its own: full looks happen for other reasons, too, and would put it off for ever.
        let round = now >= self.next_round || hints.everything || wanted.is_some();
        if !(due || hinted || round) {
            return Ok(None);
        }
        // A status file that can't be read is no reason to look again at once.
        self.last_scan = Some(now);
        self.status_hinted = false;
        if round {
            // What is missing counts as lost only on the share that we know: another one may be mounted by now.
            self.gate.ensure(&*self.share, &mut self.node, now)?;
        }
        let scanned = beat::scan(&*self.share, &mut self.node);
        if round {
            self.next_round = now + self.node.config.look.full;
            beat::scan_plain(&*self.share, &mut self.node)?;
            let found = mend::look(&*self.share, &mut self.node, &mut self.tenure)?;
            if found.grown || !found.mended.is_empty() {
                // Files kept open may be those of before, or somebody else's, too.
                self.outbox.reset();
            }
            if !found.mended.is_empty() {
                self.tasks.reset();
                self.next_full = now;
            }
            step.incidents.extend(found.mended);
        }
        let peers = self.node.db.peers()?;
        self.alone = peers.iter().filter(|peer| peer.heartbeat.is_some()).count() < 2;
        self.outbox.resend_overdue(&mut self.node, &peers, now)?;
        if let Some(ticket) = wanted {
            ops::answer_scan(&mut self.node, ticket)?;
        }
        scanned.map(Some)
    }

    /// Something was not there where we write: on the right share, a folder of lanpost's that somebody removed is made
    /// again. Returns whether one was, so that what failed is tried again at once.
    pub(super) fn mend_folders(&mut self, now: Duration, step: &mut Step) -> Result<bool> {
        if !step.problems.iter().any(Error::is_not_found) {
            return Ok(false);
        }
        let made = gate::look(&*self.share, &mut self.node);
        let made = match made.and_then(|()| identity::mend_folders(&*self.share)) {
            Err(error) if error.is_in_store() => return Err(error),
            // The next step finds the same, and says it.
            Err(_) => return Ok(false),
            Ok(made) if made.is_empty() => return Ok(false),
            Ok(made) => made,
        };
        step.problems.retain(|problem| !problem.is_not_found());
        let names: Vec<_> = made.iter().map(|folder| format!("{folder}/")).collect();
        step.incidents.push(format!("{} was gone from the share; it was made again", names.join(", ")));
        step.actions.push(Action::Rearm);
        // What lay there went with it.
        self.outbox.reset();
        self.tasks.reset();
        (self.next_full, self.next_beat, self.next_round) = (now, now, now);
        Ok(true)
    }

    /// Our mailbox is not there, or its bell: if the share is the right one, somebody removed it, and senders need it back.
    pub(super) fn mend_mailbox(&mut self) -> Result<()> {
        gate::look(&*self.share, &mut self.node)?;
        self.share.make_folder(&layout::mailbox(self.node.instance()))?;
        self.share.touch(&layout::bell(self.node.instance()))
    }
}
