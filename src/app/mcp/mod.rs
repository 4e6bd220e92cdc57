//! The mailbox as tools for an agent: the Model Context Protocol over standard input and output, by the official SDK.
//!
//! Each tool is a skin on [`engine::ops`](crate::engine::ops), as the commands are, and shares with them how mail is sent on its
//! way, waited for and shown. A call opens the node anew, as a command does, so a server that lives for weeks sees a changed
//! config and a restored store; what takes time runs on a thread of its own, and ends when its caller gives up.
//!
//! Architecture invariant: standard output is the protocol's alone. Architecture invariant: words of others reach the agent
//! behind `|`, or as fields of JSON, and in nothing that is ours: no description, no id ([`shown`]).
//!
//! A crash, or a kill, leaves what a killed command leaves: what was stored goes out by itself, and what was waited for is mail.

mod ask;
mod call;
mod look;
mod mail;
mod pipe;
mod resources;
mod schema;
mod server;
mod shown;
mod steps;
mod tasks;
mod tools;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rmcp::service::ServiceExt;

use crate::app::cli::args::Speaker;
use crate::app::locate;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::sys::clock::SystemClock;

use call::Desk;
use server::Server;

/// For how long calls that are at work when standard input ends may go on.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until standard input ends.
///
/// # Errors
/// There is no config, no store, no such agent; the machine can't do it.
pub fn serve(config: Option<PathBuf>, speaker: Speaker) -> Result<()> {
    let (loaded, _) = locate::load(config.as_deref())?;
    let node = Node::open(loaded, Arc::new(SystemClock::new()))?;
    let agent = speaker.resolve(&node)?;
    let words = server::instructions(node.instance(), agent.as_ref(), node.daemon_runs());
    drop(node);
    let ended = Arc::new(AtomicBool::new(false));
    let server = Server::new(Desk::new(config, speaker, ended.clone()), words);
    let fail = |error: &dyn std::fmt::Display| Error::new(Kind::Io, "serve the tools", "", error);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| fail(&error))?;
    runtime.block_on(async {
        // Who closes its end before it said anything has only looked whether we start.
        if let Ok(running) = server.serve(pipe::standard(ended)).await {
            let _ = running.waiting().await;
        }
    });
    // A pass that hangs with its share holds nobody up: its thread ends with the process.
    runtime.shutdown_timeout(GRACE);
    Ok(())
}
