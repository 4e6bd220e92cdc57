//! The fallback for platforms without an arm of their own (macOS, the BSDs): the standard library alone.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::reach::{Client, refuse_links};
use super::share::Meta;
use crate::model::mount::Mount;

/// Metadata as the system gives it; a mount that caches attributes may answer late.
pub fn stat(path: &Path) -> io::Result<Meta> {
    let meta = std::fs::symlink_metadata(path)?;
    let stamp = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    Ok(Meta { len: meta.len(), stamp, folder: meta.is_dir(), regular: meta.is_file() })
}

/// A folder held open: not done here.
#[derive(Debug)]
pub enum Folder {}

impl Folder {
    /// None: every file is reached by its path, on which no folder `below` the root is a link.
    pub fn open(root: &Path, below: &str) -> io::Result<Option<Folder>> {
        refuse_links(root, below).map(|()| None)
    }

    /// A path to it that begins at the open folder.
    pub fn path(&self) -> PathBuf {
        match *self {}
    }

    /// Whether it was deleted since.
    pub fn is_deleted(&self) -> bool {
        match *self {}
    }
}

/// A file held by its name: not done here.
#[derive(Debug)]
pub enum Known {}

impl Known {
    /// None: every file is looked up anew.
    pub fn open(_path: &Path) -> Option<Known> {
        None
    }

    /// Its metadata.
    pub fn stat(&self) -> io::Result<Meta> {
        match *self {}
    }

    /// Sets its modification time.
    pub fn touch(&self) -> io::Result<()> {
        match *self {}
    }
}

/// What brings the files here: not known.
pub fn client(_root: &Path) -> Client {
    Client::Plain
}

/// A listing carries no sizes here, so each entry is asked for.
pub fn entry_meta(entry: &DirEntry) -> io::Result<Meta> {
    stat(&entry.path())
}

/// Opens for reading.
pub fn open_read(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    File::open(path)
}

/// Opens for appending, creating the file.
pub fn open_append(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    OpenOptions::new().append(true).create(true).open(path)
}

fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => Err(io::Error::other("it is not a regular file")),
        _ => Ok(()),
    }
}

/// Reads a local file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Sets the modification time to now.
pub fn touch(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_modified(SystemTime::now())
}

/// Creates a file that must not exist yet.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Removes an empty folder.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    std::fs::remove_dir(path)
}

/// Renames over what is there.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Makes a name in a local folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A path for any call: it may be as long as it is.
pub fn long(path: &Path) -> Cow<'_, Path> {
    path.into()
}

/// Makes a folder and its parents.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Creates a new file.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Pipes carry what the locale says, and that is UTF-8.
pub const PIPES_ARE_UTF8: bool = true;

/// The number of the user whose file or folder this is.
pub fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|meta| meta.uid())
}

/// The number that a file keeps for as long as it lives; a copy of it has another one.
pub fn file_number(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| std::os::unix::fs::MetadataExt::ino(&meta))
}

/// The number of the user who runs this process.
pub fn user() -> Option<u32> {
    Some(rustix::process::getuid().as_raw())
}

/// The PC's name.
pub fn host_name() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "unknown".into())
}

/// Nothing to do: a child is ended alone here.
pub fn isolate(_command: &mut Command) {}

/// Nothing to do: whoever started the child ends it.
pub fn kill_tree(_pid: u32) {}

/// Asks a process to stop, as a service manager would.
pub fn terminate(pid: u32) {
    let _ = Command::new("kill").arg(pid.to_string()).output();
}

/// The mount of an absolute path: not known here.
pub fn mount(_path: &Path) -> Mount {
    Mount::default()
}

/// The permission bits: not known here.
pub fn rights(_path: &Path) -> Option<u32> {
    None
}

/// Errors that mean: nothing here can have that name. EILSEQ as macOS and the BSDs number it.
pub const NO_NAME: [i32; 2] = [92, 86];

/// A name made of the bytes that the system gave, if they are Unicode.
pub fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

/// Nothing: this system can't ask a server for changes.
pub const NOT_ANNOUNCED: [i32; 0] = [];

/// A folder that nobody tells of.
pub struct ChangeNotify;

impl ChangeNotify {
    /// Refuses.
    pub fn open(_folder: &Path) -> io::Result<ChangeNotify> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Refuses.
    pub fn wait(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_does_what_its_siblings_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/x");
        private_folder(path.parent().unwrap()).unwrap();
        drop(private_file(&path).unwrap());
        assert!(private_file(&path).is_err(), "must not exist yet");
        drop(open_append(&path).unwrap());
        assert_eq!((read(&path).unwrap(), &*long(&path)), (vec![], path.as_path()));
        touch(&path).unwrap();
        rename(&path, &folder.path().join("y")).unwrap();
        assert_eq!(client(folder.path()), Client::Plain);
        std::fs::create_dir(folder.path().join("held")).unwrap();
        let held = Folder::open(folder.path(), "held").unwrap();
        assert!(held.is_none_or(|held| held.is_deleted() && held.path().is_absolute()), "none is held");
        remove_folder(&folder.path().join("held")).unwrap();
        let known = Known::open(&folder.path().join("y"));
        assert!(known.is_none_or(|known| known.stat().is_ok() && known.touch().is_ok()), "none is held");
        assert!(create_new(&folder.path().join("y")).is_err(), "must not exist yet");
        drop(create_new(&folder.path().join("z")).unwrap());
        remove(&folder.path().join("z")).unwrap();
        sync_folder(folder.path()).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| entry_meta(&e.unwrap())).collect();
        assert_eq!(names.len(), 2);
        assert!(open_read(&folder.path().join("new")).is_err(), "a folder is not a file");
        assert!(remove_folder(folder.path()).is_err(), "it is not empty");
        assert!(!host_name().is_empty() && PIPES_ARE_UTF8);
        assert_eq!(owner(folder.path()), user());
        assert_ne!(file_number(folder.path()), file_number(&folder.path().join("y")));
        assert_eq!((mount(folder.path()), rights(folder.path())), (Mount::default(), None));
        assert!(ChangeNotify::open(folder.path()).is_err() && ChangeNotify.wait().is_err());
        assert!(NOT_ANNOUNCED.is_empty() && !NO_NAME.contains(&0));
        assert_eq!(os_string("é".into()), Some("é".into()));
        assert_eq!(os_string(vec![0xE9]), None, "other systems have no such names");
        isolate(&mut Command::new("true"));
        kill_tree(0);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        terminate(child.id());
        assert!(!child.wait().unwrap().success());
    }
}
