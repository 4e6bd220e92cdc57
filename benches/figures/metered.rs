//! A share that weighs what is read of it: bytes, not operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lanpost::error::Result;
use lanpost::model::layout::SharePath;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

/// Passes everything on and adds up the bytes that reads bring back.
pub struct MeteredShare {
    share: Arc<dyn Share>,
    read: AtomicU64,
}

impl MeteredShare {
    /// Starts at zero.
    pub fn new(share: Arc<dyn Share>) -> Arc<MeteredShare> {
        Arc::new(MeteredShare { share, read: AtomicU64::new(0) })
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Share for MeteredShare {
    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let bytes = self.share.read(path, from, max)?;
        self.read.fetch_add(bytes.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn describe(&self) -> String {
        self.share.describe()
    }
    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.share.stat(path)
    }
    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.share.list(folder)
    }
    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        self.share.names(folder)
    }
    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.share.open_append(path)
    }
    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.share.create_new(path, bytes)
    }
    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.share.replace(path, bytes)
    }
    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        self.share.rename(aside, path, len)
    }
    fn touch(&self, path: &SharePath) -> Result<()> {
        self.share.touch(path)
    }
    fn remove(&self, path: &SharePath) -> Result<()> {
        self.share.remove(path)
    }
    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.share.make_folder(path)
    }
    fn walk(&self, limit: usize) -> Result<Census> {
        self.share.walk(limit)
    }
}
