//! `lanpost mcp`: the tools of an agent, over standard input and output. Exit codes: 0 once whoever started it has closed
//! standard input; 2 and 3 as of any command, before it begins.
//!
//! Standard output is the protocol's alone, so `--json` changes nothing.

use super::args::Speaker;
use super::{Cx, exit};
use crate::app::mcp;
use crate::error::Result;

/// Serve this mailbox to an agent as tools, by the Model Context Protocol over standard input and output
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    claude mcp add lanpost -- lanpost mcp\n  \
    codex mcp add lanpost -- lanpost mcp --as main\n  \
    openclaw mcp add lanpost --command lanpost --arg mcp\n\
    The program that uses the tools starts it, and ends it by closing its standard input: docs/mcp.md.")]
pub struct Args {
    #[command(flatten)]
    speaker: Speaker,
}

pub fn run(args: Args, cx: &mut Cx) -> Result<u8> {
    mcp::serve(cx.config.clone(), args.speaker)?;
    Ok(exit::DONE)
}
