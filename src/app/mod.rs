//! Floor 5: the program.

pub mod daemon;
pub mod demo;
pub mod log;
pub mod pass;
