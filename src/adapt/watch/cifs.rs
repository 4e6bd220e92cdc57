//! Changes of a folder on an SMB mount, as its server tells them: `CIFS_IOC_NOTIFY`, for which inotify is no substitute.
//!
//! A thread per folder, since the question blocks until the answer. It asks again after each answer; what changes
//! between two questions is found by the quick looks that follow any traffic. The kernel offers no way to break a
//! question off: a folder that is dropped says nothing more, and its thread ends with the next change or with the
//! process. So the threads are counted; a folder for which there is none waits for its turn.
//!
//! Whatever the server answers, it is asked again, after growing pauses: the kernel says `EIO` for every answer that it
//! has no word for. Only where the question is unknown it is given up. Meanwhile looks do the work; each silence is
//! said once, and so is its end.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Complain, Hint, Seen};
use crate::model::retry;
use crate::sys::clock::{Clock, SystemClock, pause};
use crate::sys::mount::{SmbFolder, never_announced};

/// Threads that may wait at once; dropped ones count until they end.
const MOST: usize = 24;
/// Pauses after a broken connection.
const BROKEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Pauses after a refusal.
const REFUSED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));
/// An answer that comes so soon is no change that was waited for, or one of many.
const HASTE: Duration = Duration::from_millis(25);
/// Pauses after such answers. The longest is well below the time that an event may be late.
const HASTY: (Duration, Duration) = (HASTE, Duration::from_millis(500));
/// A long pause is cut short when the folder is dropped, at most so late.
const SLICE: Duration = Duration::from_secs(1);

static CROWD: Mutex<Crowd> = Mutex::new(Crowd { threads: 0, waiting: VecDeque::new() });

/// Who asks, and who waits to ask.
struct Crowd {
    threads: usize,
    waiting: VecDeque<Arc<Job>>,
}

fn crowd() -> MutexGuard<'static, Crowd> {
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder whose server is asked; dropping it ends it.
pub struct Folder(Arc<Job>);

impl Drop for Folder {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Folder {
    /// Starts asking, or waits for a thread.
    pub fn start(folder: PathBuf, seen: Seen, hint: Hint, complain: Complain) -> Folder {
        let job = Arc::new(Job {
            folder,
            seen,
            hint,
            complain,
            said: Mutex::default(),
            over: AtomicBool::default(),
        });
        crowd().waiting.push_back(job.clone());
        fill();
        Folder(job)
    }
}

/// Gives threads to those who wait, as far as there are any.
pub fn fill() {
    let mut crowd = crowd();
    crowd.waiting.retain(|job| !job.is_over());
    while crowd.threads < MOST
        && let Some(job) = crowd.waiting.pop_front()
    {
        let asking = job.clone();
        let body = move || {
            asking.ask();
            self::crowd().threads -= 1;
            fill();
        };
        match std::thread::Builder::new().name("smb-notify".into()).spawn(body) {
            Ok(_) => crowd.threads += 1,
            Err(error) => {
                job.say(Some(format!("no thread could be started: {error}")));
                crowd.waiting.push_front(job);
                return;
            }
        }
    }
    crowd.waiting.iter().for_each(|job| job.say(Some("too many wait already".into())));
}

/// A folder that is asked for, or will be.
struct Job {
    folder: PathBuf,
    seen: Seen,
    hint: Hint,
    complain: Complain,
    /// Why it is not heard of, as it was said.
    said: Mutex<Option<String>>,
    over: AtomicBool,
}

impl Job {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Says why the folder is not heard of, or that it is, if that is news.
    fn say(&self, why: Option<String>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != why && !self.is_over() {
            (self.complain)(&self.folder, why.as_deref());
            *said = why;
        }
    }

    fn ask(&self) {
        let clock = SystemClock::new();
        let rest = |time: Duration| {
            let end = clock.now() + time;
            while !self.is_over() && clock.now() < end {
                pause(end.saturating_sub(clock.now()).min(SLICE));
            }
        };
        let open = |folder: &Path| {
            let folder = SmbFolder::open(folder)?;
            Ok(Box::new(move || folder.wait()) as Question)
        };
        self.ask_on(&open, &clock, &rest);
    }

    /// Asks until it is over, or will never do.
    fn ask_on(
        &self,
        open: &dyn Fn(&Path) -> io::Result<Question>,
        clock: &dyn Clock,
        rest: &dyn Fn(Duration),
    ) {
        let (mut failures, mut hasty) = (0, 0);
        while !self.is_over() {
            let asked = open(&self.folder).and_then(|question| {
                while !self.is_over() {
                    let since = clock.now();
                    question()?;
                    failures = 0;
                    self.say(None);
                    if !self.is_over() {
                        self.hint.give(self.seen);
                    }
                    let soon = clock.now().saturating_sub(since) < HASTE;
                    hasty = if soon { hasty + 1 } else { 0 };
                    if hasty > 0 {
                        rest(retry::backoff(HASTY.0, HASTY.1, hasty));
                    }
                }
                Ok(())
            });
            let Err(error) = asked else { return };
            failures += 1;
            if never_announced(&error) {
                return self.say(Some(error.to_string()));
            }
            if is_refusal(&error) {
                self.say(Some(error.to_string()));
                rest(retry::backoff(REFUSED.0, REFUSED.1, failures));
                continue;
            }
            // The connection broke, and with it the question. What happened meanwhile has to be looked for, which is no
            // event of the folder: nobody told of one.
            rest(retry::backoff(BROKEN.0, BROKEN.1, failures));
            if !self.is_over() {
                self.hint.give(Seen::Everything);
            }
        }
    }
}

/// Blocks until something changed.
type Question = Box<dyn Fn() -> io::Result<()>>;

/// Whether the server, or this PC, would not answer, and the connection stands: EIO, EINVAL, EOPNOTSUPP, or there is no
/// such folder, or not for this user.
fn is_refusal(error: &io::Error) -> bool {
    let numbers = [5, 22, 95];
    error.raw_os_error().is_some_and(|code| numbers.contains(&code))
        || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
