//! Adapters that wake an agent. Each takes a [`WakeOrder`](crate::engine::wake::WakeOrder) and says how it went.

pub mod command;
