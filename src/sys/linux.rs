//! What only Linux does: a `statx` that asks the server, opens that cannot hang or be led astray, the mount table, and
//! the question to an SMB server for a folder's next change.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{DirEntry, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::reach::{Client, refused_link};
use super::share::Meta;
use crate::model::mount::{self, Mount, Protocol};

/// The server's own time, for both stamps of a file.
const NOW: Timestamps = {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
};

const SAFE: i32 = (rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()) as i32;

/// Metadata from the server, not from the client's cache (SHARE-FACTS: a plain stat was up to 60 s old on NFS).
pub fn stat(path: &Path) -> io::Result<Meta> {
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
}

fn statx(folder: BorrowedFd<'_>, path: &Path, how: AtFlags) -> io::Result<Meta> {
    let wanted = StatxFlags::SIZE | StatxFlags::MTIME | StatxFlags::TYPE;
    let found = rustix::fs::statx(folder, path, AtFlags::STATX_FORCE_SYNC | how, wanted)?;
    let what = FileType::from_raw_mode(found.stx_mode.into());
    Ok(Meta {
        len: found.stx_size,
        stamp: i128::from(found.stx_mtime.tv_sec) * 1_000_000_000 + i128::from(found.stx_mtime.tv_nsec),
        folder: what == FileType::Directory,
        regular: what == FileType::RegularFile,
    })
}

/// A folder held open, so that what lies in it is reached without asking about every folder above.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Holds the folder `below` a share's root, which alone may be reached through links. Never `None` here.
    pub fn open(root: &Path, below: &str) -> io::Result<Option<Folder>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = rustix::fs::open(root, flags, Mode::empty())?;
        for name in below.split('/') {
            let next = |at: &OwnedFd| rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty());
            at = match next(&at) {
                // The SMB and NFS clients may remember that a name is missing: their folder is asked for anew.
                Err(Errno::NOENT) => {
                    statx(at.as_fd(), Path::new(""), AtFlags::EMPTY_PATH)?;
                    next(&at)?
                }
                Err(Errno::NOTDIR | Errno::LOOP) if is_link(&at, name) => return Err(refused_link()),
                other => other?,
            };
        }
        Ok(Some(Folder(at)))
    }

    /// A path to it that begins at the open folder (proc_pid_fd(5)).
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Whether it was deleted since. Asks nobody.
    pub fn is_deleted(&self) -> bool {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        rustix::fs::statx(&self.0, "", flags, StatxFlags::NLINK).is_ok_and(|found| found.stx_nlink == 0)
    }
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

/// What the system calls a loop is a link in the place of the file: none is followed.
fn no_link<T>(opened: io::Result<T>) -> io::Result<T> {
    opened.map_err(|error| match error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        true => refused_link(),
        false => error,
    })
}

/// A file held by its name, so that it is looked at and touched in one round trip: the SMB client asks once for a name
/// that it looked up more than a second ago, and then for the metadata. It is not open on the server.
#[derive(Debug)]
pub struct Known(OwnedFd);

impl Known {
    /// Holds a file; `None` if it is not there, or can't be held.
    pub fn open(path: &Path) -> Option<Known> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).ok().map(Known)
    }

    /// Its metadata, from the server; an error if it was deleted or replaced.
    pub fn stat(&self) -> io::Result<Meta> {
        statx(self.0.as_fd(), Path::new(""), AtFlags::EMPTY_PATH)
    }

    /// Sets its modification time to the server's now; an error if it was deleted.
    pub fn touch(&self) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Ok(rustix::fs::utimensat(CWD, path, &NOW, AtFlags::empty())?)
    }
}

/// What brings the files below `root` here (linux/magic.h has the numbers).
pub fn client(root: &Path) -> Client {
    // The word is signed on some machines.
    match rustix::fs::statfs(root).map(|found| found.f_type as u32) {
        Ok(0xFF53_4D42 | 0xFE53_4D42) => Client::Smb,
        Ok(0x6969) => Client::Nfs,
        _ => Client::Plain,
    }
}

/// A listing carries no sizes here, so each entry is asked for.
pub fn entry_meta(entry: &DirEntry) -> io::Result<Meta> {
    stat(&entry.path())
}

/// Opens for reading; a pipe doesn't block, a link isn't followed.
pub fn open_read(path: &Path) -> io::Result<File> {
    no_link(OpenOptions::new().read(true).custom_flags(SAFE).open(path))
}

/// Opens for appending, creating the file.
pub fn open_append(path: &Path) -> io::Result<File> {
    no_link(OpenOptions::new().append(true).create(true).custom_flags(SAFE).open(path))
}

/// Reads a local file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Sets the modification time to the server's now, in one round trip.
pub fn touch(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::utimensat(CWD, path, &NOW, AtFlags::SYMLINK_NOFOLLOW)?)
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

/// Renames over what is there. Samba refuses while somebody reads it, and a read takes a few round trips.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    const ATTEMPTS: u32 = 8;
    for _ in 1..ATTEMPTS {
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => return other,
        }
    }
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

