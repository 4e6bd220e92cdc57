//! The machines of the script `bench`, as values. Dropped, they are switched off and their disks are gone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// How a share is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Smb,
    Nfs,
}

impl Kind {
    /// The word for it, which is its mount point below `/mnt`, too.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Smb => "smb",
            Kind::Nfs => "nfs",
        }
    }
}

/// The server S and the clients A and B.
pub struct Bench {
    script: PathBuf,
}

impl Bench {
    /// Switches everything on.
    pub fn up() -> Outcome<Bench> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shares/bench");
        let bench = Bench { script };
        bench.renew()?;
        Ok(bench)
    }

    /// New machines with empty disks.
    pub fn renew(&self) -> Outcome<()> {
        self.order(&["up"]).map(drop)
    }

    /// Runs an order of the script; returns what it prints.
    pub fn order(&self, words: &[&str]) -> Outcome<String> {
        let done = Command::new(&self.script).args(words).output()?;
        if !done.status.success() {
            let (said, told) = (String::from_utf8_lossy(&done.stderr), String::from_utf8_lossy(&done.stdout));
            return Err(format!(
                "bench {}: {}: {}{}",
                words.join(" "),
                done.status,
                said.trim(),
                told.trim()
            )
            .into());
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// Runs a shell command on `machine`.
    pub fn on(&self, machine: &str, command: &str) -> Outcome<String> {
        self.order(&["run", machine, command])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = self.order(&["down"]) {
            eprintln!("shares: {error}");
        }
    }
}
