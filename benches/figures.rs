//! Every figure of the README, from one command: `cargo bench --bench figures`.
//!
//! Prints a Markdown table. Each figure stands beside its physical limit: the same work done raw, in the same folder,
//! by as many writers, just as durable, measured in the same run before and after it; medians of a few repetitions.
//! After `--`: `latency`, `direct`, `throughput`, `operations`, `idle`, `backlog`, `signatures`, `search`, `files`, `mcp` run one part each;
//! `--quick` runs everything small, in seconds, to see that it works: its figures say little. The folder is `TMPDIR`'s.

#![allow(clippy::disallowed_methods, reason = "a bench measures time and makes files")]

#[path = "figures/agent.rs"]
mod agent;
#[path = "figures/backlog.rs"]
mod backlog;
#[path = "../tests/it/common/counting.rs"]
mod counting;
#[path = "figures/direct.rs"]
mod direct;
#[path = "figures/files.rs"]
mod files;
#[path = "figures/idle.rs"]
mod idle;
#[path = "figures/latency.rs"]
mod latency;
#[path = "figures/mcp.rs"]
mod mcp;
#[path = "figures/metered.rs"]
mod metered;
#[path = "figures/operations.rs"]
mod operations;
#[path = "figures/peers.rs"]
mod peers;
#[path = "figures/raw.rs"]
mod raw;
#[path = "figures/search.rs"]
mod search;
#[path = "figures/signatures.rs"]
mod signatures;
#[path = "figures/stage.rs"]
mod stage;
#[path = "figures/table.rs"]
mod table;
#[path = "figures/throughput.rs"]
mod throughput;

use std::process::ExitCode;

use table::Table;

/// What fails a part: any error, told in words.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

type Part = fn(quick: bool, table: &mut Table) -> Outcome<()>;
const PARTS: [(&str, Part); 10] = [
    ("latency", latency::run),
    ("direct", direct::run),
    ("throughput", throughput::run),
    ("operations", operations::run),
    ("idle", idle::run),
    ("backlog", backlog::run),
    ("signatures", signatures::run),
    ("search", search::run),
    ("files", files::run),
    ("mcp", mcp::run),
];

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, rest @ ..] = arguments.as_slice()
        && let Some(code) = raw::play(role, rest)
    {
        return code;
    }
    // Cargo says that this is a bench.
    arguments.retain(|argument| argument != "--bench");
    let quick = arguments.iter().any(|argument| argument == "--quick");
    arguments.retain(|argument| argument != "--quick");
    if let Some(unknown) = arguments.iter().find(|argument| PARTS.iter().all(|(name, _)| name != argument)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        eprintln!("{unknown:?} is no part; there are {names}, and --quick");
        return ExitCode::from(2);
    }
    let mut table = Table::begin(quick);
    for (name, part) in PARTS {
        if !arguments.is_empty() && !arguments.iter().any(|argument| argument == name) {
            continue;
        }
        eprintln!("figures: {name} …");
        if let Err(error) = part(quick, &mut table) {
            eprintln!("figures: {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    table.print();
    ExitCode::SUCCESS
}
