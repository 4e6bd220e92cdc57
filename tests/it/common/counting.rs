//! A share that counts: every verb, and the file operations it costs by the contract in `sys/share.rs`.
//!
//! Wraps any share and changes nothing. A refused call counts its first operation only. Benches use it by `#[path]`.
#![allow(dead_code, reason = "each user counts what it needs")]

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lanpost::error::Result;
use lanpost::model::layout::SharePath;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

/// A verb of the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Stat,
    List,
    Read,
    OpenAppend,
    Append,
    Write,
    CreateNew,
    Replace,
    Rename,
    Touch,
    Remove,
    MakeFolder,
    Walk,
}

impl Verb {
    pub const ALL: [Verb; 13] = [
        Verb::Stat,
        Verb::List,
        Verb::Read,
        Verb::OpenAppend,
        Verb::Append,
        Verb::Write,
        Verb::CreateNew,
        Verb::Replace,
        Verb::Rename,
        Verb::Touch,
        Verb::Remove,
        Verb::MakeFolder,
        Verb::Walk,
    ];
}

/// A file operation, as a file server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Open,
    Read,
    Write,
    Sync,
    Close,
    Stat,
    List,
    Rename,
    Unlink,
    Mkdir,
    Setattr,
}

impl Op {
    pub const ALL: [Op; 11] = [
        Op::Open,
        Op::Read,
        Op::Write,
        Op::Sync,
        Op::Close,
        Op::Stat,
        Op::List,
        Op::Rename,
        Op::Unlink,
        Op::Mkdir,
        Op::Setattr,
    ];
}

/// What was counted up to some moment; the difference of two is what happened in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    verbs: [u64; Verb::ALL.len()],
    ops: [u64; Op::ALL.len()],
}

impl Counts {
    pub fn verb(&self, verb: Verb) -> u64 {
        self.verbs[verb as usize]
    }

    pub fn op(&self, op: Op) -> u64 {
        self.ops[op as usize]
    }

    /// All file operations.
    pub fn total(&self) -> u64 {
        self.ops.iter().sum()
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(mut self, before: Counts) -> Counts {
        self.verbs.iter_mut().zip(before.verbs).for_each(|(now, then)| *now -= then);
        self.ops.iter_mut().zip(before.ops).for_each(|(now, then)| *now -= then);
        self
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} operations", self.total())?;
        for op in Op::ALL.into_iter().filter(|op| self.op(*op) > 0) {
            write!(f, ", {} {}", self.op(op), format!("{op:?}").to_lowercase())?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Tally {
    verbs: [AtomicU64; Verb::ALL.len()],
    ops: [AtomicU64; Op::ALL.len()],
    touched: Mutex<BTreeSet<String>>,
}

impl Tally {
    fn verb(&self, verb: Verb) {
        self.verbs[verb as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn ops(&self, op: Op, times: usize) {
        self.ops[op as usize].fetch_add(times as u64, Ordering::Relaxed);
    }

    fn wrote(&self, path: &SharePath) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.insert(path.as_str().to_owned());
    }
}

/// Counts what goes to the share inside. Clones count together.
#[derive(Clone)]
pub struct CountingShare {
    inner: Arc<dyn Share>,
    tally: Arc<Tally>,
    listing_carries_sizes: bool,
}

impl CountingShare {
    /// Counts a listing as the dearer clients do it (Linux): one list, and a stat for each entry.
    pub fn new(inner: Arc<dyn Share>) -> Self {
        CountingShare { inner, tally: Arc::default(), listing_carries_sizes: false }
    }

    /// Counts a listing as one operation (Windows).
    #[must_use]
    pub fn listing_carries_sizes(self) -> Self {
        CountingShare { listing_carries_sizes: true, ..self }
    }

    /// The share behind the counter.
    pub fn mounted(&self) -> Arc<dyn Share> {
        self.inner.clone()
    }

    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { verbs: self.tally.verbs.each_ref().map(load), ops: self.tally.ops.each_ref().map(load) }
    }

    /// The paths that were ever written to, successfully or not.
    pub fn written(&self) -> Vec<String> {
        let touched = self.tally.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.iter().cloned().collect()
    }
}

impl Share for CountingShare {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    /// 1 stat.
    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.tally.verb(Verb::Stat);
        self.tally.ops(Op::Stat, 1);
        self.inner.stat(path)
    }

    /// 1 list, and a stat per entry where a listing carries no sizes.
    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.tally.verb(Verb::List);
        self.tally.ops(Op::List, 1);
        let found = self.inner.list(folder)?;
        if !self.listing_carries_sizes {
            self.tally.ops(Op::Stat, found.as_ref().map_or(0, Vec::len));
        }
        Ok(found)
    }

    /// 1 list, and a stat per wanted entry where a listing carries no sizes.
    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        self.tally.verb(Verb::List);
        self.tally.ops(Op::List, 1);
        let found = self.inner.list_those(folder, wanted)?;
        if !self.listing_carries_sizes {
            self.tally.ops(Op::Stat, found.as_ref().map_or(0, Vec::len));
        }
        Ok(found)
    }

