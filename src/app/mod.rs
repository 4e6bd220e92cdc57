//! Floor 5: the faces of the crate on this machine: the daemon, and the commands of `lanpost`.
//!
//! Architecture invariant: a command parses, calls one operation of the engine, prints; the rules are below.
//! Architecture invariant: standard output carries answers alone; notes, errors and logs go to standard error.

pub mod cli;
pub mod daemon;
pub mod demo;
pub mod locate;
pub mod log;
pub mod pass;
pub mod print;
mod pulse;
pub mod share;
mod shell;
mod signal;
