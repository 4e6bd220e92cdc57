//! What a step leaves for `status`: how the share is mounted and reached, and what is wrong.

use super::Engine;
use crate::engine::condition;
use crate::engine::hint::{Action, Mounted, Role, Step};
use crate::error::Result;
use crate::model::envelope::format_time;
use crate::sys::root::Choice;

impl Engine {
    /// What the options let the client do decides how far a look is believed, and what a person should mend.
    pub(super) fn note_mount(&mut self, found: &Mounted, step: &mut Step) {
        self.pace.set_stale(found.mount.stale().is_some());
        let harms = self.condition.mounted(found);
        // Again only after a mount without them: a watcher is set up anew for many reasons.
        let news = harms.iter().filter(|harm| !self.harms.contains(harm));
        step.notes.extend(news.map(|harm| format!("how the share is mounted: {harm}")));
        self.harms = harms;
    }

    /// The share is there by another path than the config's: it is told once, kept, and watched by that path.
    pub(super) fn note_place(&mut self, step: &mut Step) {
        let choice = self.share.choice();
        if choice != self.told {
            step.notes.extend(choice.as_ref().map(Choice::note));
            step.actions.push(Action::Rearm);
            self.told.clone_from(&choice);
        }
        self.condition.choice = choice;
    }

    /// Writes what became of the step into the store, where it differs from before, and into the log.
    pub(super) fn note_condition(&mut self, step: &mut Step) -> Result<()> {
        match step.problems.first() {
            Some(problem) => {
                self.condition.trouble = Some(problem.to_string());
                self.condition.hindrance = self.hindrance.take();
            }
            None if self.silent || self.outbox.is_troubled() => {}
            None if self.gate.is_open() => {
                self.condition.hindrance = None;
                step.over.extend(self.condition.trouble.take());
            }
            None => {}
        }
        for what in &step.incidents {
            self.condition.happened(format_time(self.node.clock.wall()), what.clone());
        }
        let before = condition::load(&self.node.db)?;
        self.condition.lease_lost_to = self.tenure.lost_to();
        let believes = self.pace.believes();
        if self.role == Role::Daemon {
            self.condition.watching = if believes { "notifications" } else { "polling" }.into();
            self.condition.missed_events = self.pace.missed;
            self.condition.unswept = self.sweep.troubles();
            self.condition.tasks = self.tasks.trouble().map(str::to_owned);
            self.condition.left_out = self.mailbox.left_out();
            let now = self.node.clock.now();
            let waiting = self.mailbox.waiting(now, self.node.config.look.full);
            self.condition.over_quota = waiting.len();
            self.condition.waiting = waiting.into_iter().take(condition::TOLD).collect();
        } else {
            self.condition.watching = before.watching.clone();
        }
        if before.share_away.is_some() != self.condition.share_away.is_some()
            || self.condition.share_since == 0
        {
            self.condition.share_since = self.node.clock.wall_ms();
        }
        let now = self.node.clock.wall_ms();
        condition::store_and_log(&mut self.node.db, &before, &self.condition, now)
    }
}
