//! Floor 4: edges. Each adapter joins the engine to one thing outside; adapters do not know each other,
//! but share what stands in `program`.

pub mod exec;
pub mod program;
pub mod service;
pub mod signals;
pub mod wake;
pub mod watch;
