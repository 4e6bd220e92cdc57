//! `lanpost run`: the daemon in the foreground. Exit codes: 0 after a clean stop, 75 when another one runs here.

use super::{Cx, exit};
use crate::adapt::service::Keeper;
use crate::app::{daemon, locate};
use crate::error::Result;

/// Run the daemon in the foreground: deliver, take in, wake; stops cleanly on Ctrl-C or SIGTERM
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost run\n  lanpost run --config /etc/lanpost/lab.toml")]
pub struct Args {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    let located = locate::locate(cx.config.as_deref())?;
    located.notes.iter().for_each(|note| cx.note(note));
    daemon::run(located.config, &located.path, Keeper::of_this_process())?;
    Ok(exit::DONE)
}
