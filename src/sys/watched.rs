//! A share whose calls can be seen from another thread while they run: what hangs, on which path, since when.
//!
//! A dead mount hangs its caller, who can say nothing then. Nothing is kept but the call in flight; one thread at a
//! time uses a watched share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::root::Choice;
use super::share::{Append, Census, Entry, Meta, Share};
use crate::error::Result;
use crate::model::layout::{self, SharePath};

/// A call in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is being done, in words.
    pub deed: &'static str,
    /// To what, relative to the share's root.
    pub path: String,
    /// Since when, on the monotonic clock.
    pub since: Duration,
}

/// The view of the calls from outside; clones look at the same share.
#[derive(Clone)]
pub struct Calls {
    clock: Arc<dyn Clock>,
    running: Arc<Mutex<Option<Call>>>,
    last: Arc<Mutex<Duration>>,
}

impl Calls {
    /// The call in flight, if one is.
    pub fn running(&self) -> Option<Call> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The call that has been in flight for `bound` or longer, if one has.
    pub fn hanging(&self, bound: Duration) -> Option<Call> {
        let now = self.clock.now();
        self.running().filter(|call| now.saturating_sub(call.since) >= bound)
    }

    /// When the last call began or ended, on the monotonic clock.
    pub fn last(&self) -> Duration {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, deed: &'static str, path: &SharePath) -> Running<'_> {
        let call = Call { deed, path: path.as_str().to_owned(), since: self.clock.now() };
        self.set(Some(call));
        Running(self)
    }

    fn set(&self, call: Option<Call>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = call;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.now();
    }
}

/// Ends the call when it is dropped, however the call ends.
struct Running<'a>(&'a Calls);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// A share that notes each call while it runs.
pub struct WatchedShare {
    share: Arc<dyn Share>,
    calls: Calls,
}

impl WatchedShare {
    /// `share`, watched; time is told by `clock`.
    pub fn new(share: Arc<dyn Share>, clock: Arc<dyn Clock>) -> WatchedShare {
        WatchedShare { share, calls: Calls { clock, running: Arc::default(), last: Arc::default() } }
    }

    /// The view for others.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }
}

impl Share for WatchedShare {
    fn describe(&self) -> String {
        self.share.describe()
    }

    fn choice(&self) -> Option<Choice> {
        self.share.choice()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        let _running = self.calls.begin("look at", path);
        self.share.stat(path)
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        let _running = self.calls.begin("list", folder);
        self.share.list(folder)
    }

    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        let _running = self.calls.begin("list", folder);
        self.share.list_those(folder, wanted)
    }

    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        let _running = self.calls.begin("list", folder);
        self.share.names(folder)
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let _running = self.calls.begin("read", path);
        self.share.read(path, from, max)
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        let _running = self.calls.begin("open", path);
        let file = self.share.open_append(path)?;
        Ok(Box::new(WatchedAppend { file, path: path.clone(), calls: self.calls.clone() }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        let _running = self.calls.begin("create", path);
        self.share.create_new(path, bytes)
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        let _running = self.calls.begin("replace", path);
        self.share.replace(path, bytes)
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        let _running = self.calls.begin("put in its place", path);
        self.share.rename(aside, path, len)
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        let _running = self.calls.begin("touch", path);
        self.share.touch(path)
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        let _running = self.calls.begin("remove", path);
        self.share.remove(path)
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        let _running = self.calls.begin("make the folder", path);
        self.share.make_folder(path)
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        let _running = self.calls.begin("walk", &layout::root());
        self.share.walk(limit)
    }
}

struct WatchedAppend {
    file: Box<dyn Append>,
    path: SharePath,
    calls: Calls,
}

impl Append for WatchedAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let _running = self.calls.begin("append to", &self.path);
        self.file.append(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let _running = self.calls.begin("append to", &self.path);
        self.file.write(bytes)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}
