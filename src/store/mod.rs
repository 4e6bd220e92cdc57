//! Floor 2: durable things. On the share: lanes, open slots, leases, heartbeats, the identity. Here: the database.
//!
//! Blocking, without threads and without policy: what to do, and when, is the engine's.

pub mod access;
pub mod claim;
pub mod claims;
pub mod db;
pub mod identity;
pub mod key;
pub mod lane;
pub mod lease;
pub mod page;
pub mod probe;
pub mod seal;
pub mod share_clock;
pub mod slot;
pub mod tail;
