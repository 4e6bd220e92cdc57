//! What only Windows does: handles of others that stand in the way, listings that carry sizes, long paths.
//!
//! - The standard library opens with all three share modes, so our readers block neither a writer nor a delete. Who
//!   opens without them (a scanner, an indexer, a backup) is waited for, a bounded time ([`retrying`]).
//! - A file is replaced by `std::fs::rename`: `MoveFileExW(MOVEFILE_REPLACE_EXISTING)`, which an SMB server gets as one
//!   request (FileRenameInformation, MS-FSCC 2.4.42) and answers with "access denied" while somebody has the target
//!   open; then the library asks for POSIX semantics, which NTFS of this PC has and SMB servers mostly don't; then we
//!   wait for the reader. `ReplaceFileW` is no help: on a share it is several requests, and can end between them.
//! - Paths over 260 characters: the standard library asks with `\\?\` by itself; [`long`] does it for who does not.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::process::CommandExt;
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::login;
use super::private;
use super::reach::{Client, refuse_links, refused_link};
use super::share::Meta;
use crate::model::mount::{self, Mount};

/// How long a file may stay open in a scanner, or its target in a reader, before we give up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long "access denied" may mean a file whose removal is pending. Mostly it means what it says.
const DENIED: Duration = Duration::from_millis(300);

// winerror.h
const ERROR_INVALID_FUNCTION: i32 = 1;
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
const ERROR_NOT_SUPPORTED: i32 = 50;
const ERROR_INVALID_PARAMETER: i32 = 87;
const ERROR_DIR_NOT_EMPTY: i32 = 145;
const ERROR_DELETE_PENDING: i32 = 303;
// winnt.h, winbase.h
const FILE_ADD_FILE: u32 = 0x2;
const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

fn meta_of(meta: &std::fs::Metadata) -> io::Result<Meta> {
    let stamp = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    Ok(Meta { len: meta.len(), stamp, folder: meta.is_dir(), regular: meta.is_file() })
}

/// Metadata through a new handle, which asks the server.
pub fn stat(path: &Path) -> io::Result<Meta> {
    meta_of(&std::fs::symlink_metadata(path)?)
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

/// What brings the files here. The redirector remembers what is not there (`FileNotFoundCacheLifetime`), but for 5 s,
/// which is short enough to wait for.
pub fn client(_root: &Path) -> Client {
    Client::Plain
}

/// The listing itself brings sizes and times, from the server.
pub fn entry_meta(entry: &DirEntry) -> io::Result<Meta> {
    meta_of(&entry.metadata()?)
}

/// Opens for reading; a link isn't followed.
pub fn open_read(path: &Path) -> io::Result<File> {
    retrying(path, DENIED, || open_no_link(OpenOptions::new().read(true), path))
}

/// Opens what stands there itself, and then looks whether it is a link (a junction, too). Other reparse points are
/// files all the same (deduplicated ones, placeholders of a cloud) and must be opened as such to be read.
fn open_no_link(how: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = how.clone().custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?;
    let meta = file.metadata()?;
    match meta.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT {
        0 => Ok(file),
        _ if meta.file_type().is_symlink() => Err(refused_link()),
        _ => how.open(path),
    }
}

/// Reads a local file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    retrying(path, DENIED, || std::fs::read(path))
}

/// Opens for appending, creating the file.
pub fn open_append(path: &Path) -> io::Result<File> {
    retrying(path, DENIED, || open_no_link(OpenOptions::new().append(true).create(true), path))
}

/// Sets the modification time to now. Asks for no more than that, so that nobody's share mode stands in the way.
pub fn touch(path: &Path) -> io::Result<()> {
    let open = || open_no_link(OpenOptions::new().access_mode(FILE_WRITE_ATTRIBUTES), path);
    retrying(path, DENIED, || open()?.set_modified(SystemTime::now()))
}

/// Creates a file that must not exist yet; waits a bounded time for a name whose removal is pending.
pub fn create_new(path: &Path) -> io::Result<File> {
    retrying(path, DENIED, || OpenOptions::new().write(true).create_new(true).open(path))
}

/// Removes a file; waits a bounded time for a reader that doesn't share.
pub fn remove(path: &Path) -> io::Result<()> {
    retrying(path, DENIED, || std::fs::remove_file(path))
}

