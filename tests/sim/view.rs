//! One node's mount of the server: the ten verbs, with everything that goes wrong between the two.
//!
//! The weather says how often a verb is refused, done without an answer, hung, or shown something old. Whatever it
//! says, the contract of `Share` holds as far as real shares were measured to keep it: what was answered as done is
//! done, O_EXCL has one winner, and nothing is shown that is older than [`Weather::stale`] allows.

mod append;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lanpost::error::{Error, Kind, Result};
use lanpost::model::layout::{self, SharePath};
use lanpost::sys::clock::Clock as _;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

use crate::clock::SimClock;
use crate::life::{Life, Moment};
use crate::log::Log;
use crate::rng::Rng;
use crate::server::{Eye, Server, What};
use crate::stage;

use append::Handle;

/// How the share treats one node, in thousandths of its calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Refused, nothing done.
    pub refuse: u32,
    /// Done, and answered with an error; O_EXCL answers that it exists.
    pub lose: u32,
    /// An append that fails with part of it, or NUL bytes, on the disk.
    pub tear: u32,
    /// Answered after a long while.
    pub hang: u32,
    /// Shown as it was up to half a second ago; a listing, two seconds.
    pub stale: u32,
    /// Lengths are shown before data.
    pub holes: bool,
    /// The others live on while a call is on its way.
    pub races: u32,
    /// What is replaced is missing for a moment.
    pub misses: u32,
    /// A stranger appends to an open slot at the same time, without a lock.
    pub careless: u32,
    /// No call gets through.
    pub cut: bool,
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mount {
    Right,
    /// An empty folder: the mount point itself.
    Nothing,
    /// A share with another id.
    Other,
}

pub struct Inner {
    pub weather: Weather,
    pub mount: Mount,
    pub life: Arc<Life>,
    pub rng: Rng,
    pub verbs: u64,
    /// A lockfile may have been made in this step.
    pub locked: bool,
    /// A call on a lockfile came to nothing, so that one of ours may be left standing.
    pub lock_stuck: bool,
    /// When the last call, and the one before it, took effect, in the server's time.
    pub calls: (Duration, Duration),
}

/// A node's share. Clones are the same mount.
#[derive(Clone)]
pub struct View {
    pub node: usize,
    pub clock: Arc<SimClock>,
    servers: [Arc<Mutex<Server>>; 3],
    pub inner: Arc<Mutex<Inner>>,
    log: Log,
}

/// What becomes of a call.
enum Fate {
    Done,
    Refused(Error),
    Lost(Error),
    Torn(Error, bool),
}

