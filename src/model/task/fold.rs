//! What all events about one task come to. Pure, and the same whatever the order in which they were read.
//!
//! Events are put into one order first: by the claim that their writer knew of, then by version, claims first, then by
//! instance and id (and, of a writer who cheats and gives one id twice, by what they say). An event whose writer had read another one always comes after it, since both numbers only grow.
//!
//! The claim with the higher number wins. A claim is made only over a task that its writer takes for unfinished, so an end
//! by a holder of a lower claim that stands before it was not known to it, and is void: its writer was fenced off, however
//! late it learns that. An end that a person, or a cancellation, brought about is void for no claim.

use std::collections::BTreeSet;

use super::{Address, Deed, Event, Holder, Progress, Status, Task};
use crate::model::name::Name;

/// Why an event has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// Another one had claimed the task by then.
    Fenced,
    /// Its writer did not hold the task.
    NotHeld,
    /// The task had ended.
    Ended,
    /// There was no such task yet, or it was there already.
    Misplaced,
    /// It is of a newer version of lanpost.
    Newer,
}

impl Void {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Void::Fenced => "fenced off: another one had claimed it by then",
            Void::NotHeld => "without effect: its writer did not hold the task",
            Void::Ended => "without effect: the task had ended",
            Void::Misplaced => "without effect: out of place",
            Void::Newer => "not understood: of a newer lanpost",
        }
    }
}

/// One event of a task's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was done.
    pub event: Event,
    /// Why it has no effect, if it has none.
    pub void: Option<Void>,
}

/// The task, if it was added, and its history in order.
pub fn fold(events: Vec<Event>) -> (Option<Task>, Vec<Entry>) {
    fold_beside(events, vec![])
}

/// The same, with events in the history that their writer was fenced off from before it had written them: nobody else knows
/// of them, and nothing comes of them.
pub fn fold_beside(mut events: Vec<Event>, unwritten: Vec<Event>) -> (Option<Task>, Vec<Entry>) {
    let name = |event: &Event| (event.instance().fold(), event.id.clone());
    let barred: BTreeSet<_> = unwritten.iter().map(name).collect();
    events.extend(unwritten);
    events.sort_by_cached_key(|event| {
        let claims = matches!(event.deed, Deed::Claim { .. });
        let text = serde_json::to_string(event).unwrap_or_default();
        (event.token, event.version, !claims, event.instance().fold(), event.id.clone(), text)
    });
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert(name(event)));
    let mut work = Work::default();
    for event in events {
        if barred.contains(&name(&event)) {
            work.history.push(Entry { event, void: Some(Void::Fenced) });
            continue;
        }
        let void = work.take(&event, work.history.len());
        if let Some(task) = &mut work.task {
            task.token = task.token.max(event.token);
            task.version = task.version.max(event.version);
            if void.is_none() {
                task.changed.clone_from(&event.timestamp);
            }
        }
        work.history.push(Entry { event, void });
    }
    (work.task, work.history)
}

/// How a task ended.
struct End {
    /// Which entry of the history ended it.
    at: usize,
    /// A claim that did not know of it is stronger.
    weak: bool,
}

#[derive(Default)]
struct Work {
    task: Option<Task>,
    history: Vec<Entry>,
    end: Option<End>,
}

