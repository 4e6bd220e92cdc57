//! Local files: the config, the key, the state folder. Nothing here touches the share.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::platform;
use crate::error::{At, Error, Result};

/// A file's bytes; `None` if it isn't there.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match platform::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// Replaces a file whole: written aside, synced, renamed; the folder is made if need be.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).at("make the folder", folder)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.tmp", std::process::id()));
    let aside = PathBuf::from(aside);
    let done = fs::File::create(&aside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| platform::rename(&aside, path));
    if done.is_err() {
        let _ = fs::remove_file(&aside);
    }
    done.at("write", path)?;
    platform::sync_folder(folder).at("sync", folder)
}

/// Creates a file that only its owner may read; an error if it exists.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = platform::private_file(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.at("write", path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    platform::sync_folder(folder).at("sync", folder)
}

/// Makes a folder that only its owner may enter; one that exists is fine.
pub fn private_folder(folder: &Path) -> Result<()> {
    match platform::private_folder(folder) {
        Ok(()) => Ok(()),
        Err(_) if folder.is_file() => {
            Err(Error::usage("make the folder", folder.display(), "a file stands in its place")
                .next("move it away, or name another folder"))
        }
        Err(error) => Err(error).at("make the folder", folder),
    }
}

/// Gives a local file a new modification time, creating it: the bell between a command and the daemon.
pub fn touch(path: &Path) -> Result<()> {
    match platform::touch(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::write(path, b"").at("touch", path),
        other => other.at("touch", path),
    }
}

/// Whether a path is a folder.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Whether anything stands at a path.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// A path for callers of the system that know no more than 260 characters of an ordinary one on Windows. For calls only:
/// people are shown the path itself.
pub fn long(path: &Path) -> Cow<'_, Path> {
    platform::long(path)
}

/// A path made absolute against the current folder, without asking the disk (a share may be away).
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes a new, empty, private folder for a demonstration, under the system's temporary folder.
pub fn temporary_folder(label: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("{label}-{}", std::process::id()));
    private_folder(&path)?;
    Ok(path)
}

/// Where a file is, in a word that a copy of it does not have: its path, and its number on the disk (or, where files
/// have none that is asked for, the PC).
pub fn place(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let number = platform::file_number(&path).map(|number| number.to_string());
    format!("{} {}", number.unwrap_or_else(platform::host_name), path.display())
}

/// The number of the user whose file or folder this is; `None` where users have no numbers.
pub fn owner(path: &Path) -> Option<u32> {
    platform::owner(path)
}

/// Renames a file within its folder, over one that may be there.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    platform::rename(from, to).at("rename", from)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    platform::sync_folder(folder).at("sync", folder)
}

/// Removes a file; one that is not there is removed already.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.at("remove", path),
    }
}

/// Removes a folder and all in it.
pub fn remove_folder(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).at("remove", folder)
}

/// Makes a folder and its parents with ordinary rights.
pub fn make_folders(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).at("make the folder", folder)
}
