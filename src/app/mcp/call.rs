//! One call of a tool: what it works with, and what it answers.
//!
//! A call runs on a thread of its own, where it may block. What a command would tell on standard error is told with the answer,
//! and meanwhile as progress, if the caller wants to hear of that.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::shown;
use super::steps::with_tools;
use crate::app::cli::args::Speaker;
use crate::app::cli::{Cx, Ear, Kept, Told};
use crate::app::pass::Passes;
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops::Author;
use crate::error::{Error, Result};
use crate::model::config::parse_duration;
use crate::model::name::Name;

/// What all calls have in common.
#[derive(Clone)]
pub struct Desk {
    config: Option<PathBuf>,
    speaker: Speaker,
    passes: Passes,
    /// Whoever started us is gone.
    ended: Arc<AtomicBool>,
}

/// What a call answers.
pub struct Answer {
    /// For a reader.
    pub text: String,
    /// The same for a program.
    pub data: Value,
}

/// A call at work.
pub struct Call {
    /// How commands are given the same.
    pub cx: Cx,
    /// The node.
    pub node: Node,
    /// The agent that speaks.
    pub agent: Option<Name>,
    /// What its mail comes of.
    pub author: Author,
    text: Kept,
}

impl Desk {
    /// One for this config, agent and pipe.
    pub fn new(config: Option<PathBuf>, speaker: Speaker, ended: Arc<AtomicBool>) -> Desk {
        Desk { config, speaker, passes: Passes::default(), ended }
    }

    /// Does `work`. `tell` hears how it goes on; `waits` says whether the caller still does. Of a failure the whole text is
    /// returned.
    pub fn work(
        &self,
        tell: impl Fn(String) + 'static,
        waits: impl Fn() -> bool + 'static,
        work: impl FnOnce(&mut Call) -> Result<Answer>,
    ) -> std::result::Result<Answer, String> {
        let notes = Rc::new(RefCell::new(Vec::<String>::new()));
        let (heard, ended) = (notes.clone(), self.ended.clone());
        let hear = move |told: Told| match told {
            Told::Note(text) => {
                tell(text.to_owned());
                heard.borrow_mut().push(with_tools(&print::line(text)));
            }
            Told::Progress(note) => {
                tell(format!("{}: {}", print::sender(&note.from), print::summary(&note.content)));
            }
        };
        let ear = Ear::Face {
            tell: Box::new(hear),
            waits: Box::new(move || waits() && !ended.load(Ordering::Relaxed)),
        };
        let done = self.open(ear).and_then(|mut call| work(&mut call));
        let notes = notes.take();
        let with_notes = |first: String| {
            let notes = notes.iter().map(|note| format!("note: {note}"));
            std::iter::once(first).chain(notes).collect::<Vec<_>>().join("\n")
        };
        match done {
            Ok(Answer { text, mut data }) => {
                shown::seal(&mut data, &notes);
                Ok(Answer { text: with_notes(text), data })
            }
            Err(error) => Err(with_notes(with_tools(&print::line(&error.to_string())))),
        }
    }

    fn open(&self, ear: Ear) -> Result<Call> {
        let text = Kept::default();
        let cx = Cx::kept(self.config.clone(), self.passes.clone(), ear, &text);
        let node = cx.open()?;
        let (agent, author) = (self.speaker.resolve(&node)?, self.speaker.program(&node));
        Ok(Call { cx, node, agent, author, text })
    }
}

impl Call {
    /// An answer in the words in which a command shows the same: those that `show` prints.
    pub fn shown(&mut self, data: Value, show: impl FnOnce(&mut Cx) -> Result<()>) -> Result<Answer> {
        show(&mut self.cx)?;
        Ok(Answer { text: self.text.take().trim_end().to_owned(), data })
    }
}

/// A duration that was given as text, as in `2h`.
///
/// # Errors
/// It is none.
pub fn duration(name: &str, text: Option<&str>) -> Result<Option<Duration>> {
    let parse = |text| parse_duration(text).map_err(|cause| Error::usage("take", format!("`{name}`"), cause));
    text.map(parse).transpose()
}

/// A word that was given as text.
///
/// # Errors
/// It is none.
pub fn word<T: std::str::FromStr>(name: &str, text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|cause| Error::usage("take", format!("`{name}`"), cause))
}
