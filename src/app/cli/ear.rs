//! Who hears what is no answer while a command works: notes, how far a request is; and whether anybody still waits for the
//! answer.
//!
//! On the command line that is standard error, and who gives up ends the process. Another face is told by a function, and
//! may give up without an end.

use crate::error::{Error, Kind, Result};
use crate::store::db::Message;

use super::out;

/// Something that is no answer.
pub enum Told<'a> {
    /// What is to be known.
    Note(&'a str),
    /// How far a request is.
    Progress(&'a Message),
}

/// Who hears it.
pub enum Ear {
    /// Whoever reads standard error.
    StandardError,
    /// A face of this process.
    Face {
        /// Is told.
        tell: Box<dyn FnMut(Told)>,
        /// Says whether anybody still waits.
        waits: Box<dyn Fn() -> bool>,
    },
}

impl Ear {
    /// Tells what is to be known; on standard error as JSON, if that is wanted.
    pub(super) fn note(&mut self, json: bool, text: &str) {
        match self {
            Ear::StandardError => out::note(json, text),
            Ear::Face { tell, .. } => tell(Told::Note(text)),
        }
    }

    /// Tells how far a request is.
    pub(super) fn progress(&mut self, json: bool, note: &Message) {
        match self {
            Ear::StandardError => out::progress(json, note),
            Ear::Face { tell, .. } => tell(Told::Progress(note)),
        }
    }

    /// Ends a waiting for which nobody waits any more.
    ///
    /// # Errors
    /// Nobody does.
    pub(super) fn still_there(&self) -> Result<()> {
        match self {
            Ear::Face { waits, .. } if !waits() => {
                Err(Error::new(Kind::Timeout, "wait on", "", "whoever asked has given up"))
            }
            _ => Ok(()),
        }
    }
}
