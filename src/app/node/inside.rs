//! The daemon within another program: its threads, and a clean end of them.
//!
//! What is in the store when the program is killed is there; a daemon that is started again goes on with it.

use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::app::daemon;
use crate::error::{Error, Kind, Result};
use crate::model::config::Config;

/// A daemon at work within this program. Dropped, it is stopped.
pub struct Daemon {
    ask: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Daemon {
    pub(super) fn start(config: Config) -> Result<Daemon> {
        let (ask, asked) = oneshot::channel();
        let (tell, started) = sync_channel(1);
        let at_work = move || {
            let _ = tell.send(());
        };
        let body = move || daemon::run_within(config, asked, at_work);
        let spawned = std::thread::Builder::new().name("lanpost".into()).spawn(body);
        let thread =
            spawned.map_err(|error| Error::new(Kind::Io, "start the thread of", "the daemon", error))?;
        let daemon = Daemon { ask: Some(ask), thread: Some(thread) };
        match started.recv() {
            Ok(()) => Ok(daemon),
            // It ended before it was at work, and says why.
            Err(_) => {
                daemon.stop()?;
                Err(Error::new(Kind::Io, "start", "the daemon", "it ended at once"))
            }
        }
    }

    /// Whether it is at work: it ends by itself only if the local store can't be used any more.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Stops it, and waits until it has: 2 s at most, unless the local disk hangs. On a share that hangs its last call is left
    /// to itself.
    ///
    /// # Errors
    /// What had ended it before.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.ask.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let lost = |_| Err(Error::new(Kind::Io, "run", "the daemon", "it ended without a word"));
        thread.join().unwrap_or_else(lost)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`; the log has it, too.
        let _ = self.end();
    }
}
