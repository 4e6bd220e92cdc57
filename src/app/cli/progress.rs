//! `lanpost progress`: tells whoever asked how far their request is. Exit codes: 0 stored, 2 (no open request), 3.

use super::args::{Body, Speaker};
use super::send::{dispatch, show};
use super::{Cx, exit};
use crate::engine::ops;
use crate::error::Result;

/// Tell whoever asked how far their request is; wakes nobody, and shows where they wait
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost progress 018f2b3c-4d5e \"tests pass, packing\"\n  \
    make 2>&1 | tail -1 | lanpost progress 018f2b3c-4d5e -")]
pub struct Args {
    /// The request's id, or a prefix that only it has
    id: String,
    #[command(flatten)]
    body: Body,
    #[command(flatten)]
    speaker: Speaker,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let agent = args.speaker.resolve(&node)?;
    let content = args.body.content(cx, node.config.limits.message.0)?;
    let author = args.speaker.author(&node);
    let note = ops::progress(&mut node, &args.id, content, agent, author)?;
    let sent = dispatch(cx, &mut node, note, "progress")?;
    show(cx, &sent)?;
    Ok(exit::DONE)
}