/// Makes a folder (and its parents) that only the owner may enter.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Creates a new file that only the owner may read.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
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
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Puts a child into a process group of its own, so that it can be ended with all it started.
pub fn isolate(command: &mut Command) {
    command.process_group(0);
}

/// Ends a child that was isolated, and all it started.
pub fn kill_tree(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// Asks a process to stop, as a service manager would.
pub fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// The mount of an absolute path. Links above it are followed, but nothing of a network mount is touched.
pub fn mount(path: &Path) -> Mount {
    let Ok(text) = std::fs::read("/proc/self/mountinfo") else { return Mount::default() };
    let table = mount::table(&String::from_utf8_lossy(&text));
    let path = resolve(path, |at| {
        let found = mount::holding(&table, &at.to_string_lossy());
        found.is_some_and(|found| found.protocol != Protocol::Local)
    });
    mount::holding(&table, &path.to_string_lossy()).cloned().unwrap_or_default()
}

/// Follows the links of a path's components, as far as they are not `remote`.
fn resolve(path: &Path, remote: impl Fn(&Path) -> bool) -> PathBuf {
    const LINKS: u32 = 40; // as many as the kernel follows
    let (mut path, mut links) = (path.to_owned(), 0);
    'again: loop {
        let mut at = PathBuf::new();
        let mut parts = path.components();
        while let Some(part) = parts.next() {
            at.push(part);
            if remote(&at) {
                break;
            }
            if let Ok(target) =
                std::fs::read_link(&at).and_then(|to| std::path::absolute(at.with_file_name(to)))
                && links < LINKS
            {
                links += 1;
                path = target.join(parts.as_path());
                continue 'again;
            }
        }
        return at.join(parts.as_path());
    }
}

/// The permission bits.
pub fn rights(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::symlink_metadata(path).ok().map(|meta| meta.permissions().mode() & 0o7777)
}

/// Errors that mean: nothing here can have that name. EILSEQ, of a file system that knows only UTF-8.
pub const NO_NAME: [i32; 1] = [84];

/// A name made of the bytes that the system gave.
pub fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    Some(OsString::from_vec(bytes))
}

/// What `CIFS_IOC_NOTIFY` answers where it will never work: ENOTTY, of a file system that does not know it.
pub const NOT_ANNOUNCED: [i32; 1] = [25];

/// A folder of an SMB mount, for the ioctl `CIFS_IOC_NOTIFY` (fs/smb/client/cifs_ioctl.h, Linux 5.6).
pub struct ChangeNotify(File);

impl ChangeNotify {
    /// Opens the folder.
    pub fn open(path: &Path) -> io::Result<ChangeNotify> {
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
        OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).map(ChangeNotify)
    }

    /// Blocks until something in the folder changed.
    pub fn wait(&self) -> io::Result<()> {
        /// `struct smb3_notify`, packed: `u32 completion_filter`, `bool watch_tree`.
        type Question = [u8; 5];
        const NOTIFY: rustix::ioctl::Opcode = rustix::ioctl::opcode::write::<Question>(0xCF, 9);
        // MS-SMB2 2.2.35: names of files (1) and folders (2), attributes (4), size (8), last write (0x10).
        let [a, b, c, d] = 0x1F_u32.to_ne_bytes();
        // SAFETY: the kernel reads the five bytes of this structure and writes nothing; on a descriptor of another file
        // system the number is unknown and it answers ENOTTY.
        #[allow(unsafe_code)]
        unsafe {
            let question = rustix::ioctl::Setter::<NOTIFY, Question>::new([a, b, c, d, 0]);
            rustix::ioctl::ioctl(&self.0, question)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_is_looked_at_and_touched_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("bell"), folder.path().join("link"));
        assert!(Known::open(&path).is_none(), "it is not there");
        std::fs::write(&path, "abc").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let known = Known::open(&path).unwrap();
        assert_eq!((known.stat().unwrap(), known.stat().unwrap().stamp), (stat(&path).unwrap(), 0));
        known.touch().unwrap();
        assert!(stat(&path).unwrap().stamp > 0);
        std::os::unix::fs::symlink("bell", &link).unwrap();
        let before = stat(&path).unwrap();
        let _ = Known::open(&link).unwrap().touch();
        assert_eq!(stat(&path).unwrap(), before);
        assert_eq!(client(folder.path()), Client::Plain, "a local disk");
    }

    #[test]
    fn links_are_followed_up_to_a_network_mount_and_not_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("mnt")).unwrap();
        std::os::unix::fs::symlink("mnt", root.join("relative")).unwrap();
        std::os::unix::fs::symlink(root.join("relative"), root.join("absolute")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        std::os::unix::fs::symlink("/elsewhere", root.join("mnt/trap")).unwrap();
        let mounted = root.join("mnt");
        for (asked, found) in [
            ("mnt/a/b", "mnt/a/b"),
            ("relative/a", "mnt/a"),
            ("absolute/trap", "mnt/trap"),
            ("none/a", "none/a"),
            ("loop/a", "loop/a"),
        ] {
            assert_eq!(resolve(&root.join(asked), |at| at == mounted), root.join(found), "{asked}");
        }
    }
}
