//! The one true state of a file server: what is on its disk, what it showed a moment ago, and what it would forget.
//!
//! A path has versions, the newest last: who looks through a cache may be shown an older one. A file's bytes lie in
//! an inode, so that a handle goes on meaning the file it opened, and an old version is a shorter view of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use lanpost::sys::share::{Entry, Meta};

use crate::log::Log;
use crate::rng::Rng;
use crate::rules::Rules;

/// How long old versions are kept: longer than any view may be stale.
const MEMORY: Duration = Duration::from_secs(10);

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Gone,
    Folder,
    File { inode: u64, len: usize },
}

#[derive(Clone, Copy, Debug)]
struct Version {
    at: Duration,
    by: usize,
    stamp: i128,
    what: What,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// The last appends. Their data may reach others after their length, and in another order.
    last: Vec<Part>,
}

/// An append: from where to where, when, and by whom.
#[derive(Clone, Copy, Debug)]
struct Part {
    from: usize,
    to: usize,
    at: Duration,
    by: usize,
}

/// How a node looks: its own changes are always there, those of others only when they are older than `lag`.
#[derive(Clone, Copy, Debug)]
pub struct Eye {
    pub node: usize,
    pub lag: Duration,
}

/// A copy of everything, to go back to.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    files: BTreeMap<String, Option<Vec<u8>>>,
}

/// A file server.
#[derive(Debug, Default)]
pub struct Server {
    paths: BTreeMap<String, Vec<Version>>,
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    stamp: i128,
    now: Duration,
    /// Removals that a power cut may undo.
    unsynced: Vec<(String, What)>,
    /// Bytes that still fit; `None`: no end of room.
    pub room: Option<usize>,
    /// What changed since it was last asked, and by whom.
    pub events: Vec<(usize, String)>,
    /// Handles opened in an earlier epoch are stale.
    pub epoch: u64,
    pub log: Log,
    /// Rules that somebody broke.
    pub rules: Rules,
    /// Appends that were not answered as done: where they began. A power cut may take them back.
    unanswered: Vec<(u64, usize)>,
}

