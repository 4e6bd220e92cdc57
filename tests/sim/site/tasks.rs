//! What a site's people and agents do with tasks.

use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Claiming, NewTask, Say, Which};
use lanpost::error::Result as Done;
use lanpost::model::task::{Standing, TASK_NOTICE};
use lanpost::store::db::Message;
use lanpost::sys::clock::Clock as _;

use super::Site;
use crate::life;

impl Site {
    /// Does something with the store; `None` if it died in it, or is down.
    fn with_node<T>(&mut self, work: impl FnOnce(&mut Node) -> Done<T>) -> Result<Option<T>, String> {
        let Some(mut engine) = self.engine.take() else { return Ok(None) };
        let life = self.life.clone();
        let done = life::play(&life, || work(engine.node_mut()));
        self.engine = Some(engine);
        if life.is_over() {
            return Ok(None);
        }
        self.due = self.clock.now();
        done.map(Some).map_err(|error| format!("{}: with tasks: {error}", self.name))
    }

    /// Adds a task; whether it was accepted.
    pub fn add_task(&mut self, title: &str) -> Result<bool, String> {
        let new = NewTask { title: title.to_owned(), ..NewTask::default() };
        Ok(self.with_node(|node| ops::task_add(node, new).map(drop))?.is_some())
    }

    /// Somebody claims a task, any that is not over; what this answers nobody waits for.
    pub fn wish(&mut self) -> Result<(), String> {
        let (pick, term) = (self.rng.next() as usize, Duration::from_secs(30 + self.rng.below(200) as u64));
        let patience = self.rng.time(1_000, 60_000);
        let asked = self.with_node(|node| {
            let open = ops::task_list(node, &Which::default())?;
            let Some(view) = open.get(pick % open.len().max(1)) else { return Ok(None) };
            ops::task_claim(node, view.task.id.as_str(), None, term, patience).map(Some)
        })?;
        if let Some(Some(Claiming::Asked(_))) = asked {
            self.view.count("a task that somebody wants");
        }
        Ok(())
    }

    /// An agent says something of a task that it holds.
    pub fn work_on_task(&mut self) -> Result<(), String> {
        let (pick, deed) = (self.rng.next() as usize, self.rng.below(6));
        let us = self.config.instance.clone();
        let said = self.with_node(|node| {
            let all = ops::task_list(node, &Which { mine: Some(None), ..Which::default() })?;
            let held =
                |view: &&ops::TaskView| view.task.holder.as_ref().is_some_and(|held| held.by.instance == us);
            let held: Vec<_> = all.iter().filter(held).collect();
            let Some(view) = held.get(pick % held.len().max(1)) else { return Ok(false) };
            let id = view.task.id.as_str();
            let say = match deed {
                0 => Say::Done(Some("well".into())),
                1 => Say::Fail("no".into()),
                2 | 3 => Say::Release(None),
                4 => return ops::task_renew(node, id, None, None).map(|_| false),
                _ => Say::Progress("on it".into(), Some(50)),
            };
            ops::task_say(node, id, None, say).map(|_| true)
        })?;
        if said == Some(true) {
            self.view.count("a word of a task's holder");
        }
        Ok(())
    }

    /// All tasks as this site sees them, each in one line, with its history; what it was fenced off from apart.
    pub fn tasks(&self) -> Vec<String> {
        let Some(node) = self.node() else { return vec![] };
        let all = ops::task_list(node, &Which { all: true, ..Which::default() }).unwrap_or_default();
        all.iter()
            .map(|view| {
                let shown = ops::task_show(node, view.task.id.as_str()).unwrap();
                let events = shown.history.iter().map(|step| (step.deed, step.by.to_string(), step.void));
                let counted: Vec<_> = events.filter(|(_, _, void)| void.is_none()).collect();
                format!("{} {} {} {counted:?}", view.task.title, view.standing, view.task.version)
            })
            .collect()
    }

    /// Titles of the tasks that somebody holds.
    pub fn held_tasks(&self) -> Vec<String> {
        let Some(node) = self.node() else { return vec![] };
        let all = ops::task_list(node, &Which::default()).unwrap_or_default();
        let held = all.into_iter().filter(|view| view.standing == Standing::Claimed);
        held.map(|view| format!("{} by {}", view.task.title, view.task.holder.unwrap().by)).collect()
    }

    /// Claims that were asked for here and not answered.
    pub fn wishes(&self) -> usize {
        self.node().map_or(0, |node| node.db.wishes(100).unwrap_or_default().len())
    }
}

/// Mail of lanpost's own about tasks: nobody sent it.
pub fn is_notice(message: &Message) -> bool {
    message.kind == TASK_NOTICE
}
