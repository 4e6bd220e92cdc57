//! A temporary share with instances on it: their configs, nodes, engines, and daemons of this very binary.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::config::{self, Config};
use lanpost::model::name::{Address, Name};
use lanpost::sys::clock::{Clock, SystemClock};
use lanpost::sys::disk::DiskShare;
use lanpost::sys::process;
use lanpost::sys::share::Share;
use tempfile::TempDir;

use crate::Outcome;

/// How long anything may take before the bench gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The folder; gone with it is everything on it.
pub struct Stage {
    folder: TempDir,
    clock: Arc<dyn Clock>,
}

impl Stage {
    /// A share of its own, in real time.
    pub fn new() -> Outcome<Stage> {
        Stage::with_clock(Arc::new(SystemClock::new()))
    }

    /// The same in another time.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Outcome<Stage> {
        let folder = tempfile::Builder::new().prefix("lanpost-figures-").tempdir()?;
        std::fs::create_dir(folder.path().join("share"))?;
        std::fs::create_dir(folder.path().join("raw"))?;
        Ok(Stage { folder, clock })
    }

    /// The share as an instance's engine sees it.
    pub fn share(&self) -> Arc<dyn Share> {
        Arc::new(DiskShare::new(self.folder.path().join("share"), "figures"))
    }

    /// A folder beside the share, on the same file system, for the raw measurements.
    pub fn raw(&self) -> PathBuf {
        self.folder.path().join("raw")
    }

    /// Sets an instance up as `lanpost init` does; `settings` are tables of its config.
    pub fn join(&self, instance: &str, settings: &str) -> Outcome<Node> {
        let path = self.config_path(instance);
        let top =
            format!("instance = \"{instance}\"\nstate = \"{instance}.state\"\n[share]\npath = \"share\"\n");
        std::fs::write(&path, top + settings)?;
        ops::init(&self.config(instance)?, &*self.share(), self.clock.clone(), false)?;
        self.open(instance)
    }

    /// Opens the node of an instance that joined: one per thread.
    pub fn open(&self, instance: &str) -> Outcome<Node> {
        Ok(Node::open(self.config(instance)?, self.clock.clone())?)
    }

    /// A daemon's engine for `node`, in this process.
    pub fn engine(&self, node: Node, share: Arc<dyn Share>) -> Outcome<Engine> {
        Ok(Engine::new(share, node, Role::Daemon)?)
    }

    /// `lanpost` for an instance that joined.
    pub fn command(&self, instance: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lanpost"));
        command.arg("--config").arg(self.config_path(instance));
        command
    }

    /// Starts a daemon of an instance that joined.
    pub fn daemon(&self, instance: &str) -> Outcome<Daemon> {
        let log = std::fs::File::create(self.folder.path().join(format!("{instance}.log")))?;
        let mut command = self.command(instance);
        command.arg("run").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Daemon(command.spawn()?))
    }

    fn config(&self, instance: &str) -> Outcome<Config> {
        let path = self.config_path(instance);
        Ok(config::parse(&std::fs::read_to_string(&path)?, Path::new(&path))?)
    }

    fn config_path(&self, instance: &str) -> PathBuf {
        self.folder.path().join(format!("{instance}.toml"))
    }
}

/// A running daemon; asked to stop when dropped, and ended if it doesn't.
pub struct Daemon(Child);

impl Daemon {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        process::terminate(self.0.id());
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if asked.elapsed() > Duration::from_secs(3) {
                let _ = self.0.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Steps an engine until it has nothing more to do at once.
pub fn settle(engine: &mut Engine, hints: Hints) -> Outcome<()> {
    let mut hints = hints;
    loop {
        let step = engine.step(&std::mem::take(&mut hints))?;
        if let Some(problem) = step.problems.into_iter().next() {
            return Err(problem.into());
        }
        if step.rest > Duration::ZERO {
            return Ok(());
        }
    }
}

/// Waits for a condition, asking every `pause`.
pub fn until(what: &str, pause: Duration, mut done: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > PATIENCE {
            return Err(format!("{what} did not happen within {} s", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Everything may have changed.
pub fn everything() -> Hints {
    Hints { everything: true, ..Hints::default() }
}

/// The mailbox rang.
pub fn mailbox() -> Hints {
    Hints { mailbox: true, ..Hints::default() }
}

/// A name.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a bench uses good names")
}

/// A message of 1 KiB.
pub fn letter(to: &str) -> Draft {
    const WORDS: &str = "The build is green, the nightly run found two slow tests; see the attached list. ";
    let content: String = WORDS.chars().cycle().take(1024).collect();
    Draft::new(Address::from(name(to)), content)
}
