//! The daemon's log: lines on stderr, for the journal or the service manager.
//!
//! The same trouble is not said again for a minute, however often it recurs: a dead share must not fill a disk.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::envelope::format_time;
use crate::sys::clock::Clock;

const QUIET: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 1_000;

/// Where the daemon says what it does.
#[derive(Clone)]
pub struct Log {
    clock: Arc<dyn Clock>,
    said: Arc<Mutex<HashMap<String, Duration>>>,
}

impl Log {
    /// A log that tells time by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Log {
        Log { clock, said: Arc::default() }
    }

    /// Says something that happened.
    pub fn info(&self, text: &str) {
        let line = format!("{} {}\n", format_time(self.clock.wall()), text.escape_debug_controls());
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    /// Says what went wrong, unless it said the same a moment ago.
    pub fn problem(&self, text: &str) {
        let now = self.clock.now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(text).is_some_and(|at| now.saturating_sub(*at) < QUIET) {
            return;
        }
        if said.len() >= REMEMBERED {
            said.clear();
        }
        said.insert(text.to_owned(), now);
        drop(said);
        self.info(&format!("problem: {text}"));
    }
}

trait EscapeControls {
    fn escape_debug_controls(&self) -> String;
}

impl EscapeControls for str {
    /// One line stays one line, whatever a file name or a peer put into it.
    fn escape_debug_controls(&self) -> String {
        self.chars().fold(String::with_capacity(self.len()), |mut line, c| {
            if c.is_control() {
                line.extend(c.escape_default())
            } else {
                line.push(c)
            }
            line
        })
    }
}
