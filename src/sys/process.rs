//! This process, this PC, and children that must not outlive their deadline.

use std::path::PathBuf;
use std::process::Command;

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

/// Whether programs here take what comes out of a pipe for UTF-8; else only ASCII is safe.
pub fn pipes_are_utf8() -> bool {
    platform::PIPES_ARE_UTF8
}

/// Prepares a child so that [`kill_tree`] can end it with all it started.
pub fn isolate(command: &mut Command) {
    platform::isolate(command);
}

/// Ends an isolated child and all it started.
pub fn kill_tree(pid: u32) {
    platform::kill_tree(pid);
}

/// Asks another process of ours to stop; where that can't be done, ends it.
pub fn terminate(pid: u32) {
    platform::terminate(pid);
}
