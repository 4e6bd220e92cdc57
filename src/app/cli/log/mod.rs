//! `lanpost log`: what happened here, message by message and otherwise; and whether anybody changed that.
//! Exit codes: 0, 2, 3 (no config, no such file), 6 (`verify` found that the log is not as it was written).

mod export;
mod head;
mod verify;

use super::since::Moment;
use super::{Cx, exit};
use crate::app::print;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::ledger::Line;
use crate::model::name::Address;
use crate::store::db::LogFilter;

/// Entries that people are shown unless they say otherwise.
const LIMIT: usize = 50;
/// Columns of any cell but the last.
const CELL: usize = 40;

/// Show what happened here, newest last; prove that nobody changed it
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    lanpost log --peer lab --since 2h\n  \
    lanpost log --events --json | jq -r '.[] | \"\\(.at) \\(.what) \\(.detail)\"'\n  \
    lanpost log head > head.txt; lanpost log verify --expect \"$(cat head.txt)\"\n  \
    lanpost log export --since 30d > log.jsonl; lanpost log verify --file log.jsonl")]
pub struct Args {
    #[command(subcommand)]
    deed: Option<Deed>,
    /// Only of the messages whose id begins so
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// Only of this peer's messages, or about it
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    #[command(flatten)]
    since: Since,
    /// Only what happened to the instance: leases, the share, what was set aside, backups
    #[arg(long)]
    events: bool,
    /// At most so many, the newest [default: 50 for people, all with --json]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(clap::Subcommand, Debug)]
enum Deed {
    Verify(verify::Args),
    Export(export::Args),
    Head(head::Args),
}

/// From when on.
#[derive(clap::Args, Clone, Debug)]
struct Since {
    /// Only what is not older: a duration (2h), or a time (2026-02-14, 2026-02-14T10:40:00Z)
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<Moment>,
}

impl Since {
    /// As wall-clock milliseconds.
    fn ms(&self, node: &Node) -> Option<i64> {
        self.since.map(|since| since.ms(node.clock.wall_ms()))
    }
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    match args.deed {
        Some(Deed::Verify(args)) => return verify::run(&args, cx),
        Some(Deed::Export(args)) => return export::run(&args, cx),
        Some(Deed::Head(_)) => return head::run(cx),
        None => {}
    }
    let node = cx.open()?;
    let peer = |name: String| name.parse::<Address>().map_or(name, |address| address.instance.fold());
    let filter = LogFilter {
        since: args.since.ms(&node),
        message: args.message,
        peer: args.peer.map(peer),
        events: args.events,
        limit: args.limit.or((!cx.json).then_some(LIMIT)),
    };
    let lines = ops::log(&node, &filter)?;
    if cx.json {
        cx.out.array(&lines)?;
        return Ok(exit::DONE);
    }
    let heading = cx.out.heading(["N", "TIME", "WHAT", "WHOSE", "MESSAGE", "DETAIL"]);
    let rows: Vec<_> = std::iter::once(heading).chain(lines.iter().map(row)).collect();
    for line in print::table(&rows, CELL, cx.out.columns) {
        cx.out.line(line);
    }
    Ok(exit::DONE)
}

fn row(line: &Line) -> [String; 6] {
    let word = |text: &Option<String>| print::line(text.as_deref().unwrap_or_default()).into_owned();
    let arrow = match line.way.as_deref() {
        Some("in") => "from ",
        Some("out") => "to ",
        _ => "",
    };
    [
        line.n.to_string(),
        print::local_time(&line.at),
        word(&line.what),
        format!("{arrow}{}", word(&line.peer)),
        word(&line.id),
        word(&line.detail),
    ]
}
