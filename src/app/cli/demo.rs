//! `lanpost demo`: two instances on a temporary folder, which is gone afterwards. Exit codes: 0, 1, 4.
//!
//! `lanpost demo-agent` is the agent that it wakes: mail in on standard input, answers out. Nobody else needs it.

use super::{Cx, exit};
use crate::app::{self, locate};
use crate::error::Result;

/// Show two instances exchange mail on a temporary folder; needs no setup, leaves nothing behind
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lanpost demo")]
pub struct Args {}

/// Play the agent of the demonstration
#[derive(clap::Args, Debug)]
#[command(hide = true, after_help = "Example:\n  lanpost demo starts it")]
pub struct AgentArgs {}

pub fn run(cx: &mut Cx) -> Result<u8> {
    app::demo::demo(&mut cx.out)?;
    Ok(exit::DONE)
}

pub fn agent(cx: &mut Cx) -> Result<u8> {
    let (config, _) = locate::load(cx.config.as_deref())?;
    app::demo::agent(config, &mut std::io::stdin().lock())?;
    Ok(exit::DONE)
}
