//! The console's events: Ctrl-C, Ctrl-Break, a closed window, a logoff, a shutdown.

use std::io;

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// Listens from now on; the future is done when somebody asks us to stop, and says who.
pub fn listen() -> io::Result<impl Future<Output = &'static str>> {
    let (mut interrupt, mut pause, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut logoff, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = pause.recv() => "Ctrl-Break",
            _ = close.recv() => "a closed window",
            _ = logoff.recv() => "a logoff",
            _ = shutdown.recv() => "a shutdown",
        }
    })
}
