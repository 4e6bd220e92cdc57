//! Tasks, as a program handles them.

use std::time::Duration;

use super::Node;
use super::waiting::{Glance, LOOK};
use crate::engine::condition;
use crate::engine::ops::{self, Claiming, NewTask, Said, Say, Shown, TaskView, Which};
use crate::error::{Error, Kind, Result};
use crate::model::name::Name;
use crate::store::db::Answer;

/// Tasks that all instances of the share see. Ids may be shortened to three or more letters, from the beginning or the end.
impl Node {
    /// Adds a task; whoever it is assigned to gets mail, and is woken.
    ///
    /// # Errors
    /// Something is beyond its bounds; the assignee, or a task that it depends on, is not known; the local store's.
    pub fn add_task(&mut self, task: NewTask) -> Result<TaskView> {
        ops::task_add(&mut self.core, task)
    }

    /// The tasks as this PC knows them: all that are not over, or those of `which`.
    ///
    /// # Errors
    /// The local store's.
    pub fn tasks(&self, which: &Which) -> Result<Vec<TaskView>> {
        ops::task_list(&self.core, which)
    }

    /// One task with its history.
    ///
    /// # Errors
    /// There is none, or several are meant.
    pub fn task(&self, id: &str) -> Result<Shown> {
        ops::task_show(&self.core, id)
    }

    /// Claims a task for `agent`, or for the instance itself: when this returns, it is on the share, and nobody else has it.
    /// Without a word of its holder for `term` others may claim it.
    ///
    /// # Errors
    /// Somebody else has it, or it can't be claimed ([`Kind::LeaseLost`]); the share did not confirm it within `patience`
    /// ([`Kind::Away`]), and nobody holds it by this; there is no such task.
    pub fn claim_task(
        &mut self,
        id: &str,
        agent: Option<Name>,
        term: Duration,
        patience: Duration,
    ) -> Result<TaskView> {
        let until = self.core.clock.now().saturating_add(patience);
        let mut glance = Glance::new(&self.core)?;
        if let Claiming::Asked(wish) = ops::task_claim(&mut self.core, id, agent, term, patience)? {
            let late = loop {
                let now = self.core.clock.now();
                match ops::task_answer(&self.core, wish)? {
                    Some(Answer::Held { .. }) => break false,
                    Some(Answer::Lost { why }) => {
                        return Err(Error::new(Kind::LeaseLost, "claim the task", id, why));
                    }
                    Some(Answer::Late) => break true,
                    None if now >= until => break true,
                    None => self.glance(&mut glance, now.saturating_add(LOOK).min(until))?,
                }
            };
            if late {
                let why = condition::hindrance(&self.core.db)?;
                let cause = why.unwrap_or_else(|| "the share did not confirm it in time".to_owned());
                let error = Error::new(Kind::Away, "claim the task", id, cause);
                return Err(error.next("nobody holds it by this; claim it again later"));
            }
        }
        Ok(ops::task_show(&self.core, id)?.task)
    }

    /// Says something of a task: that it is done, how far it is. It is stored when this returns, and goes out by itself; of a
    /// holder it counts only if nobody took the task over meanwhile, which [`ops::task_word`] tells.
    ///
    /// # Errors
    /// Somebody else has the task ([`Kind::LeaseLost`]); it is over; there is none.
    pub fn say_of_task(&mut self, id: &str, agent: Option<Name>, say: Say) -> Result<Said> {
        ops::task_say(&mut self.core, id, agent, say)
    }
}