impl View {
    /// `servers`: the right one, the empty folder, the other share.
    pub fn new(
        node: usize,
        clock: Arc<SimClock>,
        servers: [Arc<Mutex<Server>>; 3],
        rng: Rng,
        log: Log,
    ) -> View {
        let inner = Inner {
            weather: Weather::default(),
            mount: Mount::Right,
            life: Arc::default(),
            rng,
            verbs: 0,
            locked: false,
            lock_stuck: false,
            calls: (Duration::ZERO, Duration::ZERO),
        };
        View { node, clock, servers, inner: Arc::new(Mutex::new(inner)), log }
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap())
    }

    fn server(&self) -> Arc<Mutex<Server>> {
        let mount = self.with(|inner| inner.mount);
        self.servers[mount as usize].clone()
    }

    /// Something happened at this node.
    pub fn note(&self, what: impl FnOnce() -> String) {
        self.log.note(|| format!("{:>9.3} n{} {}", self.clock.now().as_secs_f64(), self.node, what()));
    }

    pub fn count(&self, what: &'static str) {
        self.log.count(what);
    }

    /// Others live while this call is on its way.
    fn meanwhile(&self) {
        if self.with(|inner| inner.rng.per_mille(inner.weather.races)) {
            let longest = self.with(|inner| if inner.rng.per_mille(200) { 3_000 } else { 60 });
            self.clock.pass(self.with(|inner| inner.rng.time(1, longest)));
            stage::meanwhile(self.node, &self.clock);
        }
    }

    /// Time passes, and it is decided what becomes of this call.
    fn fate(&self, verb: &str, path: &SharePath) -> Fate {
        self.meanwhile();
        let mut hung = false;
        let fate = self.with(|inner| {
            inner.verbs += 1;
            let error = |kind, cause: &str| Error::new(kind, verb, path, cause);
            let dead = || error(Kind::Io, "this process is dead");
            self.clock.pass(inner.rng.time(0, 8));
            match inner.life.step() {
                Moment::Fine => {}
                Moment::Before => return Fate::Refused(dead()),
                Moment::During => return Fate::Torn(dead(), inner.rng.per_mille(500)),
                Moment::After => return Fate::Lost(dead()),
            }
            let Weather { refuse, lose, tear, hang, cut, .. } = inner.weather;
            if cut {
                self.clock.pass(inner.rng.time(200, 6_000));
                return Fate::Refused(error(Kind::Io, "host is down (simulated)"));
            }
            if inner.rng.per_mille(hang) {
                self.clock.pass(inner.rng.time(1_000, 90_000));
                hung = true;
            }
            let kinds = [
                (Kind::Io, "EIO (simulated)"),
                (Kind::Away, "ESTALE (simulated)"),
                (Kind::Denied, "EACCES (simulated)"),
                (Kind::Away, "EHOSTDOWN (simulated)"),
                (Kind::Busy, "sharing violation (simulated)"),
                (Kind::Timeout, "timed out (simulated)"),
            ];
            let (kind, cause) = kinds[inner.rng.below(kinds.len())];
            // Few files are made, and most depends on what is answered then.
            let lose = if verb == "create" { lose * 3 } else { lose };
            if inner.rng.per_mille(refuse) {
                Fate::Refused(error(kind, cause))
            } else if inner.rng.per_mille(lose) {
                Fate::Lost(error(kind, cause))
            } else if inner.rng.per_mille(tear) {
                Fate::Torn(error(kind, cause), inner.rng.per_mille(500))
            } else {
                Fate::Done
            }
        });
        let came = match &fate {
            Fate::Done => "",
            Fate::Refused(error) => &format!("REFUSED {error}"),
            Fate::Lost(error) => &format!("LOST {error}"),
            Fate::Torn(error, _) => &format!("TORN {error}"),
        };
        if let Fate::Refused(error) | Fate::Lost(error) | Fate::Torn(error, _) = &fate {
            match error.kind() {
                Kind::Denied => self.count("a call that is denied"),
                Kind::Away => self.count("a call that finds the share away"),
                Kind::Timeout => self.count("a call that times out"),
                _ => self.count("a call that fails"),
            }
        }
        self.note(|| format!("{verb} {path} {came}"));
        if hung {
            self.count("a call that hangs");
            stage::meanwhile(self.node, &self.clock);
            self.note(|| format!("{verb} {path} no longer hangs"));
        }
        let now = self.server().lock().unwrap().now();
        self.with(|inner| inner.calls = (now, inner.calls.0));
        if path.as_str().ends_with(".lock") {
            let unclear = match &fate {
                Fate::Done => false,
                // Made or not, it is looked at before it is believed.
                Fate::Lost(_) | Fate::Refused(_) if verb == "create" => false,
                _ => true,
            };
            self.with(|inner| {
                inner.locked |= verb == "create" && !matches!(fate, Fate::Refused(_));
                inner.lock_stuck |= unclear;
            });
        }
        fate
    }

    fn eye(&self, longest: u64) -> Eye {
        let lag = self.with(|inner| match inner.weather.stale {
            0 => Duration::ZERO,
            stale if inner.rng.per_mille(stale) => inner.rng.time(1, longest),
            _ => Duration::ZERO,
        });
        Eye { node: self.node, lag }
    }

    /// A verb that only looks: an answer that was lost is none.
    fn look<T>(&self, verb: &str, path: &SharePath, work: impl FnOnce(&Server) -> T) -> Result<T> {
        match self.fate(verb, path) {
            Fate::Done => Ok(work(&self.server().lock().unwrap())),
            Fate::Refused(error) | Fate::Lost(error) | Fate::Torn(error, _) => Err(error),
        }
    }

    /// A verb that changes something, whole or not at all.
    fn change<T>(
        &self,
        verb: &str,
        path: &SharePath,
        work: impl FnOnce(&mut Server) -> Result<T>,
    ) -> Result<T> {
        match self.fate(verb, path) {
            Fate::Done => work(&mut self.server().lock().unwrap()),
            Fate::Refused(error) => Err(error),
            Fate::Lost(error) | Fate::Torn(error, true) => {
                drop(work(&mut self.server().lock().unwrap()));
                Err(error)
            }
            Fate::Torn(error, false) => Err(error),
        }
    }

    fn intrude(&self, verb: &str, path: &SharePath) {
        if self.with(|inner| inner.mount) != Mount::Right {
            let server = self.server();
            server.lock().unwrap().rules.intrude(self.node, verb, path.as_str());
        }
    }
}

fn missing(verb: &str, path: &SharePath) -> Error {
    Error::new(Kind::NotFound, verb, path, "its folder does not exist")
}

fn full(verb: &str, path: &SharePath) -> Error {
    Error::new(Kind::Full, verb, path, "no space left on device (simulated)")
}

