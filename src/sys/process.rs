//! This process and this PC, for people who read a heartbeat or a lock's note.

use std::path::PathBuf;

use super::platform;

/// The PC's name.
pub fn host_name() -> String {
    platform::host_name()
}

/// This process.
pub fn id() -> u32 {
    std::process::id()
}

/// The path of this program.
pub fn executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("lanpost"))
}
