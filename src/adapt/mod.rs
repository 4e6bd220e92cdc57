//! Floor 4: edges. Each adapter joins the engine to one thing outside; adapters do not know each other.

pub mod exec;
pub mod service;
pub mod signals;
pub mod wake;
pub mod watch;
