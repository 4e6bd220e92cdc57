//! `lanpost backup`: the state folder and the config in one file, made while the daemon runs.
//! Exit codes: 0 made, 1 it can't be written, 2 it can't be as asked, 3 no config.

use std::path::PathBuf;

use super::{Cx, exit};
use crate::app::{locate, print};
use crate::engine::ops;
use crate::error::Result;
use crate::sys::files;

/// Back up the state folder (mail, log, key) and the config into one file, while the daemon runs
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost backup /var/backups/lanpost-lab.backup\n  \
    lanpost backup \"$HOME/lanpost-$(date +%F).backup\" --json | jq -r .log_head\n\n\
    The file holds the key: whoever reads it can speak as this instance. Only its owner may read it.")]
pub struct Args {
    /// The file; a former backup of this instance there is replaced
    file: PathBuf,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let (_, config) = locate::load(cx.config.as_deref())?;
    let made = ops::backup(&mut node, &config, &files::absolute(&args.file))?;
    if cx.json {
        cx.out.json(&made)?;
        return Ok(exit::DONE);
    }
    let file = made.file.display().to_string();
    cx.out.say(format!("backed up {} to {} ({} bytes)", made.instance, print::line(&file), made.bytes));
    cx.out
        .say(format!("it holds the key: keep it as private as the state folder; log head {}", made.log_head));
    Ok(exit::DONE)
}
