//! `lanpost wait`: blocks until unread mail is there. Exit codes: 0 there is, 4 none came in time.
//!
//! Mail that was there before counts, reports about what was refused do not. It is listed, not read: the next `wait` returns at once until `read` or `ack`.

use std::time::Duration;

use super::listing::{self, Which};
use super::look::{Watch, refresh};
use super::{Cx, exit};
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::{Error, Kind, Result};
use crate::model::config::parse_duration;
use crate::store::db::{Filter, Message};

/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(20);

/// Wait until there is unread mail, then list it; without --timeout for ever
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost wait --timeout 5m && lanpost inbox\n  \
    lanpost wait --from lab --json | jq -r '.[0].id'")]
pub struct Args {
    /// Give up after this long, as in 5m, with exit code 4
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    which: Which,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let since = node.clock.now();
    let told = refresh(cx, &mut node, "wait");
    let mut watch = Watch::new(&node, "wait", STEP)?.told(told);
    // Nothing becomes unread but by arriving, so after the first look only what is new matters.
    let mut after = 0;
    loop {
        let newest = node.db.last_row()?;
        let (unread, awaited) = unread(&args.which, &node, after)?;
        if !unread.is_empty() {
            if cx.json {
                cx.out.array(&unread)?
            } else {
                listing::table(cx, &unread)
            }
            return Ok(exit::DONE);
        }
        // What an `ask` waits for becomes mail if that gives up, without a change that could be seen.
        after = if awaited { after } else { newest };
        loop {
            if args.timeout.is_some_and(|timeout| node.clock.now().saturating_sub(since) >= timeout) {
                if cx.json {
                    cx.out.array::<Message>(&[])?;
                }
                return Err(Error::new(Kind::Timeout, "wait for mail", "", "the time is over and none came"));
            }
            if watch.step(cx, &mut node)? || awaited {
                break;
            }
        }
    }
}

/// How many messages are looked at, the newest: who waits is told that there is mail, not all of it.
const LISTED: usize = 1_000;

/// The unread mail after this row; and whether there is some for which somebody else waits.
fn unread(which: &Which, node: &Node, after: i64) -> Result<(Vec<Message>, bool)> {
    let filter = Filter {
        from: which.peer(),
        thread: which.thread.clone(),
        after,
        limit: Some(LISTED),
        ..Filter::default()
    };
    let (mut unread, awaited) = ops::unread(node, &filter)?;
    listing::keep(&mut unread, which.agent().as_ref());
    Ok((unread, awaited))
}
