//! The daemon's log: lines on stderr, for whoever started it; the same lines in a rotating file, for everybody; starts,
//! stops and failures also to the service manager's own journal, where it has one.
//!
//! The same trouble is not said again for a minute, however often it recurs, and not recorded again for an hour: a dead
//! share must fill neither a disk nor an event log. Nobody waits for the file: a thread of its own writes it, and a
//! disk that hangs costs lines, which are counted.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::adapt::service::{Gravity, Keeper};
use crate::app::print;
use crate::error::Error;
use crate::model::config::LogConfig;
use crate::model::envelope::format_time;
use crate::sys::clock::Clock;
use crate::sys::rotating::Rotating;

const QUIET: Duration = Duration::from_secs(60);
const RECORDED: Duration = Duration::from_secs(3600);
const REMEMBERED: usize = 1_000;
/// Lines that may wait for the disk.
const WAITING: usize = 1_000;
/// How long the end of the daemon waits for its last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// How a line begins that says that a trouble is over.
pub const OVER: &str = "over: ";
/// How a line begins that says that the share was away, or was otherwise mended.
pub const MENDED: &str = "mended: ";

/// Where the log file of a state folder lies.
pub fn path(state: &Path) -> PathBuf {
    state.join("log").join("lanpost.log")
}

/// Where the daemon says what it does.
#[derive(Clone)]
pub struct Log {
    clock: Arc<dyn Clock>,
    keeper: Keeper,
    said: Arc<Mutex<HashMap<String, Duration>>>,
    recorded: Arc<Mutex<HashMap<String, Duration>>>,
    to: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
    /// Standard error is another's.
    quiet: bool,
}

/// What the file's thread is given.
enum Entry {
    Line { text: String, record: Option<(Gravity, String)> },
    Flush(SyncSender<()>),
}

impl Log {
    /// A log that tells time by `clock`, with its file in the state folder, which must be this process's own.
    pub fn open(clock: Arc<dyn Clock>, keeper: Keeper, state: &Path, limits: &LogConfig) -> Log {
        let (to, entries) = sync_channel(WAITING);
        let file = Rotating::new(&path(state), limits.size.0, limits.files);
        let lost = Arc::new(AtomicU64::new(0));
        let (writer, missed) = (keeper.clone(), lost.clone());
        let spawned = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(file, &entries, &writer, &missed));
        let log =
            Log { clock, keeper, said: Arc::default(), recorded: Arc::default(), to, lost, quiet: false };
        if let Err(error) = spawned {
            log.info(&format!("no log file: {error}"));
        }
        log
    }

    /// The same log in its file alone: the standard error of the process is another program's.
    #[must_use]
    pub fn quietly(self) -> Log {
        Log { quiet: true, ..self }
    }

    /// Says something that happened.
    pub fn info(&self, text: &str) {
        self.say(text, None);
    }

    /// Says that the daemon started or stopped, and records it.
    pub fn milestone(&self, text: &str) {
        self.say(text, Some((Gravity::Information, text.to_owned())));
    }

    /// Says what went wrong, unless it said the same a moment ago.
    pub fn problem(&self, text: &str) {
        if !first(&self.said, self.clock.now(), QUIET, text) {
            return;
        }
        let record = first(&self.recorded, self.clock.now(), RECORDED, text);
        self.say(&format!("problem: {text}"), record.then(|| (Gravity::Warning, text.to_owned())));
    }

    /// Says that a trouble is over; as seldom as the trouble.
    pub fn over(&self, text: &str) {
        let text = format!("{OVER}{text}");
        if first(&self.said, self.clock.now(), QUIET, &text) {
            self.say(&text, None);
        }
    }

    /// Notes what ended the daemon; whoever started it says and records it.
    pub fn failure(&self, error: &Error) {
        self.write(Entry::Line { text: self.line(&format!("ended: {error}")), record: None });
    }

    /// Waits a short time for what was said to be in the file.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if self.to.try_send(Entry::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(FLUSH);
        }
    }

    /// The service manager that hears of it, too.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    fn say(&self, text: &str, record: Option<(Gravity, String)>) {
        let text = self.line(text);
        if !self.quiet {
            let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
        }
        self.write(Entry::Line { text, record });
    }

    fn write(&self, entry: Entry) {
        if self.to.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn line(&self, text: &str) -> String {
        format!("{} {}", format_time(self.clock.wall()), print::line(text))
    }
}

/// The file's thread.
fn write(mut file: Rotating, entries: &Receiver<Entry>, keeper: &Keeper, lost: &AtomicU64) {
    for entry in entries {
        match entry {
            Entry::Line { text, record } => {
                let missed = lost.swap(0, Ordering::Relaxed);
                if missed > 0 {
                    let _ = file.write(&format!("({missed} lines came faster than they could be written)"));
                }
                // A full disk: the file counts what it loses, and stderr has it.
                let _ = file.write(&text);
                if let Some((gravity, text)) = record {
                    keeper.record(gravity, &text);
                }
            }
            Entry::Flush(done) => drop(done.try_send(())),
        }
    }
}

/// Whether `text` was not said for `quiet`; then it is said now.
fn first(said: &Mutex<HashMap<String, Duration>>, now: Duration, quiet: Duration, text: &str) -> bool {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get(text).is_some_and(|at| now.saturating_sub(*at) < quiet) {
        return false;
    }
    if said.len() >= REMEMBERED {
        said.clear();
    }
    said.insert(text.to_owned(), now);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::SystemClock;
    use crate::sys::rotating::tail;

    #[test]
    fn what_is_said_is_in_the_file_once_a_minute_and_in_one_line() {
        let state = tempfile::tempdir().unwrap();
        let limits = LogConfig::default();
        let log = Log::open(Arc::new(SystemClock::new()), Keeper::of_this_process(), state.path(), &limits);
        log.milestone("begins");
        log.problem("a\nb\u{202e}c\u{2028}d");
        log.problem("a\nb\u{202e}c\u{2028}d");
        log.failure(&Error::usage("go on", "", "it is over"));
        log.flush();
        let (lines, _) = tail(&path(state.path()), 9).unwrap();
        let texts: Vec<_> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(
            texts,
            ["begins", "problem: a\\u{a}b\\u{202e}c\\u{2028}d", "ended: could not go on: it is over"]
        );
    }
}
