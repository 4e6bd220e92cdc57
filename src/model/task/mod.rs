//! Tasks: what is to be done, by whom, and what came of it; the same on every PC that has read the same events.
//!
//! ```text
//! open --claim--> claimed --done--> done          open | claimed --cancel--> cancelled
//!   ^ \---waits for others, is blocked            done | failed | cancelled --reopen--> open
//!   |________________/ release, lapse             claimed --fail--> failed
//! ```
//! A task is no file of its own: it is what [`fold`] makes of all [`Event`]s about it, each of which stands in the log of
//! the instance that wrote it. Nothing here depends on the order in which the logs are read.

mod board;
mod event;
mod fold;
pub mod page;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use board::{Board, Standing, Wanted};
pub use event::{Deed, Details, Edit, Event, LINE, MOST_DEPENDS, NUMBER, TEXT, TITLE};
pub use fold::{Entry, Void, fold, fold_beside};

use super::envelope::Priority;
use super::name::Address;

/// The type of the mail that tells an assignee of a task.
pub const TASK: &str = "task";
/// The type of what an instance tells its own agents about their tasks; lanpost's own.
pub const TASK_NOTICE: &str = "task-notice";

/// Names one task on a share: a UUID in lower case, so that it may name a folder there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

impl TaskId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A part of it that people use: the random end, since the beginning is the same for tasks of one time.
    pub fn short(&self) -> &str {
        &self.0[self.0.len() - SHORT..]
    }

    /// Whether `word` is how people call it: the id, its beginning, or its end.
    pub fn is_called(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        word.len() >= LEAST && (self.0.starts_with(&word) || self.0.ends_with(&word))
    }
}

/// Digits of the end that lists show.
pub const SHORT: usize = 6;
/// Digits that name a task at least.
const LEAST: usize = 3;

impl FromStr for TaskId {
    type Err = String;

    fn from_str(text: &str) -> Result<TaskId, String> {
        match uuid::Uuid::try_parse(text) {
            Ok(id) if id.to_string() == text => Ok(TaskId(text.to_owned())),
            _ => Err(format!("{} is no task id", super::name::quoted(text))),
        }
    }
}

impl TryFrom<String> for TaskId {
    type Error = String;

    fn try_from(text: String) -> Result<TaskId, String> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How far a task has come by itself; what it waits for is for a [`Board`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody works on it.
    Open,
    /// Somebody does.
    Claimed,
    /// It is done.
    Done,
    /// Whoever worked on it gave it up for good.
    Failed,
    /// It is not wanted any more.
    Cancelled,
}

impl Status {
    /// Whether there is nothing left to do.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Done | Status::Failed | Status::Cancelled)
    }
}

/// Who works on a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who claimed it.
    pub by: Address,
    /// The number of the claim, the fencing token.
    pub token: u64,
    /// For how many seconds it was claimed: for so long its instance must stand still before another takes over.
    pub term: u64,
    /// When, on the holder's clock.
    pub since: String,
}

/// How far its holder has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// In words.
    pub text: String,
    /// Of a hundred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// One task, as its events made it. Times are those of the writers' clocks, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done, in one line.
    pub title: String,
    /// The same at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// How far it has come.
    pub status: Status,
    /// Whom it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// What kind of worker it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How soon it wants attention.
    #[serde(default)]
    pub priority: Priority,
    /// When it should be done, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What must be done before, in the order in which it was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<TaskId>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// How far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Why it can't be worked on, as somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// What came of it, or why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Who added it.
    pub added_by: Address,
    /// When.
    pub added: String,
    /// When it last changed.
    pub changed: String,
    /// The highest claim that its events speak of; 0 before the first.
    pub token: u64,
    /// How often it was changed, as far as is known: the next event has a higher number.
    pub version: u64,
    /// The version by which it last ended, or was opened again; 0: neither yet.
    #[serde(default)]
    pub turned: u64,
}
