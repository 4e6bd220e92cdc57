//! `lanpost scheduled`: mail that is to go later. Exit codes: 0, 2, 3 (no config).

use super::listing;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops;
use crate::error::Result;

/// Columns of any cell but the last.
const CELL: usize = 32;

/// List the mail that `send --at` or `send --in` keeps until its time, the soonest first
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost scheduled\n  lanpost scheduled --json | jq -r '.[].not_before'")]
pub struct Args {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    let node = cx.open()?;
    let messages = ops::scheduled(&node)?;
    if cx.json {
        cx.out.array(&messages)?;
        return Ok(exit::DONE);
    }
    if messages.is_empty() {
        cx.out.say("nothing is scheduled");
        return Ok(exit::DONE);
    }
    let length = listing::short(messages.iter());
    let heading = cx.out.heading(["GOES", "TO", "ID", "CONTENT"]);
    let rows = messages.iter().map(|message| {
        [
            print::local_time(message.not_before.as_deref().unwrap_or_default()),
            print::line(&message.to).into_owned(),
            message.id.as_str().get(..length).unwrap_or(message.id.as_str()).to_owned(),
            print::summary(&message.content),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    for line in print::table(&rows, CELL.max(length), cx.out.columns) {
        cx.out.line(line);
    }
    Ok(exit::DONE)
}
