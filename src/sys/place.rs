//! Putting what was fetched into a folder of the user's: under a name of its own, whole or not at all, over nothing.
//!
//! Written beside as `.lanpost-<pid>-<n>.part`, synced, and then given its name by a link, which fails if the name is
//! taken; where there are no links the name is made first, empty, and replaced. A crash leaves the `.part`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{blobs, files, platform};
use crate::error::{At, Error, Kind, Result};
use crate::model::blob::{Blob, Hash};

/// Writes what a file is to hold.
pub type Fill<'a> = dyn FnMut(&mut dyn Write) -> Result<()> + 'a;

/// Names that are tried.
pub const NAMES: u32 = 1_000;

/// A name beside what is to be made in a folder.
fn aside(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".lanpost-{}-{n}.part", std::process::id()))
}

/// Whether a regular file holds these bytes.
pub fn holds(path: &Path, blob: &Blob) -> bool {
    let meta = fs::symlink_metadata(files::long(path));
    if !meta.is_ok_and(|meta| meta.is_file() && meta.len() == blob.size) {
        return false;
    }
    let mut hasher = blake3::Hasher::new();
    let mut hash = |bytes: &[u8]| {
        hasher.update(bytes);
        Ok(())
    };
    let read = platform::open_read(&files::long(path)).and_then(|mut file| blobs::pour(&mut file, &mut hash));
    read.is_ok() && Hash::finish(&hasher) == blob.blake3
}

/// Whether something has this name; a link that leads nowhere, too.
pub fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(files::long(path)).is_ok()
}

/// The names of what lies in a folder and below, `/` between components, files and folders, at most `most`; `None` if it
/// holds more, or anything else.
pub fn inside(folder: &Path, most: usize) -> Option<Vec<String>> {
    let mut names = vec![];
    for entry in walkdir::WalkDir::new(files::long(folder)).min_depth(1) {
        let entry = entry.ok().filter(|entry| entry.file_type().is_file() || entry.file_type().is_dir())?;
        let parts = entry.path().strip_prefix(files::long(folder)).ok()?.components();
        let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
        names.push(parts?.join("/"));
        if names.len() > most {
            return None;
        }
    }
    Some(names)
}

/// Something that is being made in a folder. Dropped before it has its name it is gone.
#[derive(Debug)]
pub struct Placing {
    folder: PathBuf,
    aside: PathBuf,
    placed: bool,
}

impl Placing {
    /// Begins a file, which must be `blob`.
    ///
    /// # Errors
    /// It can't be written, or what `fill` wrote is not that blob.
    pub fn file(folder: &Path, blob: &Blob, fill: &mut Fill) -> Result<Placing> {
        let placing = Placing { folder: folder.to_owned(), aside: aside(folder), placed: false };
        let file = platform::create_new(&files::long(&placing.aside)).at("write into", folder)?;
        let file = filled(file, blob, fill, &placing.aside)?;
        file.sync_all().at("write into", folder)?;
        Ok(placing)
    }

    /// Begins a folder.
    pub fn folder(folder: &Path) -> Result<Placing> {
        let placing = Placing { folder: folder.to_owned(), aside: aside(folder), placed: false };
        fs::create_dir(files::long(&placing.aside)).at("write into", folder)?;
        Ok(placing)
    }

    /// Makes a folder in it, and those above.
    pub fn make_folder(&self, path: &str) -> Result<()> {
        let path = self.within(path);
        fs::create_dir_all(files::long(&path)).at("make the folder", &path)
    }

    /// Makes a file in it, not synced by itself: what a power cut takes can be fetched again.
    ///
    /// # Errors
    /// As for [`Placing::file`].
    pub fn make_file(&self, path: &str, blob: &Blob, fill: &mut Fill) -> Result<()> {
        let path = self.within(path);
        let file = platform::create_new(&files::long(&path)).at("write", &path)?;
        filled(file, blob, fill, &path).map(drop)
    }

    fn within(&self, path: &str) -> PathBuf {
        let mut whole = self.aside.clone();
        whole.extend(path.split('/'));
        whole
    }

