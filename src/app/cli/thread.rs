//! `lanpost thread`: a whole conversation, both directions. Exit codes: 0, 2, 3 (no such message).
//!
//! Looking at it marks nothing read.

use super::listing;
use super::look::refresh;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::ops::{self, Post};
use crate::error::Result;

/// Messages that are shown unless more are asked for.
const LIMIT: usize = 200;
/// Columns of any cell but the last.
const CELL: usize = 32;
/// Steps by which answers are moved to the right, at most.
const STEPS: usize = 6;

/// Show the whole conversation that a message belongs to, sent and received, answers below what they answer
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost thread 018f2b3c-4d5e\n  \
    lanpost thread 018f2b3c-4d5e --json | jq -r '.messages[] | \"\\(.from): \\(.content)\"'")]
pub struct Args {
    /// The id of any of its messages, or a prefix that only it has
    id: String,
    /// At most so many messages, the newest
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    refresh(cx, &mut node, "thread");
    let conversation = ops::thread(&node, &args.id, args.limit)?;
    if cx.json {
        cx.out.json(&conversation)?;
        return Ok(exit::DONE);
    }
    let length = listing::short(conversation.messages.iter().map(|post| &post.message));
    let heading = cx.out.heading(["FROM", "TO", "STATE", "TIME", "ID", "CONTENT"]);
    let rows: Vec<_> =
        std::iter::once(heading).chain(conversation.messages.iter().map(|post| row(post, length))).collect();
    for line in print::table(&rows, CELL.max(length), cx.out.columns) {
        cx.out.line(line);
    }
    if conversation.more {
        cx.note(&format!("older messages are not shown: --limit N shows more than {}", args.limit));
    }
    Ok(exit::DONE)
}

fn row(post: &Post, length: usize) -> [String; 6] {
    let message = &post.message;
    let id = message.id.as_str();
    [
        format!("{}{}", "  ".repeat(post.depth.min(STEPS)), listing::sender(message)),
        print::line(&message.to).into_owned(),
        listing::state(message),
        print::local_time(&message.at),
        id.get(..length).unwrap_or(id).to_owned(),
        print::summary(&message.content),
    ]
}
