//! Floor 3: behaviour. [`ops`] has one function per thing a user can do; [`Engine`] moves mail, step by step.
//!
//! ```text
//! faces --ops--> local store --Engine--> share        out
//! share --Engine--> local store --wake--> agent       in
//! ```
//! Architecture invariant: ops (but `doctor`) never touch the share and the engine never touches a face; they meet in the store.
//! Architecture invariant: nothing here names a clock, a thread, a file or tokio; time comes in as an argument.

mod beat;
mod claims;
pub mod condition;
mod contents;
pub mod courier;
mod deliver;
mod due;
pub mod envoy;
pub mod exec;
mod gate;
mod hint;
pub mod intake;
pub mod listening;
pub mod login;
mod mend;
mod muster;
pub mod node;
mod offers;
pub mod ops;
pub mod porter;
pub mod pulse;
mod quota;
mod recall;
mod receive;
pub mod reception;
mod slip;
pub mod stall;
mod step;
mod sweep;
mod tails;
mod tasks;
mod tenure;
pub mod wake;

pub use hint::{Action, Hints, Mounted, Role, Step};
pub use step::Engine;
