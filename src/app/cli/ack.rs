//! `lanpost ack`: finishes messages, all or none. Exit codes: 0, 2 (finished before, in the other way), 3 (no such id).

use super::look::refresh;
use super::{Cx, exit};
use crate::engine::ops;
use crate::error::Result;

/// Say that messages are processed, or with --failed that they can't be; their senders are told
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost ack 018f2b3c-4d5e\n  \
    lanpost ack 018f2b3c-4d5e 018f2b3c-9a01 --failed \"no such branch\"")]
pub struct Args {
    /// Their ids, or prefixes that only they have
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// They can't be done, and why
    #[arg(long, value_name = "REASON")]
    failed: Option<String>,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let done = ops::ack(&mut node, &args.ids, args.failed.as_deref())?;
    if cx.json {
        cx.out.array(&done)?;
    } else {
        for message in &done {
            cx.out.line(format!("acknowledged {} ({})", message.id, message.state));
        }
    }
    refresh(cx, &mut node, "ack");
    Ok(exit::DONE)
}
