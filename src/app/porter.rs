//! The porter's thread: moves files to the share and from there, beside the engine's, so that mail goes on meanwhile.
//!
//! It may hang with the share, which holds up files alone; the engine's thread, which asks the same share, is the one that
//! is watched. A stop does not wait for it: what it moved is in the store, and it goes on there.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use crate::adapt::watch::Seen;
use crate::app::log::Log;
use crate::app::shell::Nudge;
use crate::app::signal::{Signal, Teller};
use crate::engine::porter::Porter;
use crate::error::Result;
use crate::sys::share::Share;

/// How long the thread rests after the local store failed.
const STORE_FAILED: Duration = Duration::from_secs(2);

/// The porter's thread. It ends with whoever calls it.
///
/// # Errors
/// The local store's, if trying again can't help.
pub fn carry(
    mut porter: Porter,
    share: &Arc<dyn Share>,
    calls: &Receiver<()>,
    (engine, waker): (&Teller, &Sender<Nudge>),
    log: &Log,
) -> Result<()> {
    loop {
        let rest = match porter.step(&**share) {
            Ok(step) => {
                step.problems.iter().for_each(|problem| log.problem(&problem.to_string()));
                if step.ready {
                    engine.tell(Signal::Seen(Seen::Local));
                }
                if step.arrived {
                    let _ = waker.send(Nudge::Look);
                }
                step.rest
            }
            Err(error) if error.is_retryable() => {
                log.problem(&error.to_string());
                STORE_FAILED
            }
            Err(error) => return Err(error),
        };
        if let Err(RecvTimeoutError::Disconnected) = calls.recv_timeout(rest) {
            return Ok(());
        }
        // However often it was called.
        while !matches!(calls.try_recv(), Err(TryRecvError::Empty | TryRecvError::Disconnected)) {}
    }
}
