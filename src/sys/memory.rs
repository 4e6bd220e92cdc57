//! A share in memory: for tests, examples and the simulator. Clones are the same share.
//!
//! Every change gets a stamp of its own, larger than all before: what a file server's clock promises at best. It tells
//! the time only if the share was given a clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::Clock;
use super::share::{Append, Census, Entry, Meta, Share};
use crate::error::{Error, Kind, Result};
use crate::model::layout::SharePath;

#[derive(Default)]
struct Tree {
    /// `None` is a folder.
    nodes: BTreeMap<String, (i128, Option<Vec<u8>>)>,
    stamp: i128,
    /// The server's clock, if it has one.
    clock: Option<Arc<dyn Clock>>,
}

/// A shared folder without a disk.
#[derive(Clone, Default)]
pub struct MemoryShare {
    tree: Arc<Mutex<Tree>>,
}

impl MemoryShare {
    /// An empty share.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty share whose server has this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let share = Self::default();
        share.tree().clock = Some(clock);
        share
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tree {
    /// The stamp of a change that is made now.
    fn stamp(&mut self) -> i128 {
        let now = self.clock.as_ref().map_or(0, |clock| clock.now().as_nanos() as i128);
        self.stamp = now.max(self.stamp + 1);
        self.stamp
    }

    fn parent_exists(&self, path: &str) -> bool {
        path.rsplit_once('/').is_none_or(|(parent, _)| matches!(self.nodes.get(parent), Some((_, None))))
    }

    fn put(&mut self, path: &SharePath, content: Option<Vec<u8>>) -> Result<()> {
        if !self.parent_exists(path.as_str()) {
            return Err(Error::new(Kind::NotFound, "write", path, "its folder does not exist"));
        }
        let stamp = self.stamp();
        self.nodes.insert(path.as_str().to_owned(), (stamp, content));
        Ok(())
    }

    fn file(&self, path: &SharePath) -> Result<Option<&Vec<u8>>> {
        match self.nodes.get(path.as_str()) {
            Some((_, Some(bytes))) => Ok(Some(bytes)),
            Some((_, None)) => Err(Error::new(Kind::Io, "read", path, "it is a folder")),
            None => Ok(None),
        }
    }

    fn meta(&self, path: &str) -> Option<Meta> {
        let (stamp, content) = self.nodes.get(path)?;
        let len = content.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Some(Meta { len, stamp: *stamp, folder: content.is_none(), regular: content.is_some() })
    }
}

impl Share for MemoryShare {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        Ok(self.tree().meta(path.as_str()))
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.list_those(folder, &mut |_| true)
    }

    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        let tree = self.tree();
        let prefix = match folder.as_str() {
            "" => String::new(),
            path if matches!(tree.nodes.get(path), Some((_, None))) => format!("{path}/"),
            _ => return Ok(None),
        };
        let below = tree.nodes.range(prefix.clone()..);
        let names = below.map_while(|(path, _)| path.strip_prefix(&prefix));
        let entries = names.filter(|name| !name.contains('/') && wanted(name)).filter_map(|name| {
            Some(Entry { name: name.to_owned(), meta: tree.meta(&format!("{prefix}{name}"))? })
        });
        Ok(Some(entries.collect()))
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.tree().file(path)?.map(|bytes| {
            let start = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
            bytes[start..bytes.len().min(start.saturating_add(max))].to_vec()
        }))
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        let mut tree = self.tree();
        let len = match tree.file(path)? {
            Some(bytes) => bytes.len() as u64,
            None => {
                tree.put(path, Some(Vec::new()))?;
                0
            }
        };
        Ok(Box::new(MemoryAppend { share: self.clone(), path: path.clone(), len }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        let mut tree = self.tree();
        if tree.nodes.contains_key(path.as_str()) {
            return Ok(false);
        }
        tree.put(path, Some(bytes.to_vec()))?;
        Ok(true)
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.tree().put(path, Some(bytes.to_vec()))
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, _: u64) -> Result<()> {
        let mut tree = self.tree();
        let Some(bytes) = tree.file(aside)?.cloned() else {
            return Err(Error::new(Kind::NotFound, "put in its place", path, "it is not there"));
        };
        tree.put(path, Some(bytes))?;
        tree.nodes.remove(aside.as_str());
        Ok(())
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        let mut tree = self.tree();
        let content = tree.file(path)?.cloned().unwrap_or_default();
        tree.put(path, Some(content))
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        let mut tree = self.tree();
        let inside = format!("{path}/");
        if tree.nodes.keys().any(|other| other.starts_with(&inside)) {
            return Err(Error::new(Kind::Io, "remove", path, "the folder is not empty"));
        }
        tree.nodes.remove(path.as_str());
        Ok(())
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        let mut tree = self.tree();
        match tree.nodes.get(path.as_str()) {
            Some((_, None)) => Ok(()),
            Some(_) => Err(Error::new(Kind::Io, "make the folder", path, "a file stands in its place")),
            None => tree.put(path, None),
        }
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        let tree = self.tree();
        let files = tree.nodes.iter().filter_map(|(path, (_, content))| Some((path, content.as_ref()?)));
        let mut files: Vec<_> = files.map(|(path, content)| (path.clone(), content.len() as u64)).collect();
        let cut = files.len() > limit;
        files.truncate(limit);
        Ok(Census { files, cut })
    }
}

struct MemoryAppend {
    share: MemoryShare,
    path: SharePath,
    len: u64,
}

impl Append for MemoryAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut tree = self.share.tree();
        let stamp = tree.stamp();
        match tree.nodes.get_mut(self.path.as_str()) {
            Some((seen, Some(content))) => {
                content.extend_from_slice(bytes);
                *seen = stamp;
                self.len = content.len() as u64;
                Ok(())
            }
            _ => Err(Error::new(Kind::Io, "append to", &self.path, "the file is gone (stale handle)")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.append(bytes)
    }

    fn len(&self) -> u64 {
        self.len
    }
}
