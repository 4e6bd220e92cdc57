//! `lanpost log export`: the log as JSON lines, which prove themselves wherever they are taken.

use super::{Cx, Since, exit};
use crate::engine::ops;
use crate::error::{Error, Kind, Result};

/// Print the log as JSON lines, which `verify --file` checks on any PC
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost log export > log.jsonl\n  \
    lanpost log export --since 2026-02-01 > february.jsonl")]
pub struct Args {
    #[command(flatten)]
    since: Since,
}

pub fn run(args: &Args, cx: &mut Cx) -> Result<u8> {
    let node = cx.open()?;
    ops::export_log(&node, args.since.ms(&node), &mut |row| {
        if cx.out.is_shut() {
            return Err(Error::new(Kind::Io, "export", "the log", "nobody reads it"));
        }
        cx.out.json(&row)
    })
    .or_else(|error| if cx.out.is_shut() { Ok(()) } else { Err(error) })?;
    Ok(exit::DONE)
}
