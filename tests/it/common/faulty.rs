//! A share that lies, refuses, loses answers, tears appends, fills up, goes away, or turns into another share.
//!
//! Faults are planned per verb and used up in order; switches (away, full, stale listings) stay until they are turned
//! off. Clones are one share. Everything is decided by the script, so a failing run repeats.

use std::collections::HashMap;
use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use lanpost::error::{Error, Result};
use lanpost::model::layout::SharePath;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

use super::counting::Verb;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done.
    Refuse(ErrorKind),
    /// It is done, and the answer is this error. `AlreadyExists` to `create_new` is the answer "it exists".
    LoseAnswer(ErrorKind),
    /// An append writes so many bytes of it and fails; every other verb just fails.
    Torn(usize, ErrorKind),
}

struct Plan {
    verb: Verb,
    skip: u64,
    times: u64,
    fault: Fault,
}

/// Somebody else, who writes in the moment before we create a file.
struct Rival {
    before: SharePath,
    path: SharePath,
    bytes: Vec<u8>,
}

struct State {
    mounted: Arc<dyn Share>,
    /// Counts the mounts: a handle of an earlier one is stale.
    mount: u64,
    plans: Vec<Plan>,
    fired: u64,
    away: Option<ErrorKind>,
    full: bool,
    stale: bool,
    broken: Option<SharePath>,
    forbidden: Option<SharePath>,
    rival: Option<Rival>,
    listings: HashMap<SharePath, Option<Vec<Entry>>>,
}

/// A share whose faults are scripted.
#[derive(Clone)]
pub struct FaultyShare {
    state: Arc<Mutex<State>>,
}

