//! `lanpost release`: lets held mail in. Exit codes: 0, 2 (it is not held), 3 (no such message).

use super::{Cx, exit};
use crate::engine::ops;
use crate::error::Result;

/// Let a message in that the config's policy held back; its agent is woken
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lanpost inbox --held\n  lanpost release 018f2b3c-4d5e")]
pub struct Args {
    /// Its id, or a prefix that only it has
    id: String,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let message = ops::release(&mut node, &args.id)?;
    if cx.json {
        cx.out.json(&message)?;
    } else {
        cx.out.say(format!("released {}", message.id));
    }
    Ok(exit::DONE)
}
