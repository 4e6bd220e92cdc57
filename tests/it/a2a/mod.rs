//! The route `a2a`: mail to a peer's agent through its gateway, which is made up here.

mod acked;
mod gateway;
mod luck;
mod steps;
mod wire;
mod world;
