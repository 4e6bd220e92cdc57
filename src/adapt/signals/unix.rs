//! SIGTERM, SIGINT and SIGHUP: a service manager, a person, a closed terminal.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody asks us to stop; says who.
pub async fn stop() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
        _ = hangup.recv() => "SIGHUP",
    })
}
