//! The share as everything above sees it: a dozen verbs, nothing else.
//!
//! Contract of every implementation:
//! - Paths come from [`layout`](crate::model::layout) alone; nothing outside the share is ever reached.
//! - `stat`, `list` and `read` ask the server: they never answer from a cache that another PC's change can outlive
//!   (SMB and NFS clients believe attributes for up to a minute otherwise).
//! - An answer `None` means "not there" and is certain; an unanswered question is an error.
//! - What `append`, `create_new` and `replace` report as done is on the server's stable storage; `write` says nothing of that.
//! - No verb makes a missing parent folder: an unmounted mount point must not be filled.
//!
//! Each verb's cost in file operations stands at the verb; a round trip is at most one of them.

use super::root::Choice;
use crate::error::Result;
use crate::model::layout::SharePath;

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Length in bytes.
    pub len: u64,
    /// The modification time in nanoseconds, in the server's clock: compared for equality, and with another stamp of
    /// the same share. Never with a clock of ours.
    pub stamp: i128,
    /// Whether it is a folder.
    pub folder: bool,
    /// Whether it is a regular file: no folder, link, pipe, socket or device.
    pub regular: bool,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, not validated; names that are not Unicode are left out.
    pub name: String,
    /// Its metadata.
    pub meta: Meta,
}

/// What a recursive look at the share found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Every file's path relative to the root, `/` between components, and its length.
    pub files: Vec<(String, u64)>,
    /// There were more than the limit.
    pub cut: bool,
}

/// A shared folder.
pub trait Share: Send + Sync {
    /// How people know it: the path in the config.
    fn describe(&self) -> String;

    /// By which path it is there, if not by the one in the config. Asks nobody.
    fn choice(&self) -> Option<Choice> {
        None
    }

    /// A file's metadata, fresh from the server. Cost: 1 stat.
    fn stat(&self, path: &SharePath) -> Result<Option<Meta>>;

    /// A folder's entries with their metadata; `None` if the folder isn't there.
    /// Cost: 1 list (Windows); 1 list and a stat per entry (Linux, where a listing carries no fresh sizes).
    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>>;

    /// The entries of a folder that are `wanted` by their names; `None` if the folder isn't there. A million of others
    /// cost a longer listing and nothing else: neither memory nor a question each.
    /// Cost: 1 list (Windows); 1 list and a stat per wanted entry (Linux).
    fn list_those(
        &self,
        folder: &SharePath,
        wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Vec<Entry>>> {
        Ok(self.list(folder)?.map(|all| all.into_iter().filter(|entry| wanted(&entry.name)).collect()))
    }

    /// The names in a folder, none if it isn't there: for who needs no metadata. Cost: 1 list.
    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        Ok(self.list(folder)?.unwrap_or_default().into_iter().map(|entry| entry.name).collect())
    }

    /// Up to `max` bytes from offset `from`, through a new handle; `None` if the file isn't there.
    /// Cost: 1 open, 1 read, 1 close.
    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>>;

    /// Opens a file for appending, creating it. Cost: 1 open.
    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>>;

    /// Makes a file that must not exist yet (O_EXCL) with this content; `false` if it exists.
    /// Cost: 1 open, 1 write, 1 sync, 1 close.
    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool>;

    /// Replaces a file's content: written aside, synced, renamed. Nobody ever sees half of it; on SMB, if somebody has
    /// it open, it may be missing for a moment (Samba refuses, the client removes it and renames again).
    /// Cost: 1 open, 1 write, 1 sync, 1 close, 1 rename.
    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()>;

    /// Puts a file of `len` bytes that was written aside, in the same folder, in its place, over one that is there.
    /// Cost: 1 rename.
    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()>;

    /// Gives a file a new modification time, creating it. Cost: 1 setattr.
    fn touch(&self, path: &SharePath) -> Result<()>;

    /// Removes a file or an empty folder; one that is gone already is fine. Cost: 1 unlink, 1 rmdir for a folder.
    fn remove(&self, path: &SharePath) -> Result<()>;

    /// Makes a folder whose parent exists; one that exists is fine. Cost: 1 mkdir.
    fn make_folder(&self, path: &SharePath) -> Result<()>;

    /// Walks everything, up to `limit` files, for people who want to know what lies on the share.
    /// Cost: a list per folder and a stat per file.
    fn walk(&self, limit: usize) -> Result<Census>;
}

/// A file open for appending; it has one writer in the world.
pub trait Append: Send {
    /// Appends all of `bytes` in one write and syncs them. Cost: 1 write, 1 sync.
    ///
    /// After an error the file's end is unknown: the caller must not append to it again.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Appends all of `bytes`, which the next [`Append::append`] syncs: for what is too large for one write. Cost: 1 write.
    ///
    /// After an error the file's end is unknown, as there.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// The length after the last append.
    fn len(&self) -> u64;

    /// Whether it holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
