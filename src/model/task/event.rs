//! One event about a task: a line in the log of the instance that wrote it.
//!
//! ```text
//! event := {"v": 1, "id", "from", "timestamp", "task", "deed": word, "version", "token", …, "lease", "sig"}
//! ```
//! `version` is above that of every event about the task that its writer knew, `token` the highest claim that it knew; in
//! an event of a holder it is that holder's own. Together they order events as they came of each other, whatever clocks
//! say. `lease` and `sig` are as in a lane's line: a line is good in the log of its own instance and lease alone. It is no
//! envelope, since it lacks a content, and no envelope is an event, since it lacks a task.
//! A deed of a newer version is kept, and does nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::TaskId;
use crate::model::envelope::{LEASE, Priority};
use crate::model::id::MessageId;
use crate::model::layout;
use crate::model::name::{Address, Name};
use crate::model::sign::{self, Signer};

/// The version of the event that this crate writes.
const VERSION: u64 = 1;
/// The longest line, its newline included.
pub const LINE: usize = 128 * 1024;
/// The longest title, in bytes.
pub const TITLE: usize = 400;
/// The longest text of any other kind, in bytes.
pub const TEXT: usize = 64 * 1024;
/// The longest single words: a role, a time.
const WORD: usize = 128;
/// Tasks that one may depend on.
pub const MOST_DEPENDS: usize = 100;
/// The highest version; what is beyond nobody counts up to.
pub const NUMBER: u64 = 1 << 40;

/// Something that somebody did to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id among those of its instance.
    pub id: MessageId,
    /// Who did it.
    pub from: Address,
    /// When, on that one's clock; for people.
    pub timestamp: String,
    /// To which task.
    pub task: TaskId,
    /// Above those of all events about the task that its writer knew.
    pub version: u64,
    /// The highest claim that its writer knew; its own if it holds the task.
    #[serde(default)]
    pub token: u64,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What is said of a task when it is added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// What is to be done, in one line.
    pub title: String,
    /// The same at length.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Whom it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// What kind of worker it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<TaskId>,
    /// How soon it wants attention; an unknown word is the default.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// When it should be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// It was written into the page by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
}

/// What is said otherwise later. An empty text takes something away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The new title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The new text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whom it is assigned to from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What kind of worker it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How soon it wants attention.
    #[serde(default, deserialize_with = "lenient_option", skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// When it should be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
}

