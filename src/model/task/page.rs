//! The page of tasks for people: text in, what they did by hand out; text and board in, text out. Pure.
//!
//! ```text
//! line := indent bullet " [" box "] " title [" *(" note ")*"] [" <!-- t:" id turn hash hash " -->"]
//! ```
//! The mark at a line's end says which task it is, and by two hashes (of box and title, and of the note) what lanpost last
//! wrote there. So whoever reads the page knows what a person changed, whoever rendered it last, without remembering it. By
//! the turn a tick is known to be taken in already: the task ended or was opened again since the line was written.
//! A line that bears a mark and that nobody changed is ours to render anew. All others are people's: they stay, byte by byte
//! and in their order, or become tasks. A line that a person changed is written anew only when the task says the same.

mod line;

use std::collections::{BTreeMap, BTreeSet};

use super::event::TITLE;
use super::{Board, Standing, Task, TaskId};
use crate::model::id::MessageId;
use line::{Item, end_of, items};

/// What stands at the top of a page that lanpost makes.
const HEAD: &str = "# Tasks\n\n\
    <!-- Of lanpost and of people. A new line \"- [ ] what is to be done\" becomes a task, a ticked box ends one, a reworded\n\
    \u{20}    line says it otherwise. Whatever else stands here stays as it is. -->\n\n";
/// The longest page that is read, in bytes.
pub const MOST: usize = 4 << 20;
/// New tasks that one look at the page makes, and unfinished ones beyond which it makes none.
const NEW: usize = 200;
const MANY: usize = 5_000;

/// What the ids of tasks are derived from that people wrote there, with the text and a number.
const PAGE: &str = "the page of tasks";
/// How many tasks of one text are known by their ids as lines of the page.
const SAME: u64 = 16;

/// Something that a person did in the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new line; what does not fit into a title is the text.
    Add {
        /// The same for whoever reads the line, so that two who do make one task of it.
        id: TaskId,
        /// Its title.
        title: String,
        /// All of it, if that is more.
        body: String,
    },
    /// A box was ticked.
    Tick(TaskId),
    /// The tick of one that had ended was taken away.
    Untick(TaskId),
    /// It is called otherwise.
    Retitle(TaskId, String),
}

/// What a line of the page is to us.
enum Role<'a> {
    /// It bears the mark of a task, and is the one that counts.
    Of(&'a Task, Item<'a>),
    /// It is a task that has no mark yet.
    Adopted(&'a Task, Item<'a>),
    /// It is to become this task.
    New(TaskId, Item<'a>),
    /// It is people's.
    Theirs,
}

/// Whether the task was made of a line of the page, by what its id is derived from.
pub fn is_of_line(task: &Task) -> bool {
    let text = if task.body.is_empty() { &task.title } else { &task.body };
    (1..=SAME).any(|n| MessageId::derived(PAGE, text, n).as_str() == task.id.as_str())
}

