//! A share that is a folder of this machine: a mounted SMB or NFS share, a UNC path, a plain folder.
//!
//! Every verb opens the file it needs anew (but for [`Append`]): a handle that stays open shows stale sizes on NFS for
//! up to a minute. Folders are held open (`Folders`). Symbolic links, devices and pipes are never followed or read: they could lead outside or hang.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::platform;
use super::reach::{Client, Folders, Place, refused_link};
use super::root::{Choice, Root};
use super::seek::{self, is_absent};
use super::share::{Append, Census, Entry, Meta, Share};
use crate::error::{At, Error, Kind, Result};
use crate::model::layout::{self, SharePath};

/// What to do about a file where a folder of ours belongs.
const IN_THE_WAY: &str = "a file stands in its place: move it away";

/// Folders that are walked.
const FOLDERS: usize = 5_000;

/// Attempts to look at a file that is being replaced.
const REPLACED: u32 = 5;

/// A folder as a share.
#[derive(Debug)]
pub struct DiskShare {
    folders: Folders,
    /// Distinguishes what this process writes aside from what another daemon does.
    aside: String,
}

impl DiskShare {
    /// The share at `root`; nothing is touched yet. `holder` names us in the names of files written aside.
    pub fn new(root: impl Into<Root>, holder: &str) -> Self {
        let aside = format!("{holder}-{}", std::process::id());
        DiskShare { folders: Folders::new(root.into()), aside }
    }

    /// Where a verb that changes something works: a folder that was deleted meanwhile is let go of first.
    fn place(&self, path: &SharePath) -> io::Result<Place> {
        let place = self.folders.file(path)?;
        if !place.is_void() {
            return Ok(place);
        }
        self.folders.let_go();
        self.folders.file(path)
    }

    /// The same for a verb whose errors say what it was about to do.
    fn place_to(&self, deed: &str, path: &SharePath) -> Result<Place> {
        self.place(path).at(deed, &self.folders.shown(path))
    }

    /// Asks for something that may not be there. Where "not there" may be an old answer, the folder's attributes are
    /// asked for anew, and then it again.
    fn present<T>(&self, place: &Place, ask: impl Fn(&Path) -> io::Result<T>) -> io::Result<Option<T>> {
        let found = optional(ask(place.path()))?;
        if found.is_some() || !self.remembers_absence() {
            return Ok(found);
        }
        optional(platform::stat(&place.folder()))?;
        optional(ask(place.path()))
    }

