//! An OpenClaw gateway's own config: where it lies, what it says, and what it lacks for our mail to wake its agents.
//!
//! Measured with OpenClaw 2026.9.6. All of it is pure; `app/openclaw` reads and writes.

pub mod edit;
pub mod gateway;
pub mod include;
pub mod mapping;
pub mod place;
pub mod plan;
pub mod text;
