//! Floor 0: values and rules. No I/O, no clock, no randomness; everything here is a function of its arguments.

pub mod config;
pub mod json;
pub mod name;
pub mod text;