    /// The same for a file of the share. What a held folder does not have, or can't be asked for, is asked for again
    /// if that folder is gone.
    fn find<T>(
        &self,
        path: &SharePath,
        deed: &str,
        ask: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<Option<T>> {
        let shown = self.folders.shown(path);
        let Some(place) = optional(self.folders.file(path)).at(deed, &shown)? else { return Ok(None) };
        let found = self.present(&place, &ask).at(deed, &shown);
        let gone = match &found {
            Ok(Some(_)) => false,
            Ok(None) => place.is_void(),
            Err(error) => error.is_stale(),
        };
        if !gone {
            return found;
        }
        self.folders.let_go();
        let Some(place) = optional(self.folders.file(path)).at(deed, &shown)? else { return Ok(None) };
        self.present(&place, &ask).at(deed, &shown)
    }

    /// Does something with a file that is held; `None` if none is, or what was held is not that file any more.
    fn by_name<T>(&self, path: &SharePath, deed: impl Fn(&platform::Known) -> io::Result<T>) -> Option<T> {
        let known = self.folders.known(path)?;
        let done = deed(&known).ok();
        if done.is_none() {
            self.folders.forget(path);
        }
        done
    }

    /// Asks something that the root answers if it is there at all. If it isn't, it may be there by another name.
    fn of_root<T>(&self, ask: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
        self.folders.root().settle();
        let found = ask()?;
        if found.is_some() || !self.folders.root().seek()? {
            return Ok(found);
        }
        self.folders.let_go();
        ask()
    }

    /// Whether "not there" may be an old answer.
    fn remembers_absence(&self) -> bool {
        self.folders.client() == Client::Nfs
    }

    /// Has the server's view of a folder, where the client would list what it remembers.
    fn refresh(&self, folder: &Path) {
        if self.remembers_absence() {
            let _ = platform::stat(&folder.join("."));
        }
    }

    fn read_once(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.find(path, "open", platform::open_read)? else { return Ok(None) };
        let shown = self.folders.shown(path);
        let mut file = regular(file, &shown)?;
        let there = file.metadata().at("look at", &shown)?.len().saturating_sub(from);
        // With room for all of it a large piece is one read of the system's, or a few.
        let mut bytes = Vec::with_capacity(usize::try_from(there).unwrap_or(max).min(max));
        if from > 0 {
            file.seek(SeekFrom::Start(from)).at("read", &shown)?;
        }
        file.take(max as u64).read_to_end(&mut bytes).at("read", &shown)?;
        Ok(Some(bytes))
    }

    /// Reads a folder's entries.
    fn entries(&self, folder: &SharePath) -> Result<Option<std::fs::ReadDir>> {
        match *folder == layout::root() {
            true => self.of_root(|| self.entries_now(folder)),
            false => self.entries_now(folder),
        }
    }

    /// Those of a folder that was deleted while it was held are asked for again.
    fn entries_now(&self, folder: &SharePath) -> Result<Option<std::fs::ReadDir>> {
        let shown = self.folders.shown(folder);
        let open = || {
            let Some(place) = optional(self.folders.listed(folder))? else { return Ok((None, false)) };
            self.refresh(place.path());
            let listed = std::fs::read_dir(place.path()).map_err(|error| match error.kind() {
                // What Wine says of a file: not that nothing is there.
                io::ErrorKind::InvalidFilename if place.path().is_file() => {
                    io::ErrorKind::NotADirectory.into()
                }
                _ => error,
            });
            optional(listed).map(|listed| (listed, place.is_void()))
        };
        let mut found = open().at("list", &shown);
        if found.as_ref().map_or_else(Error::is_stale, |(_, void)| *void) {
            self.folders.let_go();
            found = open().at("list", &shown);
        }
        found.map(|(listed, _)| listed).map_err(|error| match shown.is_file() {
            true => error.or_next(IN_THE_WAY),
            false => error,
        })
    }

    fn rename(&self, from: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
        // A lost answer looks like a failure (RFC 1813 §4.2): look again before believing it.
        platform::rename(from, to).or_else(|error| match (from.try_exists(), holds(to, bytes)) {
            (Ok(false), Ok(true)) => Ok(()),
            _ => Err(error),
        })
    }
}

/// Asks again as long as what a handle meant is gone, replaced on the server in the middle of the question.
fn again<T>(ask: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 1..REPLACED {
        match ask() {
            Err(error) if error.is_stale() => {}
            other => return other,
        }
    }
    ask()
}

/// "Not there" is an answer; everything else stays an error, and so does a server that is not there.
fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file holds these bytes and no more.
fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut found = Vec::new();
    platform::open_read(path)?.take(bytes.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == bytes)
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
        seek::shown(self.folders.root().typed())
    }

    fn choice(&self) -> Option<Choice> {
        self.folders.root().choice()
    }

    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        if let Some(meta) = self.by_name(path, platform::Known::stat) {
            return Ok(Some(meta));
        }
        // The root may be a link to the share; nothing below it may be one.
        let of_root = |root: &Path| {
            let meta = platform::stat(root)?;
            Ok(if meta.folder { meta } else { platform::stat(&root.join(".")).unwrap_or(meta) })
        };
        match *path == layout::root() {
            true => self.find(path, "look at", of_root),
            false => again(|| self.find(path, "look at", platform::stat)),
        }
    }

    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.list_those(folder, &mut |_| true)
    }

    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        let Some(found) = self.entries(folder)? else { return Ok(None) };
        let shown = self.folders.shown(folder);
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry.at("list", &shown)?;
            let Some(name) = entry.file_name().into_string().ok().filter(|name| wanted(name)) else {
                continue;
            };
            // An entry may go between listing and looking.
            if let Some(meta) = optional(platform::entry_meta(&entry)).at("look at", &shown.join(&name))? {
                entries.push(Entry { name, meta });
            }
        }
        Ok(Some(entries))
    }

    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        let Some(found) = self.entries(folder)? else { return Ok(vec![]) };
        let shown = self.folders.shown(folder);
        let names = found.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(|name| name.at("list", &shown).transpose()).collect()
    }

    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        if *path == layout::identity() {
            // Whether the share is the one we know is asked by the path, and so is everything after it.
            self.folders.let_go();
            return self.of_root(|| again(|| self.read_once(path, from, max)));
        }
        again(|| self.read_once(path, from, max))
    }

    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        let place = self.place_to("open", path)?;
        let file = platform::open_append(place.path()).at("open", &place.shown)?;
        let file = regular(file, &place.shown)?;
        let len = file.metadata().at("look at", &place.shown)?.len();
        Ok(Box::new(DiskAppend { file, path: place.shown, len }))
    }

    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        let place = self.place_to("create", path)?;
        match platform::create_new(place.path()) {
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                if written.is_err() {
                    // A half-written file must not stay in the place that others judge by its existence.
                    let _ = std::fs::remove_file(place.path());
                }
                written.at("write", &place.shown)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).at("create", &place.shown),
        }
    }

    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        let target = self.place_to("replace", path)?;
        let aside = self.place_to("replace", &path.aside(&self.aside))?;
        // Created anew: a leftover of a crash goes, a link that somebody put there is not written through.
        let fresh = || platform::create_new(aside.path());
        let created = match fresh() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                platform::remove(aside.path()).and_then(|()| fresh())
            }
            other => other,
        };
        let done = created
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| self.rename(aside.path(), target.path(), bytes));
        if done.is_err() {
            let _ = std::fs::remove_file(aside.path());
        }
        done.at("replace", &target.shown)
    }

    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        let deed = "put in its place";
        let (from, to) = (self.place_to(deed, aside)?, self.place_to(deed, path)?);
        platform::rename(from.path(), to.path())
            .or_else(|error| match (from.path().try_exists(), platform::stat(to.path())) {
                // The answer was lost.
                (Ok(false), Ok(there)) if there.regular && there.len == len => Ok(()),
                _ => Err(error),
            })
            .at(deed, &to.shown)
    }

    fn touch(&self, path: &SharePath) -> Result<()> {
        if self.by_name(path, platform::Known::touch).is_some() {
            return Ok(());
        }
        let place = self.place_to("touch", path)?;
        match platform::touch(place.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                platform::open_append(place.path()).map(drop).at("create", &place.shown)
            }
            other => other.at("touch", &place.shown),
        }
    }

    fn remove(&self, path: &SharePath) -> Result<()> {
        let shown = self.folders.shown(path);
        let Some(place) = optional(self.place(path)).at("remove", &shown)? else { return Ok(()) };
        let removed = match platform::remove(place.path()) {
            Err(_) if place.path().symlink_metadata().is_ok_and(|meta| meta.is_dir()) => {
                // Some servers don't remove what is held open.
                self.folders.let_go();
                self.place(path).and_then(|place| platform::remove_folder(place.path()))
            }
            other => other,
        };
        optional(removed).map(drop).at("remove", &shown)
    }

    fn make_folder(&self, path: &SharePath) -> Result<()> {
        let deed = "make the folder";
        let place = self.place_to(deed, path)?;
        let error = match std::fs::create_dir(place.path()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => error,
            done => return done.at(deed, &place.shown),
        };
        match place.path().symlink_metadata() {
            Ok(there) if there.is_dir() => Ok(()),
            Ok(there) if there.is_symlink() => Err(refused_link()).at(deed, &place.shown),
            _ => Err(Error::io(deed, &place.shown, error).next(IN_THE_WAY)),
        }
    }

    fn walk(&self, limit: usize) -> Result<Census> {
        let (mut census, mut folders) = (Census::default(), 0);
        let root = self.folders.root().path();
        for entry in walkdir::WalkDir::new(&root).min_depth(1).max_depth(4) {
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(&root).to_owned();
                Error::io("walk", &path, error.into())
            })?;
            let folder = entry.file_type().is_dir();
            // A million of empty folders is as long a walk.
            folders += usize::from(folder);
            if folders > FOLDERS || !folder && census.files.len() == limit {
                census.cut = true;
                break;
            }
            if folder {
                continue;
            }
            let relative = entry.path().strip_prefix(&root).unwrap_or(entry.path());
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
        self.write(bytes)?;
        self.file.sync_data().at("sync", &self.path)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write(bytes).at("append to", &self.path)?;
        if written != bytes.len() {
            let cause = format!("only {written} of {} bytes were taken", bytes.len());
            return Err(Error::new(Kind::Full, "append to", self.path.display(), cause));
        }
        self.len += written as u64;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}
