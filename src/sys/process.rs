//! This process, this PC, and children that must not outlive their deadline.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{dirs, files, platform};
use crate::model::shell::Shell;

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

/// The shell that a person types into here.
pub fn shell() -> Shell {
    if std::path::is_separator('\\') { Shell::Windows } else { Shell::Posix }
}

/// How this program is called on a command line for the instance whose config is `file`: by its name alone if that lies
/// where it is looked for.
pub fn called(file: &Path) -> String {
    let file = files::absolute(file);
    if dirs::config_file().is_some_and(|usual| usual == file) {
        return "lanpost".to_owned();
    }
    shell().line(&[OsStr::new("lanpost"), OsStr::new("--config"), file.as_os_str()])
}

/// The number of the user who runs this process; `None` where users have no numbers.
pub fn user() -> Option<u32> {
    platform::user()
}

/// The name of a user, or the number again if it has none.
pub fn user_name(number: u32) -> String {
    let asked = Command::new("id").args(["-nu", &number.to_string()]).output();
    let name =
        asked.ok().filter(|done| done.status.success()).and_then(|done| String::from_utf8(done.stdout).ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or(number.to_string())
}

/// Whether there is a user of this name or number; `None` if that can't be asked.
pub fn knows_user(name: &str) -> Option<bool> {
    Some(Command::new("id").args(["-u", "--", name]).output().ok()?.status.success())
}

/// Prepares a child so that [`kill_tree`] can end it with all it started. What systemd says to us is not for it; nor is
/// that an agent's exec started us, if one did: OpenClaw's CLI refuses to work where it is set.
pub fn isolate(command: &mut Command) {
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "OPENCLAW_SHELL"] {
        command.env_remove(variable);
    }
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

/// An isolated child and all it started, which is ended when this is dropped.
#[derive(Debug)]
pub struct Tree(Option<u32>);

impl Tree {
    /// The tree of a child with this number, if it still has one.
    pub fn of(pid: Option<u32>) -> Tree {
        Tree(pid)
    }

    /// Ends it now.
    pub fn kill(&self) {
        if let Some(pid) = self.0 {
            kill_tree(pid);
        }
    }

    /// The child has ended by itself; what it left running goes on.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.kill();
    }
}
