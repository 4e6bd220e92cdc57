//! Routes under fault: `tests/routes/run` runs this, as root, in a network of its own.
//!
//! Two daemons sit in two network namespaces, with one cable between them and one shared folder. The cable fails in every
//! way while mail flows both ways: nothing is lost, nothing comes twice, each sender's order stays, and the share takes
//! over in time, by what the daemons themselves wrote down.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests make files, wait and look at clocks where src/ may not")]

mod addresses;
mod faults;
mod link;
#[path = "../it/common/process.rs"]
#[allow(dead_code, reason = "the other suites need the rest")]
mod process;
mod sender;