/// What can be done to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "kebab-case")]
pub enum Deed {
    /// There is one.
    Add(Details),
    /// It is another one in part.
    Edit(Edit),
    /// Its writer works on it from now on, under the claim `token`.
    Claim {
        /// For how many seconds, unless it is renewed.
        term: u64,
    },
    /// Its holder tells how far it is.
    Progress {
        /// In words.
        text: String,
        /// Of a hundred.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// It is done.
    Done {
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        /// A person ticked it off in the page, whoever holds it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// Its holder can't do it, and nobody should.
    Fail {
        /// Why.
        why: String,
    },
    /// Its holder lets it go, for others to claim.
    Release {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Its holder was silent for the term, by its own instance's clock.
    Lapse,
    /// It can't be worked on for now.
    Block {
        /// Why.
        why: String,
    },
    /// It can again.
    Unblock,
    /// Others must be done before.
    Depend {
        /// Which.
        on: Vec<TaskId>,
    },
    /// It need not wait for these.
    Undepend {
        /// Which.
        on: Vec<TaskId>,
    },
    /// It is not wanted any more.
    Cancel {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It had ended, and is to be done all the same.
    Reopen,
    /// Something of a newer version.
    #[serde(other)]
    Unknown,
}

impl Deed {
    /// The word for it, in the log and on screen.
    pub fn word(&self) -> &'static str {
        match self {
            Deed::Add(_) => "add",
            Deed::Edit(_) => "edit",
            Deed::Claim { .. } => "claim",
            Deed::Progress { .. } => "progress",
            Deed::Done { .. } => "done",
            Deed::Fail { .. } => "fail",
            Deed::Release { .. } => "release",
            Deed::Lapse => "lapse",
            Deed::Block { .. } => "block",
            Deed::Unblock => "unblock",
            Deed::Depend { .. } => "depend",
            Deed::Undepend { .. } => "undepend",
            Deed::Cancel { .. } => "cancel",
            Deed::Reopen => "reopen",
            Deed::Unknown => "unknown",
        }
    }

    /// What it says beyond its word, for people.
    pub fn detail(&self) -> String {
        let ids = |ids: &[TaskId]| ids.iter().map(TaskId::short).collect::<Vec<_>>().join(", ");
        match self {
            Deed::Add(details) => match &details.to {
                Some(to) => format!("{} (for {to})", details.title),
                None => details.title.clone(),
            },
            Deed::Edit(edit) => edit.words().join(", "),
            Deed::Claim { term } => format!("for {} min", term.div_ceil(60)),
            Deed::Progress { text, percent: Some(percent) } => format!("{percent} %: {text}"),
            Deed::Progress { text, percent: None } => text.clone(),
            Deed::Done { result, by_hand } => {
                let hand = if *by_hand { "by hand" } else { "" };
                result.clone().unwrap_or_else(|| hand.to_owned())
            }
            Deed::Fail { why } | Deed::Block { why } => why.clone(),
            Deed::Release { why } | Deed::Cancel { why } => why.clone().unwrap_or_default(),
            Deed::Depend { on } => format!("on {}", ids(on)),
            Deed::Undepend { on } => format!("not on {}", ids(on)),
            Deed::Lapse => "its time ran out".to_owned(),
            Deed::Unblock | Deed::Reopen | Deed::Unknown => String::new(),
        }
    }

    /// Whether a holder alone may do it.
    pub fn is_holders(&self) -> bool {
        matches!(self, Deed::Progress { .. } | Deed::Fail { .. } | Deed::Release { .. } | Deed::Lapse)
    }
}

impl Edit {
    /// What changes, in words.
    fn words(&self) -> Vec<String> {
        let texts = [("title", &self.title), ("for", &self.to), ("role", &self.role), ("due", &self.due)];
        let said = texts.into_iter().filter_map(|(what, text)| Some(format!("{what}: {}", text.as_ref()?)));
        let body = self.body.iter().map(|_| "text".to_owned());
        said.chain(body).chain(self.priority.map(|priority| priority.as_str().to_owned())).collect()
    }
}

impl Event {
    /// Whose log it stands in.
    pub fn instance(&self) -> &Name {
        &self.from.instance
    }

    /// Reads an object that came from a share.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_value(value: Value) -> Result<Event, String> {
        let event: Event = serde_json::from_value(value).map_err(|error| error.to_string())?;
        event.check().map(|()| event)
    }

    /// Whether everything in it is within its bounds.
    fn check(&self) -> Result<(), String> {
        let short = |what: &str, text: &str, most: usize| match text.len() <= most {
            true => Ok(()),
            false => Err(format!("its {what} is {} bytes long; at most {most}", text.len())),
        };
        if !(1..=NUMBER).contains(&self.version) || self.token > layout::LAST {
            return Err("its numbers are beyond all bounds".to_owned());
        }
        if !self.id.is_tame() {
            return Err("its id could be taken for an option".to_owned());
        }
        short("time", &self.timestamp, WORD)?;
        match &self.deed {
            Deed::Add(details) => {
                title(&details.title)?;
                short("text", &details.body, TEXT)?;
                few(&details.depends)?;
                [&details.role, &details.due]
                    .into_iter()
                    .flatten()
                    .try_for_each(|word| short("word", word, WORD))
            }
            Deed::Edit(edit) => {
                edit.title.as_deref().map_or(Ok(()), title)?;
                edit.body.as_deref().map_or(Ok(()), |body| short("text", body, TEXT))?;
                if let Some(to) = edit.to.as_ref().filter(|to| !to.is_empty()) {
                    to.parse::<Address>().map_err(|error| error.to_string())?;
                }
                [&edit.role, &edit.due].into_iter().flatten().try_for_each(|word| short("word", word, WORD))
            }
            Deed::Depend { on } | Deed::Undepend { on } => few(on),
            Deed::Progress { text, percent } => match percent {
                Some(percent) if *percent > 100 => Err("its progress is beyond all of it".to_owned()),
                _ => short("text", text, TEXT),
            },
            Deed::Fail { why } | Deed::Block { why } => short("reason", why, TEXT),
            Deed::Done { result: Some(text), .. }
            | Deed::Release { why: Some(text) }
            | Deed::Cancel { why: Some(text) } => short("text", text, TEXT),
            _ => Ok(()),
        }
    }

    /// The object as it is kept, without what makes it a line of a log.
    pub fn to_object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut object)) => {
                object.insert("v".to_owned(), VERSION.into());
                object
            }
            _ => Map::new(),
        }
    }

    /// The line as it goes into the log that is written under `lease`, newline included.
    pub fn to_line(object: &Map<String, Value>, lease: u64, signer: &Signer) -> Vec<u8> {
        let mut object = object.clone();
        object.remove(sign::FIELD);
        object.insert(LEASE.to_owned(), lease.into());
        signer.sign_object(&mut object);
        let mut line = serde_json::to_vec(&object).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

fn title(title: &str) -> Result<(), String> {
    match title.len() {
        _ if title.trim().is_empty() => Err("it has no title".to_owned()),
        _ if title.contains(['\n', '\r']) => Err("its title is more than one line".to_owned()),
        1..=TITLE => Ok(()),
        length => Err(format!("its title is {length} bytes long; at most {TITLE}")),
    }
}

fn few(ids: &[TaskId]) -> Result<(), String> {
    let different: BTreeSet<_> = ids.iter().collect();
    match different.len() == ids.len() && ids.len() <= MOST_DEPENDS {
        true => Ok(()),
        false => Err(format!("it depends on more than {MOST_DEPENDS} tasks, or on one twice")),
    }
}

fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
    Ok(lenient_option(deserializer)?.unwrap_or_default())
}

