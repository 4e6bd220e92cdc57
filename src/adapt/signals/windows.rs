//! The console's events: Ctrl-C, Ctrl-Break, a closed window, a logoff, a shutdown.

use std::io;

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// Waits until somebody asks us to stop; says who.
pub async fn stop() -> io::Result<&'static str> {
    let (mut interrupt, mut pause, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = pause.recv() => "Ctrl-Break",
        _ = close.recv() => "a closed window",
        _ = logoff.recv() => "a logoff",
        _ = shutdown.recv() => "a shutdown",
    })
}
