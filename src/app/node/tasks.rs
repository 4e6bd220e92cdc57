//! Tasks, as a program handles them.

use std::time::Duration;

use super::Node;
use crate::engine::condition;
use crate::engine::ops::{self, Claiming, NewTask, Said, Say, Shown, TaskEdit, TaskView, Which};
use crate::error::{Error, Kind, Result};
use crate::model::name::Name;
use crate::model::task::TaskId;
use crate::store::db::Answer;

/// Tasks that all instances of the share see. Ids may be shortened to three or more letters, from the beginning or the end.
impl Node {
    /// Adds a task; whoever it is assigned to gets mail, and is woken.
    ///
    /// ```
    /// use std::time::Duration;
    /// use lanpost::{Config, NewTask, Node, Say};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let build = office.add_task(NewTask { title: "Build the release".into(), ..NewTask::default() })?.task.id;
    ///
    /// let (term, patience) = (Duration::from_secs(1800), Duration::from_secs(60));
    /// let held = office.claim_task(build.as_str(), None, term, patience)?;
    /// assert!(held.task.holder.is_some());
    /// office.say_of_task(build.as_str(), None, Say::Done(Some("see /builds/7".into())))?;
    /// # Ok(())
    /// # }
    /// ```
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
        if let Claiming::Asked(wish) = ops::task_claim(&mut self.core, id, agent, term, patience)? {
            let answer = self.until(patience, |core| ops::task_answer(core, wish))?;
            if let Some(Answer::Lost { why }) = answer {
                return Err(Error::new(Kind::LeaseLost, "claim the task", id, why));
            }
            if !matches!(answer, Some(Answer::Held { .. })) {
                let why = condition::hindrance(&self.core.db)?;
                let cause = why.unwrap_or_else(|| "the share did not confirm it in time".to_owned());
                let error = Error::new(Kind::Away, "claim the task", id, cause);
                return Err(error.next("nobody holds it by this; claim it again later"));
            }
        }
        Ok(ops::task_show(&self.core, id)?.task)
    }

    /// What whoever looks for work should claim, the best first, for `agent` of that `role`.
    ///
    /// # Errors
    /// The local store's.
    pub fn next_tasks(&self, agent: Option<Name>, role: Option<&str>) -> Result<Vec<TaskId>> {
        ops::task_next(&self.core, agent, role)
    }

    /// Lets a claim last for `term` from now on, or for as long as it was made for.
    ///
    /// # Errors
    /// Somebody else has the task ([`Kind::LeaseLost`]); there is none.
    pub fn renew_task(&mut self, id: &str, agent: Option<Name>, term: Option<Duration>) -> Result<TaskView> {
        ops::task_renew(&mut self.core, id, agent, term)
    }

    /// Says otherwise what a task is; a new assignee gets mail.
    ///
    /// # Errors
    /// As of [`add_task`](Node::add_task); it is over; there is none.
    pub fn edit_task(&mut self, id: &str, change: TaskEdit) -> Result<TaskView> {
        ops::task_edit(&mut self.core, id, change)
    }

    /// Makes a task wait for others, or with `remove` no longer.
    ///
    /// # Errors
    /// One of them is not known, or the task would wait for itself.
    pub fn depend_task(
        &mut self,
        id: &str,
        on: &[String],
        remove: bool,
        agent: Option<Name>,
    ) -> Result<Said> {
        ops::task_depend(&mut self.core, id, on, remove, agent)
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
