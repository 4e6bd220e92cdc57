//! The blobs that are kept in the state folder: what is to be put on the share, and what was fetched from there.
//!
//! ```text
//! files/<2 hex>/<hash>         whole, verified, synced; never changed
//! files/<2 hex>/<hash>.part    the beginning of one that is being fetched, which is gone on with
//! files/<pid>-<n>.new          one whose hash is not known yet
//! ```
//! Writers: the daemon and commands of one instance. A crash leaves a `.part`, which is hashed again before it is gone on
//! with, or a `.new`, which [`Blobs::tidy`] removes. Memory is bounded whatever the size.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{files, platform};
use crate::error::{At, Result};
use crate::model::blob::{Blob, Hash};

/// Bytes that are read or written at once.
const PIECE: usize = 1 << 20;
/// The folder's name in a state folder.
const FOLDER: &str = "files";
const PART: &str = "part";
const NEW: &str = "new";

/// The blobs of one state folder.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// Those of the state folder `state`; nothing is touched yet.
    pub fn of(state: &Path) -> Blobs {
        Blobs { folder: state.join(FOLDER) }
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        let hash = hash.to_string();
        self.folder.join(&hash[..2]).join(hash)
    }

    /// Whether a blob is kept, by its name and size: it was verified before it got that name. Disks rot, so what is to be
    /// promised to somebody takes [`Blobs::sound`].
    pub fn has(&self, blob: &Blob) -> bool {
        let path = self.path(&blob.blake3);
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == blob.size)
    }

    /// The size of a blob that is kept and is what its name says: it is read and hashed. A rotten one is removed, so that it
    /// can be had anew; `None` then, and if there is none.
    ///
    /// # Errors
    /// It can't be opened, or is rotten and can't be removed.
    pub fn sound(&self, hash: &Hash) -> Result<Option<u64>> {
        let path = self.path(hash);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.at("open", &path)?,
        };
        let mut hasher = blake3::Hasher::new();
        let read = pour(&mut file, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        });
        // Windows removes nothing that is open.
        drop(file);
        // What can't be read any more is as bad as what reads otherwise.
        match read.ok().filter(|_| Hash::finish(&hasher) == *hash) {
            Some(size) => Ok(Some(size)),
            None => files::remove(&path).map(|()| None),
        }
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// It is not kept, or can't be read.
    pub fn open(&self, blob: &Blob) -> Result<Source> {
        let path = self.path(&blob.blake3);
        Ok(Source { file: File::open(&path).at("open", &path)?, path })
    }

    /// Begins a blob whose hash is not known yet.
    pub fn begin(&self) -> Result<NewBlob> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        files::private_folder(&self.folder)?;
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{}-{n}.{NEW}", std::process::id()));
        // A leftover of a process that had this number.
        files::remove(&path)?;
        let file = platform::create_new(&path).at("create", &path)?;
        let (file, hasher) = (Some(file), blake3::Hasher::new());
        Ok(NewBlob { blobs: self.clone(), file, path, hasher, len: 0, parted: false })
    }

    /// Goes on with a blob that is being fetched: what is there of it is hashed, in pieces.
    pub fn resume(&self, hash: &Hash) -> Result<NewBlob> {
        let path = self.part(hash);
        files::private_folder(&self.folder)?;
        files::make_folders(path.parent().unwrap_or(&self.folder))?;
        let mut hasher = blake3::Hasher::new();
        let mut len = 0;
        if files::exists(&path) {
            let mut file = File::open(&path).at("open", &path)?;
            len = pour(&mut file, &mut |bytes| {
                hasher.update(bytes);
                Ok(())
            })
            .at("read", &path)?;
        }
        let file = platform::open_append(&path).at("open", &path)?;
        Ok(NewBlob { blobs: self.clone(), file: Some(file), path, hasher, len, parted: true })
    }

    /// Gives up what was fetched of a blob.
    pub fn abandon(&self, hash: &Hash) -> Result<()> {
        files::remove(&self.part(hash))
    }

    fn part(&self, hash: &Hash) -> PathBuf {
        self.path(hash).with_extension(PART)
    }

    /// Removes a blob; one that is not there is removed already.
    pub fn remove(&self, hash: &Hash) -> Result<()> {
        files::remove(&self.path(hash))
    }

    /// Removes what nobody knows of: whole blobs that are not `known`, and beginnings, that were last touched longer than
    /// `age` ago. Returns how many.
    pub fn tidy(&self, age: Duration, known: &dyn Fn(&Hash) -> bool) -> Result<usize> {
        let mut removed = 0;
        for entry in walkdir::WalkDir::new(&self.folder).min_depth(1).max_depth(2).into_iter().flatten() {
            let name = entry.file_name().to_string_lossy();
            let whole = name.parse::<Hash>().ok();
            let ours = whole.is_some() || name.ends_with(PART) || name.ends_with(NEW);
            let old = entry.metadata().is_ok_and(|meta| {
                meta.is_file()
                    && meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|passed| passed > age))
            });
            if ours && old && !whole.is_some_and(|hash| known(&hash)) {
                files::remove(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// A blob that is read.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: PathBuf,
}

impl Source {
    /// Up to `max` bytes from offset `from`.
    pub fn read_at(&mut self, from: u64, max: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(max);
        let read = self.file.seek(SeekFrom::Start(from)).and_then(|_| {
            let mut rest = (&mut self.file).take(max as u64);
            rest.read_to_end(&mut bytes)
        });
        read.at("read", &self.path).map(|_| bytes)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

/// A blob that is being written. Dropped before it is whole it is gone, but for one that is being fetched.
#[derive(Debug)]
pub struct NewBlob {
    blobs: Blobs,
    /// Open until it is whole.
    file: Option<File>,
    path: PathBuf,
    hasher: blake3::Hasher,
    len: u64,
    parted: bool,
}

impl NewBlob {
    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).at("write", &self.path)?;
        }
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// What was written so far, by its hash.
    pub fn blob(&self) -> Blob {
        Blob { size: self.len, blake3: Hash::finish(&self.hasher) }
    }

    /// Keeps it under its hash, on stable storage when this returns. One that is kept already stays, unless it is rotten.
    pub fn finish(mut self) -> Result<Blob> {
        let blob = self.blob();
        // Windows renames and removes nothing that is open.
        let file = self.file.take();
        if self.blobs.sound(&blob.blake3)?.is_some() {
            drop(file);
            files::remove(&self.path)?;
        } else {
            file.iter().try_for_each(File::sync_all).at("sync", &self.path)?;
            drop(file);
            let path = self.blobs.path(&blob.blake3);
            files::make_folders(path.parent().unwrap_or(&self.blobs.folder))?;
            files::rename(&self.path, &path)?;
            platform::sync_folder(&self.blobs.folder).at("sync", &self.blobs.folder)?;
        }
        Ok(blob)
    }
}

impl Write for NewBlob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if !self.parted {
            self.file = None;
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads all there is, in pieces; returns how many bytes.
pub fn pour(from: &mut dyn Read, into: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut all = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(read) => {
                into(&buffer[..read])?;
                all += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_kept_once_under_its_hash() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::of(state.path());
        let keep = |bytes: &[u8]| {
            let mut new = blobs.begin().unwrap();
            new.write_all(bytes).unwrap();
            new.finish().unwrap()
        };
        let blob = keep(b"some bytes");
        assert_eq!(blob, Blob::of(b"some bytes"));
        assert_eq!(keep(b"some bytes"), blob);
        assert!(blobs.has(&blob) && !blobs.has(&Blob { size: 1, ..blob }));
        assert_eq!(blobs.open(&blob).unwrap().read_at(5, 99).unwrap(), b"bytes");
        drop(blobs.begin().unwrap());
        let left =
            walkdir::WalkDir::new(state.path()).into_iter().filter(|e| e.as_ref().unwrap().path().is_file());
        assert_eq!(left.count(), 1, "what was given up is gone");
        blobs.remove(&blob.blake3).unwrap();
        blobs.remove(&blob.blake3).unwrap();
        assert!(!blobs.has(&blob));
    }

    #[test]
    fn a_rotten_blob_makes_way_for_a_good_one() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::of(state.path());
        let keep = || {
            let mut new = blobs.begin().unwrap();
            new.write_all(b"some bytes").unwrap();
            new.finish().unwrap()
        };
        let blob = keep();
        let rot = || fs::write(blobs.path(&blob.blake3), b"same bytes").unwrap();
        assert_eq!(blobs.sound(&blob.blake3).unwrap(), Some(10));
        rot();
        assert_eq!(keep(), blob);
        assert_eq!(blobs.sound(&blob.blake3).unwrap(), Some(10), "it was written anew");
        rot();
        assert_eq!((blobs.sound(&blob.blake3).unwrap(), blobs.has(&blob)), (None, false));
        assert_eq!(blobs.sound(&blob.blake3).unwrap(), None);
    }

    #[test]
    fn what_is_being_fetched_is_gone_on_with_and_old_leftovers_go() {
        let state = tempfile::tempdir().unwrap();
        let blobs = Blobs::of(state.path());
        let blob = Blob::of(b"first second");
        let mut part = blobs.resume(&blob.blake3).unwrap();
        part.add(b"first ").unwrap();
        drop(part);
        let mut part = blobs.resume(&blob.blake3).unwrap();
        assert_eq!(part.len(), 6);
        part.add(b"second").unwrap();
        assert_eq!((part.blob(), blobs.has(&blob)), (blob, false));
        part.finish().unwrap();
        assert!(blobs.has(&blob));
        blobs.resume(&Hash::of(b"x")).unwrap().add(b"y").unwrap();
        let known = |hash: &Hash| *hash == blob.blake3;
        assert_eq!(blobs.tidy(Duration::from_secs(60), &|_| false).unwrap(), 0, "too young");
        assert_eq!(blobs.tidy(Duration::ZERO, &known).unwrap(), 1);
        assert!(blobs.has(&blob) && blobs.resume(&Hash::of(b"x")).unwrap().is_empty());
    }
}
