//! Who asks a daemon to stop: whoever rules its process, or the program that it runs within.

use tokio::sync::oneshot;

use crate::adapt::service::Keeper;
use crate::adapt::signals;
use crate::error::{Error, Kind, Result};

/// Who may.
pub enum Asker {
    /// The service manager if it does so by its own means, else signals: the process is the daemon's.
    Process,
    /// The program, which goes on without the daemon; so does one that forgets it.
    Program(oneshot::Receiver<()>),
}

impl Asker {
    /// Listens; what comes of it is why the daemon stops.
    ///
    /// # Errors
    /// The signals can't be had.
    pub fn listen(self, keeper: &Keeper) -> Result<impl Future<Output = &'static str> + use<>> {
        let (program, signal) = match self {
            Asker::Program(asked) => (Some(asked), None),
            Asker::Process if keeper.asks() => (None, None),
            Asker::Process => {
                let signal = signals::listen();
                (None, Some(signal.map_err(|error| Error::new(Kind::Io, "listen for", "signals", error))?))
            }
        };
        let keeper = keeper.clone();
        Ok(async move {
            match (program, signal) {
                (Some(asked), _) => {
                    let _ = asked.await;
                    "its program asked for it"
                }
                (None, Some(signal)) => signal.await,
                (None, None) => keeper.asked().await,
            }
        })
    }
}
