//! Tasks at work: what others did to them is read, claims that are wanted here are made, and what was done here is
//! written into our own log.
//!
//! ```text
//! faces --events, wishes--> store --claims, our log--> share --others' logs--> store
//! ```
//! An idle engine pays nothing for tasks: every eighth idle look asks for their doorbell in place of the open slot or the
//! mailbox, and a full look asks once more. Logs are listed when the bell rang, before a claim is made, when a face asks, and
//! with a full look of everything.
//!
//! A claim counts when its event is in our log: until then whoever asked waits. Before an event of a holder is written, the
//! engine looks whether the claim was passed; then it is not written, and whoever did it is told. So a holder that
//! was suspended, or cut off, never ends what is another's by now.

mod claiming;
mod logs;
mod page;
mod writing;

use std::time::Duration;

use crate::engine::claims::Odd;
use crate::engine::gate;
use crate::engine::hint::Role;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::engine::tenure::Tenure;
use crate::error::{Error, Result};
use crate::model::layout;
use crate::model::retry;
use crate::model::sign::Signer;
use crate::model::task::{Deed, Event};
use crate::store::db::TaskHome;
use crate::sys::share::{Meta, Share};

use logs::Logs;
use page::Page;
use writing::Writer;

/// Pauses after the share refused something about tasks.
const TROUBLE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Of how many idle looks one is for the bell.
const TURN: u32 = 8;

/// The tasks of one engine. All of it may be lost.
#[derive(Default)]
pub struct Tasks {
    logs: Logs,
    page: Page,
    writer: Option<Writer>,
    odd: Odd,
    bell: Option<Meta>,
    /// We rang it since: that it is as before then means that the share lost what we wrote.
    rang: bool,
    /// Idle looks since the bell was asked for.
    turn: u32,
    /// The logs are to be looked at in the next step, all of them if the bell rang.
    look: bool,
    /// It was seen that what we wrote last is there.
    verified: bool,
    /// What failed last, in a row, and until when nothing is tried.
    failures: u32,
    held: Option<Duration>,
    trouble: Option<String>,
}

/// What a step came to.
#[derive(Default)]
pub struct Worked {
    /// There is more to do at once.
    pub more: bool,
    /// Something for an agent here came in.
    pub mail: bool,
    /// What went wrong.
    pub problems: Vec<Error>,
    /// What was found and mended, in words.
    pub incidents: Vec<String>,
    /// What went wrong with the page, which holds up nothing else.
    pub aside: Vec<Error>,
}

/// Whose tasks these are.
pub(super) fn home(node: &Node) -> TaskHome {
    TaskHome { us: node.instance().clone(), wakes: node.config.wake.is_on() }
}

impl Tasks {
    /// Whether this idle look is for the doorbell of tasks, and not for mail. It never is while there is none: the full look
    /// finds the first.
    pub fn takes_turn(&mut self) -> bool {
        self.turn += 1;
        let takes = self.bell.is_some() && self.turn >= TURN;
        if takes {
            self.turn = 0;
        }
        takes
    }

    /// The full look: the bell, and a daemon's at whether somebody edited the page. Cost: 2 stats.
    pub fn look_full(&mut self, share: &dyn Share, role: Role, now: Duration) {
        if role == Role::Daemon {
            self.page.look(now);
        }
        self.look_bell(share);
    }

    /// The idle look: whether the bell rang. One that can't be seen counts as rung: what is wrong there is then met where it
    /// holds up tasks alone, and no mail. Cost: 1 stat.
    pub fn look_bell(&mut self, share: &dyn Share) {
        match share.stat(&layout::task_bell()) {
            Ok(bell) => {
                self.look |= bell != self.bell || std::mem::take(&mut self.rang);
                self.bell = bell;
            }
            Err(_) => self.look = true,
        }
    }

    /// The logs are to be looked at: something may have changed there.
    pub fn hint(&mut self) {
        self.look = true;
    }

    /// The share was away, or is another one: what is open there may be of what was mounted before.
    pub fn reset(&mut self) {
        (self.writer, self.bell, self.look, self.verified) = (None, None, true, false);
    }

