//! A share that is a folder of this machine: a mounted SMB or NFS share, a UNC path, a plain folder.
//!
//! Every verb opens what it needs anew (but for [`Append`]): a handle that stays open shows stale sizes on NFS for
//! up to a minute. Symbolic links, devices and pipes are never followed or read: they could lead outside or hang.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::platform;
use super::share::{Append, Census, Entry, Meta, Share};
use crate::error::{At, Error, Kind, Result};
use crate::model::layout::SharePath;

/// What to do about a file where a folder of ours belongs.
const IN_THE_WAY: &str = "a file stands in its place: move it away";

/// A folder as a share.
#[derive(Debug)]
pub struct DiskShare {
    root: PathBuf,
    /// Distinguishes what this process writes aside from what another daemon does.
    aside: String,
    /// Whether "not there" may be an old answer; asked once, when it first matters.
    remembers_absence: OnceLock<bool>,
}

impl DiskShare {
    /// The share at `root`; nothing is touched yet. `holder` names us in the names of files written aside.
    pub fn new(root: impl Into<PathBuf>, holder: &str) -> Self {
        let aside = format!("{holder}-{}", std::process::id());
        DiskShare { root: root.into(), aside, remembers_absence: OnceLock::new() }
    }

    fn path(&self, path: &SharePath) -> PathBuf {
        match path.as_str() {
            "" => self.root.clone(),
            relative => self.root.join(relative.replace('/', std::path::MAIN_SEPARATOR_STR)),
        }
    }

    /// Asks for something that may not be there. An NFS client believes that a name is missing for as long as it
    /// believes the folder's attributes, up to a minute; so there the folder's are asked for anew, and then again.
    fn present<T>(&self, path: &Path, ask: impl Fn() -> io::Result<T>) -> io::Result<Option<T>> {
        let found = optional(ask())?;
        if found.is_some() || !self.remembers_absence() {
            return Ok(found);
        }
        let folder = path.parent().unwrap_or(&self.root);
        optional(platform::stat(folder))?;
        optional(ask())
    }

    fn remembers_absence(&self) -> bool {
        *self.remembers_absence.get_or_init(|| platform::remembers_absence(&self.root))
    }

    /// Has the server's view of a folder, where the client would list what it remembers.
    fn refresh(&self, folder: &Path) {
        if self.remembers_absence() {
            let _ = platform::stat(folder);
        }
    }

    fn read_once(&self, path: &Path, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let opened = self.present(path, || platform::open_read(path));
        let Some(file) = opened.at("open", path)? else { return Ok(None) };
        let mut file = regular(file, path)?;
        let mut bytes = Vec::new();
        if from > 0 {
            file.seek(SeekFrom::Start(from)).at("read", path)?;
        }
        file.take(max as u64).read_to_end(&mut bytes).at("read", path)?;
        Ok(Some(bytes))
    }

    fn rename(&self, from: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
        match platform::rename(from, to) {
            Ok(()) => Ok(()),
            // A lost answer looks like a failure (RFC 1813 §4.2): look again before believing it.
            Err(error) => match (from.try_exists(), std::fs::read(to)) {
                (Ok(false), Ok(found)) if found == bytes => Ok(()),
                _ => Err(error),
            },
        }
    }
}

/// "Not there" is an answer; everything else stays an error, and so does a server that is not there.
fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if Kind::of(&error) == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn regular(file: File, path: &Path) -> Result<File> {
    let meta = file.metadata().at("look at", path)?;
    if meta.is_file() {
        Ok(file)
    } else {
        Err(Error::new(Kind::Io, "read", path.display(), "it is not a regular file").next("move it away"))
    }
}

impl Share for DiskShare {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        let path = self.path(path);
        self.present(&path, || platform::stat(&path)).at("look at", &path)
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        let folder = self.path(folder);
        self.refresh(&folder);
        let found = optional(std::fs::read_dir(&folder)).at("list", &folder);
        let found = found.map_err(|error| match folder.is_file() {
            true => error.or_next(IN_THE_WAY),
            false => error,
        });
        let Some(found) = found? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry.at("list", &folder)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // An entry may go between listing and looking.
            if let Some(meta) = optional(platform::entry_meta(&entry)).at("look at", &entry.path())? {
                entries.push(Entry { name, meta });
            }
        }
        Ok(Some(entries))
    }

    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        let folder = self.path(folder);
        self.refresh(&folder);
        let Some(found) = optional(std::fs::read_dir(&folder)).at("list", &folder)? else {
            return Ok(vec![]);
        };
        let names = found.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(|name| name.at("list", &folder).transpose()).collect()
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let path = self.path(path);
        match self.read_once(&path, from, max) {
            // What the handle meant is gone (replaced on the server): what the name means now is asked for.
            Err(error) if error.is_stale() => self.read_once(&path, from, max),
            other => other,
        }
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        let path = self.path(path);
        let file = platform::open_append(&path).at("open", &path)?;
        let file = regular(file, &path)?;
        let len = file.metadata().at("look at", &path)?.len();
        Ok(Box::new(DiskAppend { file, path, len }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        let full = self.path(path);
        match platform::create_new(&full) {
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                if written.is_err() {
                    // A half-written file must not stay in the place that others judge by its existence.
                    let _ = std::fs::remove_file(&full);
                }
                written.at("write", &full)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).at("create", &full),
        }
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        let target = self.path(path);
        let aside = self.path(&path.aside(&self.aside));
        // Created anew: a leftover of a crash goes, a link that somebody put there is not written through.
        let fresh = || platform::create_new(&aside);
        let created = match fresh() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                platform::remove(&aside).and_then(|()| fresh())
            }
            other => other,
        };
        let done = created
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| self.rename(&aside, &target, bytes));
        if done.is_err() {
            let _ = std::fs::remove_file(&aside);
        }
        done.at("replace", &target)
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        let path = self.path(path);
        match platform::touch(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                platform::open_append(&path).map(drop).at("create", &path)
            }
            other => other.at("touch", &path),
        }
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        let path = self.path(path);
        optional(platform::remove(&path)).map(drop).at("remove", &path)
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        let path = self.path(path);
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::io("make the folder", &path, error).next(IN_THE_WAY))
            }
            Err(error) => Err(error).at("make the folder", &path),
        }
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        let mut census = Census::default();
        for entry in walkdir::WalkDir::new(&self.root).min_depth(1).max_depth(4) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&self.root).to_owned();
                Error::io("walk", &path, error.into())
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            if census.files.len() == limit {
                census.cut = true;
                break;
            }
            let relative = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
            let relative = relative.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            census.files.push((relative, entry.metadata().map_or(0, |meta| meta.len())));
        }
        Ok(census)
    }
}

struct DiskAppend {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Append for DiskAppend {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write(bytes).at("append to", &self.path)?;
        if written != bytes.len() {
            let cause = format!("only {written} of {} bytes were taken", bytes.len());
            return Err(Error::new(Kind::Full, "append to", self.path.display(), cause));
        }
        self.file.sync_data().at("sync", &self.path)?;
        self.len += written as u64;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}