impl Work {
    /// Does what an event says, or says why not.
    fn take(&mut self, event: &Event, at: usize) -> Option<Void> {
        let (by, token) = (&event.from, event.token);
        let Some(task) = &mut self.task else {
            return match self.add(event) {
                true => None,
                false => Some(Void::Misplaced),
            };
        };
        let holds =
            task.holder.as_ref().is_some_and(|held| held.token == token && same(&held.by, &by.instance));
        match &event.deed {
            Deed::Add(_) => return Some(Void::Misplaced),
            Deed::Unknown => return Some(Void::Newer),
            Deed::Claim { term } => return self.claim(event, *term),
            Deed::Reopen if task.status.is_final() => {
                (task.status, task.outcome, task.progress, self.end) = (Status::Open, None, None, None);
                task.turned = event.version;
            }
            deed if task.status.is_final() => {
                // A last word of whoever was fenced off is told as what it is.
                let fenced = deed.is_holders() && token < task.token;
                return Some(if fenced { Void::Fenced } else { Void::Ended });
            }
            Deed::Reopen => return Some(Void::Misplaced),
            deed if deed.is_holders() && !holds => {
                let passed = task.holder.as_ref().is_some_and(|held| held.token > token);
                return Some(if passed { Void::Fenced } else { Void::NotHeld });
            }
            Deed::Done { by_hand: false, .. } if !holds && task.holder.is_some() => {
                return Some(Void::Fenced);
            }
            Deed::Progress { text, percent } => {
                task.progress = Some(Progress { text: text.clone(), percent: *percent });
            }
            Deed::Done { result, by_hand } => {
                self.finish((at, event.version), Status::Done, result.clone(), !by_hand);
            }
            Deed::Fail { why } => self.finish((at, event.version), Status::Failed, Some(why.clone()), true),
            Deed::Cancel { why } => self.finish((at, event.version), Status::Cancelled, why.clone(), false),
            Deed::Release { .. } | Deed::Lapse => (task.holder, task.status) = (None, Status::Open),
            Deed::Block { why } => task.blocked = Some(why.clone()),
            Deed::Unblock => task.blocked = None,
            Deed::Depend { on } => {
                let new: Vec<_> =
                    on.iter().filter(|id| !task.depends.contains(id) && **id != task.id).cloned().collect();
                task.depends.extend(new);
            }
            Deed::Undepend { on } => task.depends.retain(|id| !on.contains(id)),
            Deed::Edit(edit) => {
                let kept = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
                edit.title.iter().for_each(|title| task.title.clone_from(title));
                edit.body.iter().for_each(|body| task.body.clone_from(body));
                edit.to.iter().for_each(|to| task.to = to.parse().ok());
                edit.role.iter().for_each(|role| task.role = kept(role));
                edit.due.iter().for_each(|due| task.due = kept(due));
                edit.priority.iter().for_each(|priority| task.priority = *priority);
            }
        }
        None
    }

    fn add(&mut self, event: &Event) -> bool {
        let Deed::Add(details) = &event.deed else { return false };
        let details = details.clone();
        self.task = Some(Task {
            id: event.task.clone(),
            title: details.title,
            body: details.body,
            status: Status::Open,
            to: details.to,
            role: details.role,
            priority: details.priority,
            due: details.due,
            depends: details.depends.into_iter().filter(|id| *id != event.task).collect(),
            holder: None,
            progress: None,
            blocked: None,
            outcome: None,
            added_by: event.from.clone(),
            added: event.timestamp.clone(),
            changed: event.timestamp.clone(),
            token: 0,
            version: 0,
            turned: 0,
        });
        true
    }

    fn claim(&mut self, event: &Event, term: u64) -> Option<Void> {
        let task = self.task.as_mut()?;
        if event.token == 0 || task.holder.as_ref().is_some_and(|held| held.token >= event.token) {
            return Some(Void::Fenced);
        }
        match self.end.take() {
            Some(end) if end.weak => {
                self.history[end.at].void = Some(Void::Fenced);
                (task.outcome, task.turned) = (None, event.version);
            }
            Some(end) => {
                self.end = Some(end);
                return Some(Void::Ended);
            }
            None => {}
        }
        let since = event.timestamp.clone();
        task.holder = Some(Holder { by: event.from.clone(), token: event.token, term, since });
        (task.status, task.progress) = (Status::Claimed, None);
        None
    }

    fn finish(&mut self, (at, version): (usize, u64), status: Status, outcome: Option<String>, weak: bool) {
        if let Some(task) = &mut self.task {
            (task.status, task.holder, task.outcome, task.turned) = (status, None, outcome, version);
        }
        self.end = Some(End { at, weak });
    }
}

fn same(one: &Address, instance: &Name) -> bool {
    one.instance.same_as(instance)
}

#[cfg(test)]
mod tests;
