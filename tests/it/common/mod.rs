//! What the suites share: a share that counts, one that lies, and instances that are stepped by hand.
#![allow(dead_code, reason = "each suite uses what it needs")]

pub mod agent;
pub mod counting;
pub mod faulty;
pub mod hanging;
pub mod pair;
pub mod process;
pub mod server;

pub use counting::Verb;
pub use faulty::Fault;
pub use pair::{Pair, Site, name, texts};
