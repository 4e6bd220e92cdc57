//! Floor 0: values and rules. No I/O, no clock, no randomness; everything here is a function of its arguments.

pub mod ascii;
pub mod config;
pub mod elapsed;
pub mod envelope;
pub mod finding;
pub mod heartbeat;
pub mod id;
pub mod identity;
pub mod json;
pub mod layout;
pub mod lease;
pub mod lockfile;
pub mod mount;
pub mod name;
pub mod pace;
pub mod paths;
pub mod presence;
pub mod receipt;
pub mod reconnect;
pub mod report;
pub mod retry;
pub mod sddl;
pub mod secret;
pub mod state;
pub mod text;
pub mod unc;