    /// 1 list.
    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        self.tally.verb(Verb::List);
        self.tally.ops(Op::List, 1);
        self.inner.names(folder)
    }

    /// 1 open, 1 read, 1 close.
    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        self.tally.verb(Verb::Read);
        self.tally.ops(Op::Open, 1);
        let found = self.inner.read(path, from, max)?;
        if found.is_some() {
            self.tally.ops(Op::Read, 1);
            self.tally.ops(Op::Close, 1);
        }
        Ok(found)
    }

    /// 1 open now, 1 close when it is dropped.
    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.tally.verb(Verb::OpenAppend);
        self.tally.ops(Op::Open, 1);
        self.tally.wrote(path);
        let file = self.inner.open_append(path)?;
        Ok(Box::new(CountingAppend { file, tally: self.tally.clone() }))
    }

    /// 1 open; if the file is new 1 write, 1 sync, 1 close.
    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.tally.verb(Verb::CreateNew);
        self.tally.ops(Op::Open, 1);
        self.tally.wrote(path);
        let made = self.inner.create_new(path, bytes)?;
        if made {
            [Op::Write, Op::Sync, Op::Close].into_iter().for_each(|op| self.tally.ops(op, 1));
        }
        Ok(made)
    }

    /// 1 open, 1 write, 1 sync, 1 close, 1 rename.
    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.tally.verb(Verb::Replace);
        self.tally.ops(Op::Open, 1);
        self.tally.wrote(path);
        self.inner.replace(path, bytes)?;
        [Op::Write, Op::Sync, Op::Close, Op::Rename].into_iter().for_each(|op| self.tally.ops(op, 1));
        Ok(())
    }

    /// 1 rename.
    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        self.tally.verb(Verb::Rename);
        self.tally.ops(Op::Rename, 1);
        self.tally.wrote(path);
        self.inner.rename(aside, path, len)
    }

    /// 1 setattr.
    fn touch(&self, path: &SharePath) -> Result<()> {
        self.tally.verb(Verb::Touch);
        self.tally.ops(Op::Setattr, 1);
        self.tally.wrote(path);
        self.inner.touch(path)
    }

    /// 1 unlink.
    fn remove(&self, path: &SharePath) -> Result<()> {
        self.tally.verb(Verb::Remove);
        self.tally.ops(Op::Unlink, 1);
        self.tally.wrote(path);
        self.inner.remove(path)
    }

    /// 1 mkdir.
    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.tally.verb(Verb::MakeFolder);
        self.tally.ops(Op::Mkdir, 1);
        self.tally.wrote(path);
        self.inner.make_folder(path)
    }

    /// A list per folder that holds a file (empty ones can't be seen from here), and a stat per file.
    fn walk(&self, limit: usize) -> Result<Census> {
        self.tally.verb(Verb::Walk);
        self.tally.ops(Op::List, 1);
        let census = self.inner.walk(limit)?;
        let folders: BTreeSet<_> =
            census.files.iter().filter_map(|(path, _)| Some(path.rsplit_once('/')?.0)).collect();
        self.tally.ops(Op::List, folders.len());
        self.tally.ops(Op::Stat, census.files.len());
        Ok(census)
    }
}

struct CountingAppend {
    file: Box<dyn Append>,
    tally: Arc<Tally>,
}

impl Append for CountingAppend {
    /// 1 write; if it was taken 1 sync.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.tally.verb(Verb::Append);
        self.tally.ops(Op::Write, 1);
        self.file.append(bytes)?;
        self.tally.ops(Op::Sync, 1);
        Ok(())
    }

    /// 1 write.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.tally.verb(Verb::Write);
        self.tally.ops(Op::Write, 1);
        self.file.write(bytes)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl Drop for CountingAppend {
    fn drop(&mut self) {
        self.tally.ops(Op::Close, 1);
    }
}
