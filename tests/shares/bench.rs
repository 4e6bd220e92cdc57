//! The machines of the script `bench`, as values. When [`Power`] is dropped they are switched off, their disks gone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// The machines as long as they are on.
pub struct Power {
    pub bench: Bench,
}

impl Power {
    /// Switches everything on.
    pub fn on() -> Outcome<Power> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shares/bench");
        // From here on `down` is run, also if `up` fails half-way.
        let power = Power { bench: Bench { script } };
        power.bench.renew()?;
        Ok(power)
    }
}

/// The server S and the clients A and B.
#[derive(Clone)]
pub struct Bench {
    script: PathBuf,
}

impl Bench {
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

    /// How far a machine's clock is ahead of the host's, in ms: the host's time before and after asking bounds it.
    pub fn clock_ahead(&self, machine: &str) -> Outcome<i64> {
        let host = || -> Outcome<i64> {
            Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
        };
        let mut closest = (i64::MAX, 0);
        for _ in 0..10 {
            let before = host()?;
            let theirs: i64 = self.on(machine, "date +%s%3N")?.trim().parse()?;
            let after = host()?;
            closest = closest.min((after - before, theirs - i64::midpoint(before, after)));
        }
        Ok(closest.1)
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        if let Err(error) = self.bench.order(&["down"]) {
            eprintln!("shares: {error}");
        }
    }
}
