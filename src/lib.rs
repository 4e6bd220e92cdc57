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
//! # As a library
//!
//! Open a [`Node`]. It and what this page lists below it are the library, and follow semantic versioning. The modules are
//! the workings, public for this project's own tests and for [`Node::core`]; they may change with any version.
//!
//! A program that answers whatever comes, with the daemon running within it:
//!
//! ```
//! use std::time::Duration;
//! use lanpost::{Config, Draft, Filter, Node};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # std::fs::create_dir(folder.path().join("share"))?;
//! let config = Config::new("lab".parse()?, folder.path().join("share"), folder.path().join("lab"));
//! let mut lab = Node::create(config)?;
//! let daemon = lab.start()?;
//!
//! # lab.send(Draft::new("lab".parse()?, "to myself"))?;
//! for mail in lab.wait(&Filter::default(), Duration::from_secs(60))? {
//!     let mail = lab.read(mail.id.as_str())?;
//!     println!("{}: {}", mail.from, mail.content);
//!     lab.ack(&[mail.id.to_string()])?;
//! }
//! daemon.stop()?;
//! # Ok(())
//! # }
//! ```
//! `examples/embed.rs` asks and answers; `docs/library.md` says what to know.

#![warn(missing_docs)]

pub mod adapt;
pub mod app;
pub mod engine;
pub mod error;
pub mod model;
pub mod store;
pub mod sys;

pub use app::node::{Asked, Daemon, Executed, Node};
pub use engine::ops::{
    Attached, Author, Broadcasted, Call, Conversation, DeadLetter, Draft, Exported, Fetched, FetchedFile,
    Found, Hit, Imported, LeftOut, NewTask, News, PeerView, Post, RouteView, Said, Say, ShareView, Shown,
    Status, Taken, TaskEdit, TaskStep, TaskView, Trace, TrustView, Which,
};
pub use error::{Error, Kind, Result};
pub use model::attachment::Attachment;
pub use model::config::Config;
pub use model::envelope::Priority;
pub use model::exec::{Answer as ExecAnswer, Status as ExecStatus};
pub use model::group::{Broadcast, Group, Meant, Recipient};
pub use model::id::MessageId;
pub use model::name::{Address, Name};
pub use model::presence::Presence;
pub use model::role::Role;
pub use model::route::Route;
pub use model::state::State;
pub use model::task::{
    Edit as TaskChange, Holder as TaskHolder, Progress as TaskProgress, Standing as TaskStanding,
    Status as TaskStatus, Task, TaskId,
};
pub use model::trust::{Standing as KeyStanding, Verdict};
pub use store::db::{Filter, Message, PinView, RefusedCount, Scope, Transition, Way};
