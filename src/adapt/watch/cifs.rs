//! Changes of a folder on an SMB mount, as its server tells them: `CIFS_IOC_NOTIFY`, for which inotify is no substitute.
//!
//! A thread per folder, since the question blocks until the answer. It asks again after each answer; what changes
//! between two questions is found by the quick looks that follow any traffic. The kernel offers no way to break a
//! question off: a folder that is dropped says nothing more, and its thread ends with the next change or with the
//! process. A daemon that can't ask polls; it says so once per set-up.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{Hint, Seen};
use crate::model::retry;
use crate::sys::clock::pause;
use crate::sys::mount::SmbFolder;

/// Threads that may wait at once; dropped ones count until they end. Beyond, polling goes on.
const MOST: usize = 24;
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Pauses after a broken connection.
const BROKEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A folder whose server is asked; dropping it ends it.
pub struct Folder {
    ended: Arc<AtomicBool>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Folder {
    /// Starts asking.
    pub fn start(
        folder: PathBuf,
        seen: Seen,
        hint: Hint,
        complain: impl Fn(String) + Send + 'static,
    ) -> Folder {
        let ended = Arc::new(AtomicBool::new(false));
        if WAITING.fetch_add(1, Ordering::Relaxed) >= MOST {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            complain(format!("no notifications of {}: too many wait already", folder.display()));
            return Folder { ended };
        }
        let flag = ended.clone();
        let thread = std::thread::Builder::new().name("smb-notify".into()).spawn(move || {
            if let Some(why) = ask(&folder, &flag, &|| hint.give(seen)) {
                complain(format!("no notifications of {}: {why}", folder.display()));
            }
            WAITING.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_err() {
            WAITING.fetch_sub(1, Ordering::Relaxed);
        }
        Folder { ended }
    }
}

/// Asks until it is ended; the reason if the server can't be asked at all.
fn ask(folder: &Path, ended: &AtomicBool, hint: &dyn Fn()) -> Option<String> {
    let mut failures = 0;
    while !ended.load(Ordering::Relaxed) {
        let opened = SmbFolder::open(folder);
        let asked = opened.and_then(|folder| {
            while !ended.load(Ordering::Relaxed) {
                folder.wait()?;
                failures = 0;
                if !ended.load(Ordering::Relaxed) {
                    hint();
                }
            }
            Ok(())
        });
        match asked {
            Ok(()) => return None,
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::NotFound) => {
                return Some(error.to_string());
            }
            // The connection broke, and with it the question; what happened meanwhile has to be looked for.
            Err(_) => {
                failures += 1;
                pause(retry::backoff(BROKEN.0, BROKEN.1, failures));
                if !ended.load(Ordering::Relaxed) {
                    hint();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_folder_that_is_on_no_smb_mount_is_said_once_and_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (said, told) = channel();
        let hint = Hint(std::sync::Arc::new(std::sync::Mutex::new(|seen| panic!("{seen:?} of nothing"))));
        let watched =
            Folder::start(folder.path().to_owned(), Seen::Status, hint, move |why| said.send(why).unwrap());
        let why = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(why.contains("no notifications of"), "{why}");
        assert!(told.recv_timeout(Duration::from_secs(20)).is_err(), "the thread ended");
        drop(watched);
    }
}
