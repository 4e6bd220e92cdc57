//! What goes into a step of the engine, and what comes out of it.

use std::time::Duration;

use crate::error::Error;
use crate::model::mount::{Announcer, Mount};
use crate::model::pace::Places;

/// Who runs the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A daemon: it beats, and a waker works beside it.
    Daemon,
    /// A command's single pass: it moves mail and does neither.
    Pass,
}

/// How the share is mounted, as whoever set the watchers up found it.
#[derive(Clone, Debug, Default)]
pub struct Mounted {
    /// The mount and its options.
    pub mount: Mount,
    /// Who is asked for changes: the mount's announcer, unless the config wants none.
    pub announcer: Announcer,
    /// Why some are not heard of, in words.
    pub deaf: Vec<String>,
}

impl Mounted {
    /// In words, for `status`.
    pub fn words(&self) -> String {
        let mut words = format!("{}; events: {}", self.mount.sentence(), self.announcer.words());
        self.deaf.iter().for_each(|why| words.extend(["; ", why]));
        words
    }
}

/// What may have changed. Losing one costs time, nothing else.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Something in our mailbox.
    pub mailbox: bool,
    /// Our open slot.
    pub slot: bool,
    /// Somebody's heartbeat.
    pub status: bool,
    /// Hints were lost, or a watcher began anew: look at everything.
    pub everything: bool,
    /// How the share is mounted; `None`: nothing new.
    pub mount: Option<Mounted>,
}

impl Hints {
    /// The places where mail may lie.
    pub fn places(&self) -> Places {
        Places { mailbox: self.mailbox, slot: self.slot }
    }
}

/// What a step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Mail came in: it is the waker's turn.
    Mail,
    /// Set the watcher up anew: it missed something.
    Rearm,
}

/// What a step came to.
#[derive(Debug, Default)]
pub struct Step {
    /// What to do.
    pub actions: Vec<Action>,
    /// How long to rest, unless hinted.
    pub rest: Duration,
    /// What went wrong on the share, for the log.
    pub problems: Vec<Error>,
    /// What happened to the share and was mended, for the log.
    pub incidents: Vec<String>,
    /// Troubles on the share that are over, for the log.
    pub over: Vec<String>,
    /// What is as it should be and yet worth a line, for the log.
    pub notes: Vec<String>,
}