    /// Why tasks wait, or their page, while they do.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().or_else(|| self.page.trouble())
    }

    /// When there is something to do that nobody hints at.
    pub fn due(&self, node: &Node, role: Role, now: Duration) -> Option<Duration> {
        let wall = node.clock.wall_ms();
        // A pass says nothing of claims that ran out, so it must not wait for them.
        let over = (role == Role::Daemon).then(|| node.db.task_claims_until().ok().flatten()).flatten();
        let over = over.map(|at| now + Duration::from_millis(at.saturating_sub(wall).max(0).unsigned_abs()));
        let soon = self.look.then_some(now);
        let due = [soon, over, self.logs.due(), self.page.due()].into_iter().flatten().min();
        // While the share refuses, nothing is done sooner than that.
        match (self.held, due) {
            (Some(held), Some(due)) => Some(due.max(held)),
            (Some(held), None) => Some(held),
            (None, due) => due,
        }
    }

    /// Does what there is to do. Cost: nothing but a look at the store, if that is nothing.
    ///
    /// # Errors
    /// Only the local store's; the share's are in what is returned.
    pub fn step(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        signer: &Signer,
        role: Role,
        now: Duration,
    ) -> Result<Worked> {
        let mut worked = Worked::default();
        if self.held.is_some_and(|until| until > now) {
            return Ok(worked);
        }
        self.held = None;
        match self.work(share, node, tenure, signer, role, now, &mut worked) {
            Ok(()) => match worked.problems.first() {
                None => (self.failures, self.trouble) = (0, None),
                Some(problem) => self.hold(now, problem.to_string()),
            },
            Err(error) if error.is_in_store() => return Err(error),
            Err(error) => {
                self.writer = None;
                self.look = true;
                self.hold(now, error.to_string());
                worked.problems.push(error);
            }
        }
        Ok(worked)
    }

    /// Has what we wrote written again, if the share lost it.
    fn mend(&mut self, share: &dyn Share, node: &mut Node, worked: &mut Worked) -> Result<()> {
        let again = self.verify(share, node)?;
        if again > 0 {
            let what =
                format!("our log of tasks is gone from the share, or cut; {again} events are written again");
            worked.incidents.push(what);
        }
        self.verified = true;
        Ok(())
    }

    fn hold(&mut self, now: Duration, why: String) {
        self.failures += 1;
        self.trouble = Some(why);
        self.held = Some(now + retry::backoff(TROUBLE.0, TROUBLE.1, self.failures));
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the seam, the node, what it holds, the time, and what comes of it"
    )]
    fn work(
        &mut self,
        share: &dyn Share,
        node: &mut Node,
        tenure: &mut Tenure,
        signer: &Signer,
        role: Role,
        now: Duration,
        worked: &mut Worked,
    ) -> Result<()> {
        if !self.verified {
            self.mend(share, node, worked)?;
        }
        let wishes = node.db.wishes(claiming::AT_ONCE)?;
        let asked = ops::task_look_wanted(node)?;
        let settled = self.logs.due().is_some_and(|at| at <= now);
        if self.look || asked.is_some() || !wishes.is_empty() || settled || self.logs.more {
            let force = std::mem::take(&mut self.look) || asked.is_some();
            let new = self.logs.look(share, node, now, force)?;
            worked.mail |= new > 0;
            if new > 0 {
                self.page.changed(false, now);
            }
            worked.more |= self.logs.more;
            worked.problems.append(&mut self.logs.problems);
            if std::mem::take(&mut self.logs.cut) {
                self.mend(share, node, worked)?;
            }
            if let Some(ticket) = asked {
                ops::answer_task_look(node, ticket)?;
            }
        }
        if role == Role::Daemon {
            lapse(node)?;
        }
        if !wishes.is_empty() {
            // Nothing is made on a share that may be another one by now.
            gate::look(share, node)?;
            tenure.check(share, node)?;
            worked.more |= wishes.len() == claiming::AT_ONCE;
            claiming::grant(share, node, signer, &wishes, &mut self.odd)?;
        }
        let (more, wrote) = self.write(share, node, tenure, signer)?;
        worked.more |= more;
        if role == Role::Daemon {
            if wrote {
                self.page.changed(true, now);
            }
            match self.page.step(share, node, &mut self.logs, now) {
                Ok(more) => worked.more |= more,
                Err(error) if error.is_in_store() => return Err(error),
                // Its trouble is its own: claims wait for none.
                Err(error) => worked.aside.push(error),
            }
        }
        Ok(())
    }
}

/// Claims of ours whose time has run out are over, by our own word. Not for a command's pass to say: it may be the holder's
/// own, which comes to renew.
fn lapse(node: &mut Node) -> Result<()> {
    let wall = node.clock.wall_ms();
    for kept in node.db.task_claims_over(wall)? {
        let Some(held) = &kept.task.holder else { continue };
        let event =
            Event { token: held.token, ..ops::task_event(node, held.by.clone(), &kept.task, Deed::Lapse) };
        node.db.add_task_events(&home(node), &[event], &[], wall)?;
    }
    Ok(())
}
