//! lanpost turns a shared folder (SMB, NFS, any folder that several PCs can see) into a post office for AI agents.
//!
//! Each PC runs one daemon for its instance. Agents hand messages to the local store; the daemon moves them through
//! append-only files on the share and wakes the agent at the other end. No server runs anywhere.
//!
//! ```text
//! app      5  daemon (tokio), config loading, the command line
//! adapt    4  edges: notifications, wake by command, signals, services
//! engine   3  behaviour: looks, intake, delivery, wakes, heartbeats; ops: one function per thing a user can do
//! store    2  durable things: lanes, slots, leases on the share; the database here
//! sys      1  the seam: trait Share with disk and memory, Clock, local files, locks, platforms
//! model    0  values and rules: no I/O, no clock
//! ```
//! A file uses its own floor and those below; `tests/it/layers.rs` proves it.
//!
//! Architecture invariant: one writer per lane. Nobody appends to another instance's lane; answers go into one's own.
//! Architecture invariant: on the share nothing is edited in place: append, or write beside and rename.
//! Architecture invariant: losing every lock loses no message and repeats none: `receive` drops known ids.
//! Architecture invariant: an event carries no information, only a look does; no time from another PC decides anything.
//! Architecture invariant: a reader never fails on what it does not know; it reports it and steps over it.
//! Architecture invariant: nothing on the share is executed, and no name from it is a path before `model::layout`
//! parsed it.
//!
//! To use it as a library, open a [`engine::node::Node`], call [`engine::ops`], and let an [`engine::Engine`] move the
//! mail; `examples/two_instances.rs` does it in memory.

#![warn(missing_docs)]

pub mod adapt;
pub mod app;
pub mod engine;
pub mod error;
pub mod model;
pub mod store;
pub mod sys;
