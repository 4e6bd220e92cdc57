//! Floor 5: the faces of the crate on this machine: the daemon, and the commands of `lanpost`.
//!
//! Architecture invariant: a command parses, calls one operation of the engine, prints; the rules are below.
//! Architecture invariant: standard output carries answers alone; notes, errors and logs go to standard error.

mod addresses;
mod asker;
pub mod cli;
pub mod daemon;
pub mod demo;
mod direct;
mod door;
pub mod locate;
pub mod log;
mod mcp;
pub mod node;
pub mod openclaw;
pub mod pass;
mod porter;
pub mod print;
pub mod share;
mod shell;
mod signal;
pub mod tongue;