fn lenient_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Priority>, D::Error> {
    let word: Option<String> = Option::deserialize(deserializer)?;
    Ok(word.map(|word| word.parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01942a3f-0c00-7000-8000-000000000001";

    fn event(deed: Value) -> Result<Event, String> {
        let mut object = json!({"v": 1, "id": "e1", "from": "lab/main", "timestamp": "now", "task": ID,
                                "version": 1, "token": 0, "lease": 7, "x-new": {"kept": true}});
        let Value::Object(deed) = deed else { panic!() };
        object.as_object_mut().unwrap().extend(deed);
        Event::from_value(object)
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        for deed in [
            json!({"deed": "add", "title": "build", "to": "lab/main", "depends": [ID], "priority": "high"}),
            json!({"deed": "edit", "to": ""}),
            json!({"deed": "claim", "term": 60}),
            json!({"deed": "done", "by_hand": true}),
            json!({"deed": "lapse"}),
        ] {
            let read = event(deed).unwrap();
            assert_eq!(Event::from_value(Value::Object(read.to_object())).unwrap(), read);
        }
        assert_eq!(event(json!({"deed": "fold-into", "with": 1})).unwrap().deed, Deed::Unknown);
        let odd = event(json!({"deed": "add", "title": "x", "priority": "soonish"})).unwrap();
        assert!(matches!(odd.deed, Deed::Add(Details { priority: Priority::Normal, .. })));
    }

    #[test]
    fn what_is_beyond_its_bounds_is_no_event() {
        let long = "x".repeat(TITLE + 1);
        let many: Vec<_> = (0..=MOST_DEPENDS).map(|n| format!("01942a3f-0c00-7000-8000-{n:012}")).collect();
        for deed in [
            json!({"deed": "add"}),
            json!({"deed": "add", "title": " "}),
            json!({"deed": "add", "title": "a\nb"}),
            json!({"deed": "add", "title": long}),
            json!({"deed": "add", "title": "x", "depends": [ID, ID]}),
            json!({"deed": "depend", "on": many}),
            json!({"deed": "edit", "to": "../x"}),
            json!({"deed": "progress", "text": "x", "percent": 101}),
            json!({"deed": "lapse", "version": 0}),
            json!({"deed": "lapse", "version": NUMBER + 1}),
            json!({"deed": "lapse", "token": layout::LAST + 1}),
            json!({"deed": "lapse", "task": "../../x"}),
            json!({"deed": "lapse", "task": ID.to_uppercase()}),
            json!({"deed": "lapse", "id": "--help"}),
        ] {
            assert!(event(deed.clone()).is_err(), "{deed}");
        }
    }

    #[test]
    fn a_line_is_signed_for_the_lease_under_which_it_is_written() {
        let signer = Signer::new(&[7; 32]);
        let line = Event::to_line(&event(json!({"deed": "lapse"})).unwrap().to_object(), 3, &signer);
        let mut object: Map<String, Value> = serde_json::from_slice(&line).unwrap();
        assert!(line.ends_with(b"\n") && signer.key().verifies(&object));
        object.insert(LEASE.to_owned(), 4.into());
        assert!(!signer.key().verifies(&object));
    }
}
