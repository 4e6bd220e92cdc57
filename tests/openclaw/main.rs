//! lanpost and real OpenClaw gateways: `tests/openclaw/run` installs them and runs this, in a network of its own.
//!
//! Two PCs share a folder; each has a gateway of the npm package and a daemon. Nothing is made up but the model
//! (`model.rs`), so a case sees each turn of an agent as its model does. The cases run one at a time.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests make files, wait and look at clocks where src/ may not")]

mod clerk;
mod gateway;
mod model;
mod office;
#[path = "../it/common/process.rs"]
#[allow(dead_code, reason = "the other suites need the rest")]
mod process;
mod setup;
mod trouble;
mod turns;