impl Share for View {
    fn describe(&self) -> String {
        format!("the mount of node {}", self.node)
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.look("stat", path, |server| server.meta(path.as_str(), self.eye(500)))
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.look("list", folder, |server| server.list(folder.as_str(), self.eye(2_000)))
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let holes = match self.with(|inner| inner.weather.holes) {
            true => Duration::from_millis(500),
            false => Duration::ZERO,
        };
        let found = self.look("read", path, |server| {
            if server.what(path.as_str()) == What::Folder {
                return Err(Error::new(Kind::Io, "read", path, "it is a folder"));
            }
            Ok(server.bytes(path.as_str(), self.eye(500), holes))
        })??;
        Ok(found.map(|bytes| {
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
            bytes[start..bytes.len().min(start.saturating_add(max))].to_vec()
        }))
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.intrude("open", path);
        let (inode, len, epoch) = self.change("open", path, |server| {
            if server.what(path.as_str()) == What::Gone {
                server.write(self.node, path.as_str(), b"").map_err(|()| missing("open", path))?;
            }
            match server.what(path.as_str()) {
                What::File { inode, len } => Ok((inode, len, server.epoch)),
                _ => Err(Error::new(Kind::Io, "open", path, "it is a folder")),
            }
        })?;
        let mount = self.with(|inner| inner.mount);
        let (view, path) = (self.clone(), path.clone());
        Ok(Box::new(Handle { view, path, inode, len: len as u64, epoch, mount }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.intrude("create", path);
        let create = |server: &mut Server, bytes: &[u8]| {
            if server.what(path.as_str()) != What::Gone {
                return Ok(false);
            }
            match server.write(self.node, path.as_str(), bytes) {
                Ok(true) => {
                    if path.as_str().ends_with(".lock") {
                        let now = server.now();
                        server.rules.lock(self.node, path.as_str(), now);
                    }
                    Ok(true)
                }
                Ok(false) => Err(full("create", path)),
                Err(()) => Err(missing("create", path)),
            }
        };
        let server = self.server();
        match self.fate("create", path) {
            Fate::Done => create(&mut server.lock().unwrap(), bytes),
            Fate::Refused(error) => Err(error),
            Fate::Lost(error) => {
                let made = create(&mut server.lock().unwrap(), bytes);
                let asked_twice = self.with(|inner| !inner.life.is_over() && inner.rng.per_mille(500));
                // The client's kernel asked again, and was told that it exists: it made it itself.
                if asked_twice {
                    self.count(if matches!(made, Ok(true)) { "EEXIST after success" } else { "EEXIST" });
                    made.map(|_| false)
                } else {
                    Err(error)
                }
            }
            // Made, and nothing written into it.
            Fate::Torn(error, empty) => {
                let bytes = if empty { &[][..] } else { &bytes[..bytes.len() / 2] };
                drop(create(&mut server.lock().unwrap(), bytes));
                Err(error)
            }
        }
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.intrude("replace", path);
        if self.with(|inner| inner.rng.per_mille(inner.weather.misses)) {
            // Samba refuses to replace what somebody has open: the client removes it and renames again.
            let there = {
                let server = self.server();
                let mut server = server.lock().unwrap();
                let there = matches!(server.what(path.as_str()), What::File { .. });
                server.remove(self.node, path.as_str());
                there
            };
            if there {
                self.count("a file that is missing while it is replaced");
                self.clock.pass(Duration::from_millis(30));
                stage::meanwhile(self.node, &self.clock);
            }
        }
        self.change("replace", path, |server| match server.write(self.node, path.as_str(), bytes) {
            Ok(true) => Ok(()),
            Ok(false) => Err(full("replace", path)),
            Err(()) => Err(missing("replace", path)),
        })
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, _: u64) -> Result<()> {
        self.intrude("rename", path);
        self.change("rename", path, |server| match server.rename(self.node, aside.as_str(), path.as_str()) {
            Ok(true) => Ok(()),
            Ok(false) | Err(()) => Err(missing("rename", path)),
        })
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        self.intrude("touch", path);
        let touch = |server: &mut Server| server.touch(self.node, path.as_str());
        self.change("touch", path, |server| touch(server).map_err(|()| missing("touch", path)))
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        self.intrude("remove", path);
        let (view, lock) = (self.clone(), path.as_str().ends_with(".lock"));
        self.change("remove", path, |server| {
            if lock && server.what(path.as_str()) != What::Gone {
                let looked = view.with(|inner| inner.calls.1);
                let now = server.now();
                server.rules.unlock(view.node, path.as_str(), looked, now);
            }
            server.remove(self.node, path.as_str());
            Ok(())
        })
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.intrude("make", path);
        let make = |server: &mut Server| server.make_folder(self.node, path.as_str());
        self.change("mkdir", path, |server| make(server).map_err(|()| missing("mkdir", path)))
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        let mut files = self.look("walk", &layout::root(), Server::files)?;
        let cut = files.len() > limit;
        files.truncate(limit);
        Ok(Census { files, cut })
    }
}
