//! SIGTERM, SIGINT and SIGHUP: a service manager, a person, a closed terminal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on; the future is done when somebody asks us to stop, and says who.
pub fn listen() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
            _ = hangup.recv() => "SIGHUP",
        }
    })
}
