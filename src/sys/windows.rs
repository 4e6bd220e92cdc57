//! What only Windows does: renames that meet a virus scanner's handle, listings that carry sizes.
//!
//! The standard library opens with all three share modes, so our readers never block a writer or a delete.

use std::ffi::OsString;
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::login;
use super::reach::Client;
use super::share::Meta;
use crate::model::mount::{self, Mount};

/// How long a file may stay open in a scanner or indexer before a rename gives up.
const PATIENCE: Duration = Duration::from_secs(2);
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

fn meta_of(meta: &std::fs::Metadata) -> io::Result<Meta> {
    let stamp = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    Ok(Meta { len: meta.len(), stamp, folder: meta.is_dir() })
}

/// Metadata through a new handle, which asks the server.
pub fn stat(path: &Path) -> io::Result<Meta> {
    meta_of(&std::fs::symlink_metadata(path)?)
}

/// A folder held open: not done here.
#[derive(Debug)]
pub enum Folder {}

impl Folder {
    /// None: every file is reached by its path.
    pub fn open(_path: &Path) -> Option<Folder> {
        None
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

/// What brings the files here. The redirector remembers what is not there (`FileNotFoundCacheLifetime`), but for 5 s,
/// which is short enough to wait for.
pub fn client(_root: &Path) -> Client {
    Client::Plain
}

/// The listing itself brings sizes and times, from the server.
pub fn entry_meta(entry: &DirEntry) -> io::Result<Meta> {
    meta_of(&entry.metadata()?)
}

/// Opens for reading.
pub fn open_read(path: &Path) -> io::Result<File> {
    retrying(|| File::open(path))
}

/// Opens for appending, creating the file.
pub fn open_append(path: &Path) -> io::Result<File> {
    retrying(|| OpenOptions::new().append(true).create(true).open(path))
}

/// Sets the modification time to now.
pub fn touch(path: &Path) -> io::Result<()> {
    retrying(|| OpenOptions::new().write(true).open(path)?.set_modified(SystemTime::now()))
}

/// Creates a file that must not exist yet; waits a bounded time for a name whose removal is pending.
pub fn create_new(path: &Path) -> io::Result<File> {
    retrying(|| OpenOptions::new().write(true).create_new(true).open(path))
}

/// Removes a file; waits a bounded time for a reader that doesn't share.
pub fn remove(path: &Path) -> io::Result<()> {
    retrying(|| std::fs::remove_file(path))
}

/// Renames over what is there; waits a bounded time for a reader that doesn't share.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    retrying(|| std::fs::rename(from, to))
}

/// NTFS journals names; there is nothing to sync.
pub fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a folder and its parents; in a profile they inherit an ACL of owner, SYSTEM and Administrators.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Creates a new file, with the ACL its folder hands down.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// PowerShell 5.1 and Python read pipes in the ANSI code page, 936 on a Chinese Windows.
pub const PIPES_ARE_UTF8: bool = false;

/// None: users have no numbers here.
pub fn owner(_path: &Path) -> Option<u32> {
    None
}

/// None, as above.
pub fn user() -> Option<u32> {
    None
}

/// The PC's name.
pub fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".into())
}

/// Keeps a child out of our console's Ctrl-C, which is meant for the daemon.
pub fn isolate(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Ends a child and all it started; if the tree can't be had (Wine's taskkill knows no /T), at least the child.
pub fn kill_tree(pid: u32) {
    if !taskkill(&["/T", "/F", "/PID", &pid.to_string()]) {
        terminate(pid);
    }
}

/// Ends a process; a process without a console can't be asked.
pub fn terminate(pid: u32) {
    taskkill(&["/F", "/PID", &pid.to_string()]);
}

/// Where an absolute path lies: what a mapped drive letter stands for, the system itself spells out.
pub fn mount(path: &Path) -> Mount {
    let text = path.to_string_lossy();
    // A server's own name needs no question, and a question could hang; so does that of a connected drive.
    let asked = || login::behind_drive(path).or_else(|| std::fs::canonicalize(path).ok());
    let full = (!text.starts_with("\\\\")).then(asked).flatten();
    mount::windows(&text, full.as_ref().map(|full| full.to_string_lossy()).as_deref())
}

/// Not known: Windows has lists of rights, which the server judges.
pub fn rights(_path: &Path) -> Option<u32> {
    None
}

/// Errors that mean: nothing here can have that name. ERROR_INVALID_NAME: a character that no name may have.
pub const NO_NAME: [i32; 1] = [123];

/// A name made of the bytes that the system gave, if they are Unicode.
pub fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}

/// Nothing: its own notifications do it.
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

/// Whether taskkill did all it was asked to. A daemon without a console must not flash one up.
fn taskkill(arguments: &[&str]) -> bool {
    let done = Command::new("taskkill").args(arguments).creation_flags(CREATE_NO_WINDOW).output();
    done.is_ok_and(|done| done.status.success())
}

fn retrying<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match attempt() {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION)
                ) && start.elapsed() < PATIENCE =>
            {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(200));
            }
            other => return other,
        }
    }
}