/// What people did in the page since it was rendered, as far as the board does not say so yet. `fresh` are tasks that were
/// made of its lines and that it has not shown yet, though they may be over.
pub fn changes(text: &str, board: &Board, fresh: &[TaskId]) -> Vec<Change> {
    let mut changes = vec![];
    let mut added = 0;
    let many = board.tasks().filter(|task| !task.status.is_final()).count() >= MANY;
    for (_, role) in roles(text, board, fresh) {
        match role {
            Role::New(id, item) if added < NEW && !many => {
                added += 1;
                let title = title_of(&item.text);
                let body = if title == item.text { String::new() } else { item.text.into_owned() };
                changes.push(Change::Add { id, title, body });
            }
            Role::Of(task, item) if !item.is_intact() => {
                let (id, over) = (task.id.clone(), task.status.is_final());
                let title = item.title();
                if !title.is_empty() && title.len() <= TITLE && title != shown(&task.title) && !over {
                    changes.push(Change::Retitle(id.clone(), title.to_owned()));
                }
                let news = item.mark.as_ref().is_some_and(|mark| mark.turned == task.turned);
                match (item.ticked && news, over) {
                    (true, false) => changes.push(Change::Tick(id)),
                    (false, true) if news && item.is_toggled() => changes.push(Change::Untick(id)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    changes
}

/// The page as it should be. `fresh` is as in [`changes`], `old` are those whose lines go.
pub fn render(text: &str, board: &Board, fresh: &[TaskId], old: &dyn Fn(&Task) -> bool) -> String {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = vec![];
    let (mut there, mut last) = (BTreeSet::new(), None);
    for (line, role) in roles(text, board, fresh) {
        match role {
            Role::Of(task, item) => {
                there.insert(&task.id);
                if item.is_intact() && task.status.is_final() && old(task) {
                    continue;
                }
                last = Some(lines.len());
                // What a person wrote there goes only when the task says it.
                let said = item.is_intact() || item.title().is_empty() || item.title() == shown(&task.title);
                lines.push(if said { item.written(task, board, line) } else { line.to_owned() });
            }
            Role::Adopted(task, item) => {
                there.insert(&task.id);
                last = Some(lines.len());
                lines.push(item.written(task, board, line));
            }
            Role::New(..) | Role::Theirs => lines.push(line.to_owned()),
        }
    }
    let missing = board.tasks().filter(|task| !task.status.is_final() && !there.contains(&task.id));
    let missing: Vec<String> =
        missing.map(|task| format!("{}{ending}", Item::FRESH.written(task, board, ""))).collect();
    if missing.is_empty() {
        return lines.concat();
    }
    // A part of what stands at the top was left by somebody who could write no more of a page than that.
    if text.trim().is_empty() || HEAD.starts_with(text) {
        return HEAD.replace('\n', ending) + &missing.concat();
    }
    let at = last.map_or_else(|| end_of(text), |at| at + 1);
    let before = at.checked_sub(1).and_then(|at| lines.get_mut(at));
    let apart = match before {
        Some(line) => {
            if !line.ends_with('\n') {
                line.push_str(ending);
            }
            last.is_none() && !line.trim().is_empty()
        }
        None => false,
    };
    lines.splice(at..at, apart.then(|| ending.to_owned()).into_iter().chain(missing));
    lines.concat()
}

/// Every line of the page with its ending, and what it is to us.
fn roles<'a>(text: &'a str, board: &'a Board, fresh: &[TaskId]) -> Vec<(&'a str, Role<'a>)> {
    let parsed = items(text);
    let bearers = bearers(&parsed, board);
    let mut taken: BTreeSet<TaskId> = bearers.values().cloned().collect();
    let mut free: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in board.tasks().filter(|task| !taken.contains(&task.id)) {
        if !task.status.is_final() || fresh.contains(&task.id) {
            free.entry(&task.title).or_default().push(task);
        }
    }
    let mut roles = vec![];
    for (at, (line, item)) in parsed.into_iter().enumerate() {
        let role = match item {
            None => Role::Theirs,
            Some(item) => match bearers.get(&at).and_then(|id| board.get(id)) {
                Some(task) => Role::Of(task, item),
                // A mark that is borne elsewhere was copied with its line; one that nobody knows is not ours to judge.
                None if item.mark.as_ref().is_some_and(|mark| board.get(&mark.id).is_none()) => Role::Theirs,
                None if item.ticked || item.title().is_empty() || item.is_copy(board) => Role::Theirs,
                None => {
                    let item = item.unmarked();
                    let known = free.get_mut(title_of(&item.text).as_str()).and_then(|tasks| {
                        match tasks.is_empty() {
                            true => None,
                            false => Some(tasks.remove(0)),
                        }
                    });
                    match known {
                        Some(task) => Role::Adopted(task, item),
                        None => {
                            let id = new_id(&item.text, &|id| taken.contains(id) || board.get(id).is_some());
                            taken.insert(id.clone());
                            Role::New(id, item)
                        }
                    }
                }
            },
        };
        roles.push((line, role));
    }
    roles
}

/// Which lines bear the marks of which tasks: of several with one mark the first that nobody changed, else the first.
fn bearers(parsed: &[(&str, Option<Item>)], board: &Board) -> BTreeMap<usize, TaskId> {
    let mut best: BTreeMap<&TaskId, (bool, usize)> = BTreeMap::new();
    for (at, (_, item)) in parsed.iter().enumerate() {
        let Some(item) = item else { continue };
        let Some(task) = item.mark.as_ref().and_then(|mark| board.get(&mark.id)) else { continue };
        let found = (!item.is_intact(), at);
        let known = best.entry(&task.id).or_insert(found);
        *known = (*known).min(found);
    }
    best.into_iter().map(|(id, (_, at))| (at, id.clone())).collect()
}

/// The id of the task that a line becomes: the first of those for this text that is not given.
fn new_id(text: &str, given: &dyn Fn(&TaskId) -> bool) -> TaskId {
    let mut ids = (1..).map(|n| MessageId::derived(PAGE, text, n));
    let fits = |id: MessageId| id.as_str().parse::<TaskId>().ok().filter(|id| !given(id));
    ids.find_map(fits).expect("there are more ids than tasks")
}

/// A title of a line: as much of it as fits.
fn title_of(text: &str) -> String {
    let end = (0..=text.len().min(TITLE)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[..end].trim_end().to_owned()
}

/// A text as it may stand in a line.
fn shown(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace("-->", "->").trim().to_owned()
}

/// How a task stands, for people; empty if there is nothing to say.
fn note(task: &Task, board: &Board) -> String {
    let standing = board.standing(task);
    let mut words = vec![];
    match standing {
        Standing::Claimed => words.extend(task.holder.as_ref().map(|held| held.by.to_string())),
        Standing::Open | Standing::Waiting | Standing::Blocked => {
            words.extend(task.to.as_ref().map(|to| format!("for {to}")));
            words.extend(task.role.as_ref().map(|role| format!("for any {role}")));
        }
        Standing::Failed | Standing::Cancelled => words.push(standing.to_string()),
        Standing::Done => {}
    }
    if standing == Standing::Waiting {
        let ids: Vec<_> = board.waits_for(task).map(TaskId::short).collect();
        words.push(format!("waits for {}", ids.join(" ")));
    }
    let said = match standing {
        Standing::Failed => task.outcome.as_ref(),
        Standing::Done | Standing::Cancelled => None,
        _ => task.blocked.as_ref(),
    };
    words.extend(
        said.map(|why| if standing == Standing::Failed { why.clone() } else { format!("blocked: {why}") }),
    );
    let percent = task.progress.as_ref().and_then(|progress| progress.percent);
    words.extend(percent.filter(|_| standing == Standing::Claimed).map(|percent| format!("{percent} %")));
    words.extend(task.due.as_ref().filter(|_| !task.status.is_final()).map(|due| format!("due {due}")));
    let words: String = shown(&words.join(", ")).chars().take(120).collect();
    words.replace(['(', ')', '*'], "")
}

#[cfg(test)]
mod tests;
