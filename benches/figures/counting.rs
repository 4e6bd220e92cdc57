//! A share that counts: every verb, expanded into the file operations that `sys/share.rs` documents for it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::{Arc, Mutex, PoisonError};

use lanpost::error::Result;
use lanpost::model::layout::SharePath;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

/// The operations, in the order they are shown.
const NAMES: [&str; 11] =
    ["open", "read", "write", "sync", "close", "stat", "list", "rename", "unlink", "mkdir", "setattr"];

const OPEN: usize = 0;
const READ: usize = 1;
const WRITE: usize = 2;
const SYNC: usize = 3;
const CLOSE: usize = 4;
const STAT: usize = 5;
const LIST: usize = 6;
const RENAME: usize = 7;
const UNLINK: usize = 8;
const MKDIR: usize = 9;
const SETATTR: usize = 10;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    operations: [u64; NAMES.len()],
    /// Bytes that came back from reads.
    pub bytes_read: u64,
}

impl Counts {
    /// All operations; none is more than one round trip to the server.
    pub fn total(&self) -> u64 {
        self.operations.iter().sum()
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        let sum = |at: usize| self.operations[at] + other.operations[at];
        Counts { operations: std::array::from_fn(sum), bytes_read: self.bytes_read + other.bytes_read }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, earlier: Counts) -> Counts {
        let difference = |at: usize| self.operations[at] - earlier.operations[at];
        Counts {
            operations: std::array::from_fn(difference),
            bytes_read: self.bytes_read - earlier.bytes_read,
        }
    }
}

impl fmt::Display for Counts {
    /// `3 (1 write, 1 sync, 1 setattr)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().zip(self.operations).filter(|(_, count)| *count > 0);
        let list: Vec<_> = named.map(|(name, count)| format!("{count} {name}")).collect();
        match list.as_slice() {
            [] => f.write_str("0"),
            list => write!(f, "{} ({})", self.total(), list.join(", ")),
        }
    }
}

/// Counts and passes on.
#[derive(Clone)]
pub struct CountingShare {
    share: Arc<dyn Share>,
    counts: Arc<Mutex<Counts>>,
}

impl CountingShare {
    /// Counts what is asked of `share`.
    pub fn new(share: Arc<dyn Share>) -> CountingShare {
        CountingShare { share, counts: Arc::default() }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, operations: &[usize]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        operations.iter().for_each(|operation| counts.operations[*operation] += 1);
    }
}

impl Share for CountingShare {
    fn describe(&self) -> String {
        self.share.describe()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.count(&[STAT]);
        self.share.stat(path)
    }

    /// As on Linux; Windows has no stats.
    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.count(&[LIST]);
        let entries = self.share.list(folder)?;
        entries.iter().flatten().for_each(|_| self.count(&[STAT]));
        Ok(entries)
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        self.count(&[OPEN]);
        let bytes = self.share.read(path, from, max)?;
        if let Some(bytes) = &bytes {
            self.count(&[READ, CLOSE]);
            self.counts.lock().unwrap_or_else(PoisonError::into_inner).bytes_read += bytes.len() as u64;
        }
        Ok(bytes)
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.count(&[OPEN]);
        let file = self.share.open_append(path)?;
        Ok(Box::new(CountingAppend { file, share: self.clone() }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.count(&[OPEN]);
        let made = self.share.create_new(path, bytes)?;
        if made {
            self.count(&[WRITE, SYNC, CLOSE]);
        }
        Ok(made)
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.count(&[OPEN, WRITE, SYNC, CLOSE, RENAME]);
        self.share.replace(path, bytes)
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        self.count(&[SETATTR]);
        self.share.touch(path)
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        self.count(&[UNLINK]);
        self.share.remove(path)
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.count(&[MKDIR]);
        self.share.make_folder(path)
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        self.count(&[LIST]);
        let census = self.share.walk(limit)?;
        census.files.iter().for_each(|_| self.count(&[STAT]));
        Ok(census)
    }
}

struct CountingAppend {
    file: Box<dyn Append>,
    share: CountingShare,
}

impl Append for CountingAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.share.count(&[WRITE, SYNC]);
        self.file.append(bytes)
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl Drop for CountingAppend {
    fn drop(&mut self) {
        self.share.count(&[CLOSE]);
    }
}