impl Server {
    pub fn reach(&mut self, at: Duration) {
        self.now = self.now.max(at);
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    /// Since when something stands there.
    pub fn since(&self, path: &str) -> Option<Duration> {
        self.paths.get(path)?.last().filter(|version| version.what != What::Gone).map(|version| version.at)
    }

    fn put(&mut self, by: usize, path: &str, what: What) {
        self.stamp = (self.now.as_nanos() as i128).max(self.stamp + 1);
        let version = Version { at: self.now, by, stamp: self.stamp, what };
        let versions = self.paths.entry(path.to_owned()).or_default();
        let old = versions.iter().filter(|old| old.at + MEMORY < self.now).count();
        versions.drain(..old.saturating_sub(1));
        versions.push(version);
        self.events.push((by, path.to_owned()));
    }

    fn seen(&self, path: &str, eye: Eye) -> Option<Version> {
        let versions = self.paths.get(path)?;
        let fresh = |version: &&Version| {
            eye.lag.is_zero() || version.by == eye.node || version.at + eye.lag <= self.now
        };
        versions.iter().rev().find(fresh).copied().filter(|version| version.what != What::Gone)
    }

    /// What stands there in truth.
    pub fn what(&self, path: &str) -> What {
        if path.is_empty() {
            return What::Folder;
        }
        self.paths.get(path).and_then(|versions| versions.last()).map_or(What::Gone, |version| version.what)
    }

    fn meta_of(version: Version) -> Meta {
        let (len, folder) = match version.what {
            What::File { len, .. } => (len as u64, false),
            _ => (0, true),
        };
        Meta { len, stamp: version.stamp, folder, regular: !folder }
    }

    pub fn meta(&self, path: &str, eye: Eye) -> Option<Meta> {
        self.seen(path, eye).map(Server::meta_of)
    }

    pub fn list(&self, folder: &str, eye: Eye) -> Option<Vec<Entry>> {
        if !folder.is_empty() && self.seen(folder, eye)?.what != What::Folder {
            return None;
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let within = self.paths.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let names = within.filter(|(path, _)| !path[prefix.len()..].contains('/'));
        let entry = |path: &String| {
            let meta = Server::meta_of(self.seen(path, eye)?);
            Some(Entry { name: path[prefix.len()..].to_owned(), meta })
        };
        Some(names.filter_map(|(path, _)| entry(path)).collect())
    }

    /// The bytes as `eye` sees them. With `holes` an append of somebody else that is younger than that shows its
    /// length and no data.
    pub fn bytes(&self, path: &str, eye: Eye, holes: Duration) -> Option<Vec<u8>> {
        let What::File { inode, len } = self.seen(path, eye)?.what else { return None };
        let file = self.inodes.get(&inode)?;
        let mut bytes = file.bytes[..len.min(file.bytes.len())].to_vec();
        let mut late_parts = vec![];
        for part in file.last.iter().filter(|part| part.by != eye.node) {
            // Each part at a time of its own: the later one may be there before the earlier one.
            let late = holes * ((part.from % 7) as u32 + 1) / 7;
            late_parts.push(part.at + late > self.now);
            if part.at + late > self.now {
                bytes.iter_mut().take(part.to).skip(part.from).for_each(|byte| *byte = 0);
            }
        }
        if late_parts.windows(2).any(|pair| pair[0] && !pair[1]) {
            self.log.count("data before the data that was written before it");
        }
        Some(bytes)
    }

    fn parent_is_there(&self, path: &str) -> bool {
        path.rsplit_once('/').is_none_or(|(parent, _)| self.what(parent) == What::Folder)
    }

    fn fits(&mut self, len: usize) -> usize {
        let fits = self.room.map_or(len, |room| room.min(len));
        self.room = self.room.map(|room| room - fits);
        fits
    }

    /// Makes or replaces a file. `Err`: its folder is missing. `Ok(false)`: no room, nothing changed.
    pub fn write(&mut self, by: usize, path: &str, bytes: &[u8]) -> Result<bool, ()> {
        if !self.parent_is_there(path) {
            return Err(());
        }
        if self.fits(bytes.len()) < bytes.len() {
            return Ok(false);
        }
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, Inode { bytes: bytes.to_vec(), last: vec![] });
        self.put(by, path, What::File { inode: self.next_inode, len: bytes.len() });
        let now = self.now;
        self.rules.wrote(path, bytes, now);
        Ok(true)
    }

    /// Appends through a handle; how many bytes fitted, `None` if the file is not the one of that name any more.
    pub fn append(&mut self, by: usize, path: &str, inode: u64, bytes: &[u8]) -> Option<usize> {
        match self.what(path) {
            What::File { inode: there, .. } if there == inode => {}
            _ => return None,
        }
        let fits = self.fits(bytes.len());
        let now = self.now;
        let file = self.inodes.get_mut(&inode)?;
        self.rules.append(by, path, &file.bytes);
        // A sync writes out all of the file, also what came before.
        self.unanswered.retain(|(unsynced, _)| *unsynced != inode);
        file.last.retain(|part| part.at + MEMORY > now);
        file.last.push(Part { from: file.bytes.len(), to: file.bytes.len() + fits, at: now, by });
        file.bytes.extend_from_slice(&bytes[..fits]);
        let len = file.bytes.len();
        self.put(by, path, What::File { inode, len });
        self.rules.appended(path, &bytes[..fits]);
        Some(fits)
    }

    /// Somebody wrote at what was the end before the last append, as two SMB clients do that append at once: what was
    /// written last is overwritten. Returns whether anything was.
    pub fn overlap(&mut self, by: usize, path: &str, bytes: &[u8]) -> bool {
        let What::File { inode, .. } = self.what(path) else { return false };
        let Some(file) = self.inodes.get_mut(&inode) else { return false };
        let Some(part) = file.last.last().copied() else { return false };
        let end = (part.from + bytes.len()).max(file.bytes.len());
        file.bytes.resize(end, 0);
        file.bytes[part.from..part.from + bytes.len()].copy_from_slice(bytes);
        self.put(by, path, What::File { inode, len: end });
        true
    }

    /// From where on a file was not synced.
    pub fn unsynced_from(&self, inode: u64) -> Option<usize> {
        self.unanswered.iter().filter(|(unsynced, _)| *unsynced == inode).map(|(_, from)| *from).min()
    }

    /// From there on a file is not synced: a power cut may take it back.
    pub fn leave_unsynced(&mut self, inode: u64, from: usize) {
        self.unanswered.push((inode, from));
    }

    /// Gives a file another name. `Ok(false)`: it is not there. `Err`: its new folder is not.
    pub fn rename(&mut self, by: usize, aside: &str, path: &str) -> Result<bool, ()> {
        if !self.parent_is_there(path) {
            return Err(());
        }
        let what @ What::File { .. } = self.what(aside) else { return Ok(false) };
        self.put(by, aside, What::Gone);
        self.put(by, path, what);
        Ok(true)
    }

    pub fn touch(&mut self, by: usize, path: &str) -> Result<(), ()> {
        match self.what(path) {
            What::Gone => self.write(by, path, b"").map(drop),
            what => {
                self.put(by, path, what);
                Ok(())
            }
        }
    }

    pub fn remove(&mut self, by: usize, path: &str) {
        let what = self.what(path);
        if matches!(what, What::File { .. }) {
            self.unsynced.push((path.to_owned(), what));
            self.put(by, path, What::Gone);
        }
    }

    pub fn make_folder(&mut self, by: usize, path: &str) -> Result<(), ()> {
        if !self.parent_is_there(path) {
            return Err(());
        }
        if self.what(path) == What::Gone {
            self.put(by, path, What::Folder);
        }
        Ok(())
    }

    /// The power goes: what was not synced may be undone, and every handle is stale.
    pub fn power_cut(&mut self, rng: &mut Rng) -> usize {
        let mut undone = 0;
        for (path, what) in std::mem::take(&mut self.unsynced) {
            if self.what(&path) == What::Gone && rng.per_mille(500) {
                self.put(usize::MAX, &path, what);
                undone += 1;
            }
        }
        for (inode, from) in std::mem::take(&mut self.unanswered) {
            undone += usize::from(self.forget(inode, from, rng));
        }
        self.rules.forget_locks();
        self.epoch += 1;
        undone
    }

    /// An append that failed at its writer may not be on the disk: its end is gone, or NUL bytes.
    fn forget(&mut self, inode: u64, from: usize, rng: &mut Rng) -> bool {
        let Some(file) = self.inodes.get_mut(&inode).filter(|file| from < file.bytes.len()) else {
            return false;
        };
        match rng.below(3) {
            0 => return false,
            1 => file.bytes.truncate(from + rng.below(file.bytes.len() - from)),
            _ => file.bytes[from..].fill(0),
        }
        let len = file.bytes.len();
        let named =
            |path: &&String| matches!(self.what(path), What::File { inode: there, .. } if there == inode);
        if let Some(path) = self.paths.keys().find(named).cloned() {
            self.put(usize::MAX, &path, What::File { inode, len });
        }
        true
    }

    /// An append through a handle that its writer is told failed.
    pub fn append_unanswered(&mut self, by: usize, path: &str, inode: u64, bytes: &[u8]) {
        let from = self.inodes.get(&inode).map_or(0, |file| file.bytes.len());
        if self.append(by, path, inode, bytes).is_some() {
            self.unanswered.push((inode, from));
        }
    }

    /// What is on the disk has been written out.
    pub fn settle(&mut self) {
        self.unsynced.clear();
        self.unanswered.clear();
    }

    pub fn snapshot(&self) -> Snapshot {
        let there = self.paths.keys().filter(|path| self.what(path) != What::Gone);
        let content = |path: &String| match self.what(path) {
            What::File { inode, .. } => Some(self.inodes[&inode].bytes.clone()),
            _ => None,
        };
        Snapshot { files: there.map(|path| (path.clone(), content(path))).collect() }
    }

    /// Everything is again as it was then. Nobody is told.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let all: Vec<String> = self.paths.keys().cloned().collect();
        for path in all {
            if !snapshot.files.contains_key(&path) {
                self.put(usize::MAX, &path, What::Gone);
            }
        }
        let room = self.room.take();
        for (path, content) in &snapshot.files {
            match content {
                Some(bytes) => drop(self.write(usize::MAX, path, bytes)),
                None if self.what(path) != What::Folder => self.put(usize::MAX, path, What::Folder),
                None => {}
            }
        }
        self.room = room;
        self.unsynced.clear();
        self.unanswered.clear();
        self.rules.forget_locks();
        self.epoch += 1;
    }

    /// Every file that is there.
    pub fn files(&self) -> Vec<(String, u64)> {
        let len = |path: &String| match self.what(path) {
            What::File { len, .. } => Some((path.clone(), len as u64)),
            _ => None,
        };
        self.paths.keys().filter_map(len).collect()
    }
}
