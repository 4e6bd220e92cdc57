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
    let unread = wait(cx, &mut node, &args.which, args.timeout)?;
    match cx.json {
        true => cx.out.array(&unread)?,
        false if unread.is_empty() => {}
        false => listing::table(cx, &unread),
    }
    match unread.is_empty() {
        true => Err(Error::new(Kind::Timeout, "wait for mail", "", "the time is over and none came")),
        false => Ok(exit::DONE),
    }
}

/// Waits until there is unread mail; none: there is none in time.
///
/// # Errors
/// Nobody waits for it any more; the local store's.
pub fn wait(cx: &mut Cx, node: &mut Node, which: &Which, timeout: Option<Duration>) -> Result<Vec<Message>> {
    let since = node.clock.now();
    let told = refresh(cx, node, "wait");
    let mut watch = Watch::new(node, "wait", STEP)?.told(told);
    // Nothing becomes unread but by arriving, so after the first look only what is new matters.
    let mut after = 0;
    loop {
        let newest = node.db.last_row()?;
        let (unread, awaited) = unread(which, node, after)?;
        if !unread.is_empty() {
            return Ok(unread);
        }
        // What an `ask` waits for becomes mail if that gives up, without a change that could be seen.
        after = if awaited { after } else { newest };
        loop {
            if timeout.is_some_and(|timeout| node.clock.now().saturating_sub(since) >= timeout) {
                return Ok(vec![]);
            }
            if watch.step(cx, node)? || awaited {
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