/// Removes an empty folder; waits a bounded time for files in it whose removal is pending.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    let patience = |code| matches!(code, ERROR_DIR_NOT_EMPTY | ERROR_SHARING_VIOLATION).then_some(DENIED);
    patiently(patience, || std::fs::remove_dir(path))
}

/// Renames over what is there; waits a bounded time for whoever has it open.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    retrying(to, PATIENCE, || std::fs::rename(from, to))
}

/// Makes a name in a local folder durable, where the file system can (NTFS can; FAT has no journal to flush).
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let flags = FILE_FLAG_BACKUP_SEMANTICS; // what opens a folder
    let open = OpenOptions::new().access_mode(FILE_ADD_FILE).custom_flags(flags).open(folder);
    match open.and_then(|folder| folder.sync_all()) {
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(
                    ERROR_INVALID_FUNCTION
                        | ERROR_ACCESS_DENIED
                        | ERROR_NOT_SUPPORTED
                        | ERROR_INVALID_PARAMETER
                )
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// A path for callers of the system who don't do what the standard library does: over 260 characters (with the names
/// that they put behind it) it needs the prefix `\\?\`. For calls only; people are shown the path without it.
pub fn long(path: &Path) -> Cow<'_, Path> {
    const SHORT: usize = 200;
    let Ok(full) = std::path::absolute(path) else { return path.into() };
    let wide: Vec<u16> = full.as_os_str().encode_wide().collect();
    let Some(Component::Prefix(prefix)) = full.components().next().filter(|_| wide.len() > SHORT) else {
        return path.into();
    };
    let (added, from) = match prefix.kind() {
        Prefix::Disk(_) => (r"\\?\", 0),
        Prefix::UNC(..) => (r"\\?\UNC\", 2), // in the place of the first two backslashes
        _ => return path.into(),
    };
    let all: Vec<u16> = added.encode_utf16().chain(wide[from..].iter().copied()).collect();
    PathBuf::from(OsString::from_wide(&all)).into()
}

/// Makes a folder for its owner, SYSTEM and Administrators, and its parents as they come. One that exists is left as it is.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    match private::create_folder(&long(folder)) {
        Err(_) if folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Creates a new file for its owner, SYSTEM and Administrators, and whom the folder's ACL hands down besides.
pub fn private_file(path: &Path) -> io::Result<File> {
    private::create_within(&long(path))
}

/// PowerShell 5.1 and Python read pipes in the ANSI code page, 936 on a Chinese Windows.
pub const PIPES_ARE_UTF8: bool = false;

/// None: users have no numbers here.
pub fn owner(_path: &Path) -> Option<u32> {
    None
}

/// Files have no number that is cheap to ask for.
pub fn file_number(_path: &Path) -> Option<u64> {
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

/// Asks again for a bounded time while another's handle stands in the way of `path`; `denied` is the bound for "access
/// denied", which says less.
fn retrying<T>(path: &Path, denied: Duration, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let patience = |code| match code {
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION => Some(PATIENCE),
        ERROR_ACCESS_DENIED | ERROR_DELETE_PENDING => Some(denied),
        _ => None,
    };
    patiently(patience, || match attempt() {
        // What a folder answers to whoever takes it for a file.
        Err(error) if error.raw_os_error() == Some(ERROR_ACCESS_DENIED) && path.is_dir() => {
            Err(io::ErrorKind::IsADirectory.into())
        }
        other => other,
    })
}

/// Tries again, after growing pauses, for as long as an error is worth.
fn patiently<T>(
    patience: impl Fn(i32) -> Option<Duration>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let error = match attempt() {
            Err(error) => error,
            done => return done,
        };
        if error.raw_os_error().and_then(&patience).is_none_or(|most| start.elapsed() >= most) {
            return Err(error);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(40));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::At;
    use crate::model::blob::Blob;
    use crate::sys::place::Placing;

    const FILE_SHARE_READ: u32 = 1; // winnt.h

    /// A file that somebody has open, letting others do no more than `share` says.
    fn held(path: &Path, share: u32) -> Option<File> {
        std::fs::write(path, "before").unwrap();
        Some(OpenOptions::new().read(true).share_mode(share).open(path).unwrap())
    }

    #[test]
    fn a_private_file_is_for_its_owner_whatever_the_folder_above_allows() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("状态").join("office");
        private_folder(&folder).unwrap();
        private_folder(&folder).unwrap();
        let file = private_file(&folder.join("key")).unwrap();
        assert!(private_file(&folder.join("key")).is_err(), "it is made once");
        drop(file);
        let readers = |path: &Path| private::others_who_read(&File::open(path).unwrap()).unwrap();
        assert_eq!(readers(&folder.join("key")), [""; 0]);
        std::fs::write(above.path().join("open"), "x").unwrap();
        assert_ne!(readers(&above.path().join("open")), [""; 0], "the check sees an open one");
    }

    #[test]
    fn who_shares_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut holder = held(&path, 0);
        let mut refused = 0;
        let file = retrying(&path, DENIED, || {
            let tried = File::open(&path);
            if let Err(error) = &tried {
                assert_eq!(error.raw_os_error(), Some(ERROR_SHARING_VIOLATION));
                refused += 1;
                holder.take_if(|_| refused == 3);
            }
            tried
        });
        assert!(file.is_ok() && refused == 3, "refused {refused} times");
    }

    #[test]
    fn who_never_lets_go_is_not_waited_for_any_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let _holder = held(&path, 0);
        for deed in [|path: &Path| open_read(path).map(drop), |path: &Path| remove(path)] {
            let since = Instant::now();
            assert_eq!(deed(&path).unwrap_err().raw_os_error(), Some(ERROR_SHARING_VIOLATION));
            assert!((PATIENCE..PATIENCE * 5).contains(&since.elapsed()), "{:?}", since.elapsed());
        }
        touch(&path).unwrap();
    }

    #[test]
    fn a_fetched_file_that_a_scanner_holds_is_put_in_place_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut fill = |to: &mut dyn io::Write| to.write_all(b"new").at("write", Path::new("x"));
        let placing = Placing::file(folder.path(), &Blob::of(b"new"), &mut fill).unwrap();
        let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let aside = folder.path().join(names().next().unwrap());
        let scanner = OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(&aside).unwrap();
        let path = placing.finish(&|n| format!("x{n}")).unwrap();
        assert!(path.ends_with("x1") && std::fs::read(&path).unwrap() == b"new");
        drop(scanner);
        let given: Vec<_> = names().filter(|name| Some(name.as_os_str()) != aside.file_name()).collect();
        assert_eq!(given, ["x1"]);
    }

    #[test]
    fn our_readers_block_neither_writers_nor_removal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "before").unwrap();
        let _reader = open_read(&path).unwrap();
        let since = Instant::now();
        let mut appender = open_append(&path).unwrap();
        std::io::Write::write_all(&mut appender, b" and after").unwrap();
        touch(&path).unwrap();
        assert_eq!(read(&path).unwrap(), b"before and after");
        remove(&path).unwrap();
        assert!(since.elapsed() < PATIENCE, "nobody had to be waited for");
    }

    /// Wine refuses as an SMB server does; NTFS of this PC lets it happen at once.
    #[test]
    fn a_file_is_replaced_while_somebody_reads_it_or_soon_after() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("new"), folder.path().join("x"));
        std::fs::write(&to, "before").unwrap();
        std::fs::write(&from, "after").unwrap();
        let mut reader = Some(open_read(&to).unwrap());
        let mut tries = 0;
        retrying(&to, PATIENCE, || {
            tries += 1;
            reader.take_if(|_| tries == 3);
            std::fs::rename(&from, &to)
        })
        .unwrap();
        assert_eq!(read(&to).unwrap(), b"after");
        assert!(!from.exists());
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let since = Instant::now();
        for refused in [open_read(folder.path()).err(), open_append(folder.path()).err()] {
            assert_eq!(refused.unwrap().kind(), io::ErrorKind::IsADirectory);
        }
        assert!(since.elapsed() < DENIED);
        sync_folder(folder.path()).unwrap();
    }

    #[test]
    fn long_paths_get_their_prefix_and_short_ones_none() {
        let tail = "实验室\\".repeat(60);
        for (path, called) in [
            (r"C:\a\b".to_owned(), r"C:\a\b".to_owned()),
            (r"\\nas\all\a".into(), r"\\nas\all\a".into()),
            (format!(r"C:\a/{tail}x"), format!(r"\\?\C:\a\{tail}x")),
            (format!(r"\\nas\all\{tail}x"), format!(r"\\?\UNC\nas\all\{tail}x")),
            (format!(r"\\?\UNC\nas\all\{tail}x"), format!(r"\\?\UNC\nas\all\{tail}x")),
        ] {
            assert_eq!(long(Path::new(&path)), Path::new(&called), "{path}");
        }
    }
}
