//! Local files: the config, the key, the state folder. Nothing here touches the share.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{platform, private};
use crate::error::{At, Error, Result};

/// The store's name in a state folder.
pub const STORE: &str = "lanpost.db";

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

/// Replaces the content of somebody else's file, which keeps its rights; the former one is kept in `backup`, beside it.
/// A link is followed, and not replaced. There is no moment without a whole file.
pub fn edit(path: &Path, bytes: &[u8], backup: &Path) -> Result<()> {
    let path = &fs::canonicalize(path).at("find", path)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.tmp", std::process::id()));
    let aside = PathBuf::from(aside);
    let former = platform::read(path).at("read", path)?;
    let write = |to: &Path, bytes: &[u8]| {
        let mut file = private::create_like(to, path)?;
        file.write_all(bytes).and_then(|()| file.sync_all())
    };
    write(backup, &former).at("write", backup)?;
    let done = write(&aside, bytes).and_then(|()| platform::rename(&aside, path));
    if done.is_err() {
        let _ = fs::remove_file(&aside);
    }
    done.at("write", path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    platform::sync_folder(folder).at("sync", folder)
}

/// Where a path leads, links followed.
pub fn real(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).at("find", path)
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

/// Creates an empty file that its owner alone may read, wherever it lies; an error if it exists.
pub fn create_owned(path: &Path) -> Result<()> {
    private::create(path, false).map(drop).at("make", path)
}

/// Copies what is in a file into another one, which keeps its rights.
pub fn copy_into(from: &Path, to: &Path) -> Result<()> {
    let mut source = fs::File::open(from).at("open", from)?;
    let target = fs::OpenOptions::new().write(true).truncate(true).open(to);
    let mut target = target.at("write", to)?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).at("write", to)
}

/// A file's length in bytes.
pub fn size(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|meta| meta.len()).at("look at", path)
}

/// The regular files in a folder, with their sizes.
pub fn list(folder: &Path) -> Result<Vec<(String, u64)>> {
    let entries = fs::read_dir(folder).at("list", folder)?;
    let mut files = vec![];
    for entry in entries {
        let entry = entry.at("list", folder)?;
        let meta = entry.metadata().at("look at", &entry.path())?;
        if let Some(name) = entry.file_name().to_str().filter(|_| meta.is_file()) {
            files.push((name.to_owned(), meta.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether `path` lies in `folder` or below, links and `..` followed as far as they are there.
pub fn is_below(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let path = absolute(path);
        let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
        there.map_or(path.clone(), |(above, real)| match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        })
    };
    real(path).starts_with(real(folder))
}

/// A file to be read from its start, in pieces.
pub fn open(path: &Path) -> Result<io::BufReader<fs::File>> {
    fs::File::open(path).map(io::BufReader::new).at("open", path)
}

/// Makes a folder that only its owner may enter. One that exists is closed to others, if it is empty or holds our store:
/// whatever else lies there, in `/tmp` say, is not ours to close.
pub fn private_folder(folder: &Path) -> Result<()> {
    match platform::private_folder(folder) {
        Ok(()) if !private::is_open(folder).at("look at the rights of", folder)? => Ok(()),
        Ok(()) if !folder.join(STORE).exists() && has_entries(folder).at("list", folder)? => {
            let cause = "other users may look into it, and it holds other things than lanpost's";
            Err(Error::usage("keep mail in", folder.display(), cause)
                .next("name a folder of its own, or let its owner alone enter this one: chmod 700"))
        }
        Ok(()) => private::close(folder).at("close to others", folder),
        Err(_) if folder.is_file() => {
            Err(Error::usage("make the folder", folder.display(), "a file stands in its place")
                .next("move it away, or name another folder"))
        }
        Err(error) => Err(error).at("make the folder", folder),
    }
}

fn has_entries(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().transpose()?.is_some())
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

/// Renames a file within its folder, over one that may be there, durably.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    platform::rename(from, to).at("rename", from)?;
    // A bare name lies in the folder that we are in.
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    platform::sync_folder(folder).at("sync", folder)
}

/// Removes a file; one that is not there is removed already.
pub fn remove(path: &Path) -> Result<()> {
    match platform::remove(path) {
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_is_there_is_closed_to_others_unless_it_is_theirs_too() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("state");
        let open = || fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        fs::create_dir(&folder).unwrap();
        open();
        private_folder(&folder).unwrap();
        assert_eq!(mode(), 0o700, "it was empty");
        open();
        fs::write(folder.join("notes"), "").unwrap();
        let said = private_folder(&folder).unwrap_err().to_string();
        assert!(said.contains("other things") && said.contains("chmod 700") && mode() == 0o755, "{said}");
        fs::write(folder.join(STORE), "").unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(), 0o700, "it is ours");
    }
}
