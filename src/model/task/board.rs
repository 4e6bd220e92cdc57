//! All tasks together: which of them wait for others, and which is the next to be worked on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Status, Task, TaskId};
use crate::model::envelope::Priority;
use crate::model::name::{Address, Name};

/// What people and agents ask of a task: can it be worked on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Anybody it is for may claim it.
    Open,
    /// Others must be done before.
    Waiting,
    /// Somebody said that it can't be worked on.
    Blocked,
    /// Somebody works on it.
    Claimed,
    /// It is done.
    Done,
    /// It was given up for good.
    Failed,
    /// It is not wanted any more.
    Cancelled,
}

impl Standing {
    /// The word on screen and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Waiting => "waiting",
            Standing::Blocked => "blocked",
            Standing::Claimed => "claimed",
            Standing::Done => "done",
            Standing::Failed => "failed",
            Standing::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who looks for work.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Who it is.
    pub who: &'a Address,
    /// What kind of worker; tasks for any other kind are left.
    pub role: Option<&'a str>,
}

/// All tasks that are known.
pub struct Board(BTreeMap<TaskId, Task>);

impl Board {
    /// Of these tasks.
    pub fn new(tasks: impl IntoIterator<Item = Task>) -> Board {
        Board(tasks.into_iter().map(|task| (task.id.clone(), task)).collect())
    }

    /// All of them, the oldest first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.0.values()
    }

    /// One of them.
    pub fn get(&self, id: &TaskId) -> Option<&Task> {
        self.0.get(id)
    }

    /// What a task still waits for. One that is cancelled is not waited for; one that is not known is.
    pub fn waits_for<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a TaskId> {
        let over = |id: &TaskId| {
            self.0.get(id).is_some_and(|other| matches!(other.status, Status::Done | Status::Cancelled))
        };
        task.depends.iter().filter(move |id| !over(id))
    }

    /// Whether a task can be worked on.
    pub fn standing(&self, task: &Task) -> Standing {
        match task.status {
            Status::Done => Standing::Done,
            Status::Failed => Standing::Failed,
            Status::Cancelled => Standing::Cancelled,
            Status::Claimed => Standing::Claimed,
            Status::Open if task.blocked.is_some() => Standing::Blocked,
            Status::Open if self.waits_for(task).next().is_some() => Standing::Waiting,
            Status::Open => Standing::Open,
        }
    }

    /// Whether `task` would wait for itself if it depended on `on`, directly or through others.
    pub fn goes_round(&self, task: &TaskId, on: &TaskId) -> bool {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![on]);
        while let Some(id) = todo.pop() {
            if id == task {
                return true;
            }
            if seen.insert(id) {
                todo.extend(self.0.get(id).into_iter().flat_map(|task| &task.depends));
            }
        }
        false
    }

    /// What somebody who looks for work should take, the best first: what is assigned to it, then what is for anybody;
    /// urgent before low, and the oldest first.
    pub fn next_for(&self, wanted: &Wanted) -> Vec<&Task> {
        let mut fit: Vec<&Task> = self
            .0
            .values()
            .filter(|task| self.standing(task) == Standing::Open && suits(task, wanted))
            .collect();
        fit.sort_by_key(|task| (task.to.is_none(), std::cmp::Reverse(rank(task.priority)), task.id.clone()));
        fit
    }

    /// What others hold of that which suits whoever looks for work: it may be taken over from the dead.
    pub fn left_for<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = &'a Task> {
        self.0.values().filter(|task| task.status == Status::Claimed && suits(task, wanted))
    }

    /// The tasks that wait for `id` and for nothing else, once that is over.
    pub fn freed_by<'a>(&'a self, id: &'a TaskId) -> impl Iterator<Item = &'a Task> {
        self.0.values().filter(move |task| task.depends.contains(id) && self.standing(task) == Standing::Open)
    }
}

/// Whether a task is for whoever looks.
fn suits(task: &Task, wanted: &Wanted) -> bool {
    let whom = match &task.to {
        None => true,
        Some(to) => {
            let agent = |agent: &Option<Name>| agent.as_ref().map(|name| name.fold());
            to.instance.same_as(&wanted.who.instance)
                && (to.agent.is_none() || agent(&to.agent) == agent(&wanted.who.agent))
        }
    };
    whom && (task.to.is_some() || task.role.as_deref().is_none_or(|role| wanted.role == Some(role)))
}

fn rank(priority: Priority) -> u8 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
        Priority::Urgent => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::{Event, fold};
    use serde_json::json;

    fn id(n: u64) -> String {
        format!("01942a3f-0c00-7000-8000-{n:012}")
    }

    /// Task `n`, with what is said of it.
    fn task(n: u64, said: serde_json::Value) -> Task {
        let mut object = json!({"id": format!("e{n}"), "from": "office", "timestamp": "now", "task": id(n),
                                "version": 1, "deed": "add", "title": format!("task {n}")});
        object.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        fold(vec![Event::from_value(object).unwrap()]).0.unwrap()
    }

    fn titles<'a>(tasks: impl IntoIterator<Item = &'a Task>) -> Vec<&'a str> {
        tasks.into_iter().map(|task| task.title.as_str()).collect()
    }

    #[test]
    fn a_task_waits_for_what_it_depends_on() {
        let mut first = task(1, json!({}));
        let second = task(2, json!({"depends": [id(1), id(9)]}));
        let board = Board::new([first.clone(), second.clone()]);
        assert_eq!(board.standing(&second), Standing::Waiting);
        first.status = Status::Done;
        let mut known = task(9, json!({}));
        known.status = Status::Failed;
        let board = Board::new([first.clone(), second.clone(), known.clone()]);
        assert_eq!(board.waits_for(&second).count(), 1, "what failed is not done");
        known.status = Status::Cancelled;
        let board = Board::new([first, second.clone(), known]);
        assert_eq!(board.standing(&second), Standing::Open);
        assert_eq!(titles(board.freed_by(&id(1).parse().unwrap())), ["task 2"]);
    }

    #[test]
    fn no_task_is_made_to_wait_for_itself() {
        let ids = [1, 2, 3].map(|n| id(n).parse::<TaskId>().unwrap());
        let board = Board::new([
            task(1, json!({})),
            task(2, json!({"depends": [id(1)]})),
            task(3, json!({"depends": [id(2)]})),
        ]);
        assert!(board.goes_round(&ids[0], &ids[2]) && board.goes_round(&ids[0], &ids[0]));
        assert!(!board.goes_round(&ids[2], &ids[0]));
        // Two PCs at once made a ring of it: to ask is no endless walk.
        let ring = Board::new([task(1, json!({"depends": [id(2)]})), task(2, json!({"depends": [id(1)]}))]);
        assert!(!ring.goes_round(&ids[2], &ids[0]));
    }

    #[test]
    fn the_next_task_is_ones_own_then_the_most_urgent_then_the_oldest() {
        let board = Board::new([
            task(1, json!({})),
            task(2, json!({"priority": "urgent"})),
            task(3, json!({"to": "lab/main", "priority": "low"})),
            task(4, json!({"to": "lab"})),
            task(5, json!({"to": "lab/other"})),
            task(6, json!({"role": "tester"})),
            task(7, json!({"to": "den"})),
        ]);
        let who = "Lab/Main".parse().unwrap();
        let next = |role| titles(board.next_for(&Wanted { who: &who, role }));
        assert_eq!(next(None), ["task 4", "task 3", "task 2", "task 1"]);
        assert_eq!(next(Some("tester")), ["task 4", "task 3", "task 2", "task 1", "task 6"]);
    }
}
