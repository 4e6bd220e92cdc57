//! `lanpost restore`: puts a backup in place of the state folder's state.
//! Exit codes: 0 restored, 1 damaged, 2 it can't be as asked (a newer state, another instance), 3 no such file,
//! 75 somebody works on the state folder.
//!
//! The config that is there stays; without one, the backup's is written where it was looked for.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Cx, exit};
use crate::app::{locate, print};
use crate::engine::ops::{self, Restore};
use crate::error::{Error, Result};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::files;

/// Restore a backup: the daemon must be stopped; the state that is there is kept aside
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost service stop && lanpost restore /var/backups/lanpost-lab.backup && lanpost service start\n  \
    lanpost restore lab.backup --config /etc/lanpost/lab.toml --force")]
pub struct Args {
    /// A file that `lanpost backup` made
    file: PathBuf,
    /// Also over a state that is newer than the backup, or another one
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let place = locate::place(cx.config.as_deref())?;
    let file = files::absolute(&args.file);
    let (config, fresh) = match locate::read(&place.path)? {
        Some(config) => (config, None),
        None => {
            let found = ops::look_at_backup(&file)?;
            let bytes = found.files.into_iter().find(|(name, _)| name == ops::CONFIG).map(|(_, bytes)| bytes);
            let bytes = bytes.ok_or_else(|| {
                Error::usage(
                    "restore the backup",
                    file.display(),
                    "there is no config, neither here nor in it",
                )
                .next("make one with `lanpost init`")
            })?;
            (locate::parse(&bytes, &place.path)?, Some(bytes))
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let restored = ops::restore(&config, &clock, &Restore { file: &file, force: args.force })?;
    if let Some(bytes) = &fresh {
        files::replace(&place.path, bytes)?;
        cx.note(&format!("the config was restored, too: {}", place.path.display()));
    }
    if cx.json {
        cx.out.json(&restored)?;
        return Ok(exit::DONE);
    }
    cx.out.say(format!("restored {} as of {}", restored.instance, print::local_time(&restored.made)));
    if let Some(aside) = &restored.aside {
        let aside = aside.display().to_string();
        cx.out.say(format!("what was there before is in {}", print::line(&aside)));
    }
    for name in &restored.files {
        cx.out.say(format!("written: {}", print::line(name)));
    }
    cx.out.say("the next start takes a new lease, and looks at the share for what happened since");
    Ok(exit::DONE)
}
