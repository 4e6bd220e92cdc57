//! Floor 4: edges. Each adapter joins the engine to one thing outside; adapters do not know each other,
//! but share what stands in `program` and `http`.

pub mod a2a;
pub mod direct;
pub mod exec;
pub mod http;
pub mod program;
pub mod service;
pub mod signals;
pub mod wake;
pub mod watch;
