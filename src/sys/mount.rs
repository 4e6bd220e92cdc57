//! How the system reaches a path: its mount, its room, its rights; and a folder whose server tells of changes.
//!
//! [`of`] reads the system's own tables alone: it touches nothing of a network mount, so a dead server can't hang it.

use std::io;
use std::path::Path;

use super::platform;
use crate::model::mount::Mount;

/// The mount that holds `path`; unknown where the system doesn't say.
pub fn of(path: &Path) -> Mount {
    platform::mount(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// Bytes that this user may still write there; `None` if it is not there. Asks the server.
pub fn room(path: &Path) -> Option<u64> {
    // Windows would answer for the volume, whatever lies on it.
    path.try_exists().ok().filter(|there| *there)?;
    fs2::available_space(path).ok()
}

/// The rights of a file or folder as Unix shows them; `None` where there is no such thing. Asks the server.
pub fn rights(path: &Path) -> Option<u32> {
    platform::rights(path)
}

/// A folder of an SMB mount whose server is asked to tell of its next change.
pub struct SmbFolder(platform::ChangeNotify);

impl SmbFolder {
    /// Opens the folder. Blocks as long as the server does.
    ///
    /// # Errors
    /// It is not there, or this system can't ask.
    pub fn open(path: &Path) -> io::Result<SmbFolder> {
        platform::ChangeNotify::open(path).map(SmbFolder)
    }

    /// Blocks until somebody, ourselves included, changed something in the folder. Only the process's end breaks it off.
    ///
    /// # Errors
    /// The connection's, or the server's for which the kernel has no word (`EIO`); or [`never_announced`].
    pub fn wait(&self) -> io::Result<()> {
        self.0.wait()
    }
}

/// Whether an error of [`SmbFolder`] says that it will never do: it is no SMB mount, or the system can't ask.
pub fn never_announced(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(code) => platform::NOT_ANNOUNCED.contains(&code),
        None => error.kind() == io::ErrorKind::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_folder_has_room_and_no_server_that_tells_of_changes() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(folder.path()).unwrap() > 0);
        let asked = SmbFolder::open(folder.path()).and_then(|folder| folder.wait());
        assert!(never_announced(&asked.unwrap_err()));
        assert!(!never_announced(&io::Error::from_raw_os_error(5)), "EIO stands for whatever a server says");
        assert_eq!(room(&folder.path().join("none")), None);
    }
}