impl FaultyShare {
    pub fn new(mounted: Arc<dyn Share>) -> Self {
        let state = State {
            mounted,
            mount: 0,
            plans: vec![],
            fired: 0,
            away: None,
            full: false,
            stale: false,
            broken: None,
            forbidden: None,
            rival: None,
            listings: HashMap::new(),
        };
        FaultyShare { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// After `skip` more calls of `verb`, the next `times` go wrong.
    pub fn plan(&self, verb: Verb, skip: u64, times: u64, fault: Fault) {
        self.state().plans.push(Plan { verb, skip, times, fault });
    }

    /// How many faults were met so far, and how many are still planned.
    pub fn fired(&self) -> (u64, u64) {
        let state = self.state();
        (state.fired, state.plans.iter().map(|plan| plan.times).sum())
    }

    /// Forgets what is planned.
    pub fn clear(&self) {
        self.state().plans.clear();
    }

    /// Every call fails like this, until `None`. Open files die with it.
    pub fn away(&self, kind: Option<ErrorKind>) {
        let mut state = self.state();
        state.away = kind;
        state.mount += 1;
    }

    /// Something else lies at the mount point now: an empty folder, another share. Open files die with it.
    pub fn mount(&self, other: Arc<dyn Share>) {
        let mut state = self.state();
        state.mounted = other;
        state.mount += 1;
    }

    /// Nothing that needs room succeeds; an append leaves half of its bytes.
    pub fn full(&self, full: bool) {
        self.state().full = full;
    }

    /// Listings show what they showed last.
    pub fn stale(&self, stale: bool) {
        self.state().stale = stale;
    }

    /// This folder can't be listed, until `None`.
    pub fn break_folder(&self, folder: Option<SharePath>) {
        self.state().broken = folder;
    }

    /// Nothing in this folder can be looked at or written, until `None`, and the folder can't be listed.
    pub fn forbid_folder(&self, folder: Option<SharePath>) {
        self.state().forbidden = folder;
    }

    /// When `before` is created next, somebody has just written `bytes` to `path`.
    pub fn rival(&self, before: SharePath, path: SharePath, bytes: Vec<u8>) {
        self.state().rival = Some(Rival { before, path, bytes });
    }

    /// What this call meets: the share to ask, or the fault.
    fn meet(&self, verb: Verb) -> (Arc<dyn Share>, Option<Fault>) {
        let mut state = self.state();
        let fault = state.meet(verb);
        (state.mounted.clone(), fault)
    }

    fn call<T>(&self, verb: Verb, path: &SharePath, call: impl FnOnce(&dyn Share) -> Result<T>) -> Result<T> {
        let (share, fault) = self.meet(verb);
        let within = |folder: &SharePath| Path::new(path.as_str()).starts_with(folder.as_str());
        if self.state().forbidden.as_ref().is_some_and(within) {
            return Err(error(verb, path, ErrorKind::PermissionDenied));
        }
        match fault {
            None => call(&*share),
            Some(Fault::Refuse(kind) | Fault::Torn(_, kind)) => Err(error(verb, path, kind)),
            Some(Fault::LoseAnswer(kind)) => {
                call(&*share)?;
                Err(error(verb, path, kind))
            }
        }
    }
}

impl State {
    fn meet(&mut self, verb: Verb) -> Option<Fault> {
        if let Some(kind) = self.away {
            return Some(Fault::Refuse(kind));
        }
        if self.full {
            match verb {
                Verb::Append | Verb::Write => return Some(Fault::Torn(usize::MAX, ErrorKind::StorageFull)),
                Verb::CreateNew | Verb::Replace | Verb::MakeFolder => {
                    return Some(Fault::Refuse(ErrorKind::StorageFull));
                }
                _ => {}
            }
        }
        let plan = self.plans.iter_mut().find(|plan| plan.verb == verb)?;
        if plan.skip > 0 {
            plan.skip -= 1;
            return None;
        }
        plan.times -= 1;
        self.fired += 1;
        let fault = plan.fault;
        self.plans.retain(|plan| plan.times > 0);
        Some(fault)
    }
}

fn error(verb: Verb, path: &SharePath, kind: ErrorKind) -> Error {
    Error::io(format!("{verb:?}"), Path::new(path.as_str()), IoError::from(kind))
}

impl Share for FaultyShare {
    fn describe(&self) -> String {
        "a faulty share".into()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.call(Verb::Stat, path, |share| share.stat(path))
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.list_those(folder, &mut |_| true)
    }

    /// A stale listing is the last one of that folder, whatever was wanted of it.
    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        if self.state().broken.as_ref() == Some(folder) {
            return Err(error(Verb::List, folder, ErrorKind::PermissionDenied));
        }
        let mut found = None;
        self.call(Verb::List, folder, |share| {
            found = share.list_those(folder, wanted)?;
            Ok(())
        })?;
        let mut state = self.state();
        match state.listings.get(folder).filter(|_| state.stale) {
            Some(before) => Ok(before.clone()),
            None => {
                state.listings.insert(folder.clone(), found.clone());
                Ok(found)
            }
        }
    }

    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        if !self.state().stale {
            return self.call(Verb::List, folder, |share| share.names(folder));
        }
        Ok(self.list(folder)?.unwrap_or_default().into_iter().map(|entry| entry.name).collect())
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        self.call(Verb::Read, path, |share| share.read(path, from, max))
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        let file = self.call(Verb::OpenAppend, path, |share| share.open_append(path))?;
        let mount = self.state().mount;
        Ok(Box::new(FaultyAppend { file, share: self.clone(), path: path.clone(), mount }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        let (share, fault) = self.meet(Verb::CreateNew);
        let rival = self.state().rival.take_if(|rival| rival.before == *path);
        if let Some(Rival { path, bytes, .. }) = rival {
            share.replace(&path, &bytes)?;
        }
        match fault {
            None => share.create_new(path, bytes),
            Some(Fault::LoseAnswer(ErrorKind::AlreadyExists)) => {
                share.create_new(path, bytes)?;
                Ok(false)
            }
            Some(Fault::LoseAnswer(kind)) => {
                share.create_new(path, bytes)?;
                Err(error(Verb::CreateNew, path, kind))
            }
            Some(Fault::Refuse(kind) | Fault::Torn(_, kind)) => Err(error(Verb::CreateNew, path, kind)),
        }
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.call(Verb::Replace, path, |share| share.replace(path, bytes))
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        self.call(Verb::Rename, path, |share| share.rename(aside, path, len))
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        self.call(Verb::Touch, path, |share| share.touch(path))
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        self.call(Verb::Remove, path, |share| share.remove(path))
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.call(Verb::MakeFolder, path, |share| share.make_folder(path))
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        self.call(Verb::Walk, &lanpost::model::layout::root(), |share| share.walk(limit))
    }
}

struct FaultyAppend {
    file: Box<dyn Append>,
    share: FaultyShare,
    path: SharePath,
    mount: u64,
}

impl FaultyAppend {
    fn add(&mut self, verb: Verb, bytes: &[u8]) -> Result<()> {
        let fault = {
            let mut state = self.share.state();
            let stale =
                (state.mount != self.mount).then_some(Fault::Refuse(ErrorKind::StaleNetworkFileHandle));
            stale.or_else(|| state.meet(verb))
        };
        let mut done = |bytes: &[u8]| match verb {
            Verb::Write => self.file.write(bytes),
            _ => self.file.append(bytes),
        };
        let kind = match fault {
            None => return done(bytes),
            Some(Fault::Refuse(kind)) => kind,
            Some(Fault::LoseAnswer(kind)) => {
                done(bytes)?;
                kind
            }
            Some(Fault::Torn(at, kind)) => {
                done(&bytes[..if at < bytes.len() { at } else { bytes.len() / 2 }])?;
                kind
            }
        };
        Err(error(verb, &self.path, kind))
    }
}

impl Append for FaultyAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.add(Verb::Append, bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.add(Verb::Write, bytes)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}
