//! `lanpost inbox`: lists mail, and consumes none. Exit codes: 0, 2, 3 (no config), 1.
//!
//! `--follow` shows what is there, then what comes, until it is stopped or nobody reads any more.

use std::time::Duration;

use super::listing::{self, Which};
use super::look::{Watch, refresh};
use super::{Cx, exit};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::store::db::{Filter, Message};

/// How many messages people are shown if they don't say.
const SHOWN: usize = 50;
/// The time between two glances at the local store.
const STEP: Duration = Duration::from_millis(50);

/// List the mail that waits: unread and read, not what is done; listing changes nothing
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lanpost inbox --from lab\n  \
    lanpost inbox --json | jq -r '.[].content'\n  \
    lanpost inbox --follow --limit 0 --json")]
pub struct Args {
    /// Also what was processed, failed or expired
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// Go on and print new mail as it comes (with --json one object a line)
    #[arg(long)]
    follow: bool,
    /// At most so many, the newest [default: 50; with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List instead the mail that waits to be released
    #[arg(long, conflicts_with_all = ["all", "follow"])]
    held: bool,
    /// List instead the mail that is put off until its time comes
    #[arg(long, conflicts_with_all = ["all", "follow", "held"])]
    snoozed: bool,
    /// List instead the lines that could not be parsed, or were not from whom they name, and were set aside
    #[arg(long, conflicts_with_all = ["all", "from", "thread", "follow", "held", "snoozed"])]
    quarantine: bool,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    let mut node = cx.open()?;
    let told = refresh(cx, &mut node, "inbox");
    if args.quarantine {
        return quarantine(args.limit, cx, &node);
    }
    let watch = Watch::new(&node, "inbox", STEP)?.told(told);
    let newest = node.db.last_row()?;
    let messages = list(&args, cx, &node)?;
    if !args.follow {
        return Ok(exit::DONE);
    }
    let after = messages.last().map_or(newest, |message| message.n.max(newest));
    follow(&args, cx, &mut node, watch, after)
}

/// Prints what is there.
fn list(args: &Args, cx: &mut Cx, node: &Node) -> Result<Vec<Message>> {
    let limit = args.limit.or((!cx.json).then_some(SHOWN));
    let agent = args.which.agent();
    let filter = Filter {
        all: args.all,
        held: args.held,
        snoozed: args.snoozed,
        from: args.which.peer(),
        thread: args.which.thread.clone(),
        ..Filter::default()
    };
    let (messages, older) = listing::newest(node, filter, agent.as_ref(), limit)?;
    match (cx.json, args.follow) {
        (true, true) => listing::more(cx, &messages)?,
        (true, false) => cx.out.array(&messages)?,
        (false, _) if messages.is_empty() && !older && !args.follow => cx.out.say("inbox is empty"),
        (false, _) => {
            listing::table(cx, &messages);
            if older && args.limit.is_none() {
                let count = older_in_all(args, node, messages.len())?;
                cx.note(&match count {
                    Some(count) => format!("{count} older ones are not shown: --limit N shows more"),
                    None => "older messages are not shown: --limit N shows more".to_owned(),
                });
            }
        }
    }
    cx.out.flush();
    Ok(messages)
}

/// How many are not shown; `None` if only a longer search could tell.
fn older_in_all(args: &Args, node: &Node, shown: usize) -> Result<Option<u64>> {
    if args.which.from.is_some() || args.which.thread.is_some() || args.held || args.snoozed {
        return Ok(None);
    }
    let counts = node.db.counts()?;
    let open = |state: &str| matches!(state, "delivered" | "read");
    let asked = counts.iter().filter(|(way, state, _)| way == "in" && (args.all || open(state)));
    let total: u64 = asked.map(|(_, _, count)| count).sum();
    Ok(Some(total.saturating_sub(shown as u64)).filter(|count| *count > 0))
}

/// Prints what comes, row by row.
fn follow(args: &Args, cx: &mut Cx, node: &mut Node, mut watch: Watch, mut after: i64) -> Result<u8> {
    let agent = args.which.agent();
    let mut awaited = false;
    while !cx.out.is_shut() {
        if !watch.step(cx, node)? && !awaited {
            continue;
        }
        let filter = Filter {
            all: args.all,
            held: false,
            snoozed: false,
            from: args.which.peer(),
            thread: args.which.thread.clone(),
            after,
            limit: None,
        };
        let mut messages = ops::inbox(node, &filter)?;
        // What an `ask` waits for is mail only if that gives up; what came after it waits, too, to stay in order.
        let mut mail = 0;
        while mail < messages.len() && (args.all || !ops::is_awaited(node, &messages[mail])?) {
            mail += 1;
        }
        awaited = mail < messages.len();
        messages.truncate(mail);
        after = messages.last().map_or(after, |message| message.n);
        listing::keep(&mut messages, agent.as_ref());
        listing::more(cx, &messages)?;
    }
    Ok(exit::DONE)
}

fn quarantine(limit: Option<usize>, cx: &mut Cx, node: &Node) -> Result<u8> {
    let found = ops::quarantine(node, limit.unwrap_or(if cx.json { usize::MAX } else { SHOWN }))?;
    if cx.json {
        cx.out.array(&found)?;
    } else if found.is_empty() {
        cx.out.say("nothing was set aside");
    }
    for entry in found.iter().filter(|_| !cx.json) {
        let (at, source) = (print::local_time(&entry.at), print::line(&entry.source));
        let reason = print::line(&entry.reason);
        cx.out.say(format!("{at}  {source}, byte {}, {} bytes: {reason}", entry.offset, entry.length));
        let start = entry.raw.get(..entry.raw.len().min(1_000)).unwrap_or_default();
        let raw = String::from_utf8_lossy(start);
        cx.out.line(format!(
            "    {}",
            print::cut(&print::line(raw.trim_end()), cx.out.columns.saturating_sub(4))
        ));
    }
    Ok(exit::DONE)
}