    /// Gives it the first of the names, from `name(1)` on, that is not taken; returns where it is.
    pub fn finish(mut self, name: &dyn Fn(u32) -> String) -> Result<PathBuf> {
        for n in 1..=NAMES {
            let path = self.folder.join(name(n));
            match self.give(&path) {
                Ok(()) => {
                    self.placed = true;
                    // Not every file system knows how.
                    let _ = platform::sync_folder(&self.folder);
                    return Ok(path);
                }
                Err(_) if is_taken(&path) => {}
                Err(error) => return Err(error).at("write", &path),
            }
        }
        let cause = format!("{NAMES} names like {} are taken", name(1));
        Err(Error::new(Kind::Io, "write into", self.folder.display(), cause))
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        let (aside, path) = (files::long(&self.aside), files::long(path));
        if aside.is_dir() {
            // Renaming replaces no folder but an empty one.
            return match path.symlink_metadata() {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                // A scanner may have a file in it open, which it soon lets go.
                Err(_) => platform::rename(&aside, &path),
            };
        }
        match fs::hard_link(&aside, &path) {
            // It has its name. If a scanner keeps the other one open, that stays, and no second name is given.
            Ok(()) => {
                let _ = platform::remove(&aside);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // No links here: the name is ours once the empty file is.
            Err(_) => {
                platform::create_new(&path)?;
                platform::rename(&aside, &path).inspect_err(|_| drop(fs::remove_file(&path)))
            }
        }
    }
}

impl Drop for Placing {
    fn drop(&mut self) {
        if !self.placed {
            let aside = files::long(&self.aside);
            let _ = if aside.is_dir() { fs::remove_dir_all(&aside) } else { fs::remove_file(&aside) };
        }
    }
}

/// A file that hears what is written into it, and takes no more than it is to hold.
struct Heard {
    file: File,
    hasher: blake3::Hasher,
    left: u64,
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| io::Error::other("there is more of it than was said"))?;
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn filled(file: File, blob: &Blob, fill: &mut Fill, path: &Path) -> Result<File> {
    let mut heard = Heard { file, hasher: blake3::Hasher::new(), left: blob.size };
    fill(&mut heard)?;
    let hash = Hash::finish(&heard.hasher);
    if heard.left == 0 && hash == blob.blake3 {
        return Ok(heard.file);
    }
    let cause = format!("what is kept of it has the hash {hash}, not {}", blob.blake3);
    Err(Error::new(Kind::Corrupt, "write", path.display(), cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn nothing_is_overwritten_and_no_half_file_stays() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path();
        let blob = Blob::of(b"new");
        let name = |n: u32| if n == 1 { "x".to_owned() } else { format!("x ({n})") };
        fs::write(folder.join("x"), "old").unwrap();
        let of =
            |bytes: &'static [u8]| move |to: &mut dyn Write| to.write_all(bytes).at("write", Path::new("x"));
        let placing = Placing::file(folder, &blob, &mut of(b"new")).unwrap();
        let path = placing.finish(&name).unwrap();
        assert_eq!(
            (fs::read(folder.join("x")).unwrap(), fs::read(&path).unwrap()),
            (b"old".to_vec(), b"new".to_vec())
        );
        assert!(path.ends_with("x (2)") && holds(&path, &blob) && !holds(&folder.join("x"), &blob));
        for wrong in [&b"newer"[..], b"ne", b"old"] {
            assert!(Placing::file(folder, &blob, &mut of(wrong)).is_err());
        }
        assert_eq!(count(folder), 2);
    }

    #[test]
    fn a_folder_appears_whole() {
        let top = tempfile::tempdir().unwrap();
        let placing = Placing::folder(top.path()).unwrap();
        placing.make_folder("a/b").unwrap();
        let mut fill = |to: &mut dyn Write| to.write_all(b"new").at("write", Path::new("x"));
        placing.make_file("a/b/c", &Blob::of(b"new"), &mut fill).unwrap();
        assert!(placing.make_file("a/b/c", &Blob::of(b"new"), &mut fill).is_err());
        let name = |n: u32| format!("data{n}");
        fs::create_dir(top.path().join("data1")).unwrap();
        let path = placing.finish(&name).unwrap();
        assert!(path.ends_with("data2"));
        let mut names = inside(&path, 9).unwrap();
        names.sort();
        assert_eq!(names, ["a", "a/b", "a/b/c"]);
        assert_eq!(inside(&path, 2), None);
        drop(Placing::folder(top.path()).unwrap());
        assert_eq!(count(top.path()), 2);
    }
}
