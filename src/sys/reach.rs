//! Reaching the share's files through folders that are held open, where that saves round trips.
//!
//! A Linux SMB client asks the server about every folder of a path again when it last did so a second ago: a look at
//! `messages/to-lab/bell` cost three round trips by its path and costs one through the open folder (measured, kernel
//! 6.1). And it asks for a file twice, once for its name and once for its metadata: a file that is looked at or touched
//! again and again is held, too, by its name and never opened on the server. To be read or written, files are opened
//! anew by every verb.
//!
//! A held folder may be one of what was mounted before. So whoever looks at the share's identity, which is always
//! done by the whole path, lets go of all of them ([`Folders::let_go`]); a folder that was deleted is noticed and
//! reached by its path. Files are held only where the client asks for them by their path all the same (SMB), so that a
//! replaced one is noticed. A mount with held folders can't be unmounted while the daemon runs.
//!
//! Architecture invariant: below the share's root no link is followed. Whoever may write to the share could put one in
//! the place of a folder and have us read, or write, wherever it leads. Where folders are held (Linux), they are opened
//! name by name and everything else is reached through them, so that nobody can swap one in between; elsewhere each
//! folder is looked at before it is first used, and again once all were let go of.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::platform;
use super::root::Root;
use crate::model::layout::SharePath;

/// Folders held open at once, and files; more than a full mailbox round needs.
const HELD: usize = 256;

/// What brings a share's files to this PC, as far as it makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A client that answers as the server would now, or a plain folder.
    Plain,
    /// The kernel's SMB client: it asks for a file by its path each time, once for the name and once for the metadata.
    /// Held by its name, a file costs one round trip, and one that was replaced is noticed (measured, Linux 6.1).
    Smb,
    /// The kernel's NFS client: it believes that a name is missing (nfs(5), `lookupcache`) for as long as it believes
    /// the folder's attributes, 30 to 60 s by default.
    Nfs,
}

/// How one file or folder of the share is reached now.
#[derive(Debug)]
pub struct Place {
    reach: PathBuf,
    /// The path that people know.
    pub shown: PathBuf,
    folder: Option<Arc<platform::Folder>>,
}

impl Place {
    /// The path to give to the operating system.
    pub fn path(&self) -> &Path {
        &self.reach
    }

    /// The folder that it lies in, to give to the operating system; the dot, because the path to a held folder is a
    /// link, and is looked at without following links.
    pub fn folder(&self) -> PathBuf {
        self.reach.parent().unwrap_or(Path::new("")).join(".")
    }

    /// Whether "not there" is said of a folder that was deleted since it was opened, and so says nothing.
    pub fn is_void(&self) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.is_deleted())
    }
}

/// The folders of one share that are held open.
#[derive(Debug)]
pub struct Folders {
    root: Root,
    /// `None`: it can't be held here, and is no link.
    held: Mutex<HashMap<SharePath, Option<Arc<platform::Folder>>>>,
    known: Mutex<HashMap<SharePath, Arc<platform::Known>>>,
    /// Asked when it first matters, and again with a new mount.
    client: Mutex<Option<Client>>,
}

impl Folders {
    /// None held yet.
    pub fn new(root: Root) -> Folders {
        Folders { root, held: Mutex::default(), known: Mutex::default(), client: Mutex::default() }
    }

    /// The share's root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The path that people know it by.
    pub fn shown(&self, path: &SharePath) -> PathBuf {
        path.under(&self.root.path())
    }

    /// A file, by the folder it lies in. What lies in the root is reached by its path.
    ///
    /// # Errors
    /// The folder is not there, or is none: a link, say.
    pub fn file(&self, path: &SharePath) -> io::Result<Place> {
        let shown = self.shown(path);
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        Ok(match self.folder(&path.parent())? {
            Some(folder) => Place { reach: folder.path().join(name), shown, folder: Some(folder) },
            None => Place { reach: shown.clone(), shown, folder: None },
        })
    }

    /// A folder, to be listed.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn listed(&self, path: &SharePath) -> io::Result<Place> {
        let shown = self.shown(path);
        Ok(match self.folder(path)? {
            Some(folder) => Place { reach: folder.path(), shown, folder: Some(folder) },
            None => Place { reach: shown.clone(), shown, folder: None },
        })
    }

    /// A file that need not be looked up again; `None` where that saves nothing, or if it is not there.
    pub fn known(&self, path: &SharePath) -> Option<Arc<platform::Known>> {
        if self.client() != Client::Smb {
            return None;
        }
        if let Some(known) = lock(&self.known).get(path) {
            return Some(known.clone());
        }
        let known = Arc::new(platform::Known::open(self.file(path).ok()?.path())?);
        hold(&self.known, path, known.clone());
        Some(known)
    }

    /// Lets go of a file: it is looked up again.
    pub fn forget(&self, path: &SharePath) {
        lock(&self.known).remove(path);
    }

    /// Lets go of everything: what is reached next is reached by the path as it is mounted now.
    pub fn let_go(&self) {
        lock(&self.held).clear();
        lock(&self.known).clear();
        // A plain folder may be what a share was not mounted on yet; asking one again costs nothing.
        lock(&self.client).take_if(|client| *client == Client::Plain);
    }

    /// What brings the share's files here.
    pub fn client(&self) -> Client {
        *lock(&self.client).get_or_insert_with(|| platform::client(&self.root.path()))
    }

    fn folder(&self, path: &SharePath) -> io::Result<Option<Arc<platform::Folder>>> {
        if path.as_str().is_empty() {
            return Ok(None);
        }
        if let Some(folder) = lock(&self.held).get(path) {
            return Ok(folder.clone());
        }
        let folder = platform::Folder::open(&self.root.path(), path.as_str())?.map(Arc::new);
        hold(&self.held, path, folder.clone());
        Ok(folder)
    }
}

/// What is said of a link in the place of something of ours.
pub fn refused_link() -> io::Error {
    io::Error::other("a link stands in its place, and no link is followed on the share; remove it")
}

/// For platforms that hold no folders: looks whether one of the folders `below` the root is a link.
///
/// # Errors
/// It is, or one of them is not there.
#[cfg_attr(not(test), allow(dead_code, reason = "not called where folders are held"))]
pub fn refuse_links(root: &Path, below: &str) -> io::Result<()> {
    let mut at = root.to_owned();
    for name in below.split('/') {
        at.push(name);
        // On Windows a junction is one, too.
        if std::fs::symlink_metadata(&at)?.file_type().is_symlink() {
            return Err(refused_link());
        }
    }
    Ok(())
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hold<T>(held: &Mutex<HashMap<SharePath, T>>, path: &SharePath, what: T) {
    let mut held = lock(held);
    if held.len() >= HELD {
        held.clear();
    }
    held.insert(path.clone(), what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout;
    use crate::model::name::Name;

    #[test]
    fn a_deleted_folder_is_noticed_and_what_is_mounted_now_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let (root, bell) = (folder.path().join("share"), layout::bell(&Name::parse("a").unwrap()));
        std::fs::create_dir_all(root.join("messages/to-a")).unwrap();
        let folders = Folders::new(root.clone().into());
        let place = folders.file(&bell).unwrap();
        assert_eq!(place.shown, root.join("messages/to-a/bell"));
        assert!(!place.path().exists() && !place.is_void());
        std::fs::write(root.join("messages/to-a/bell"), "").unwrap();
        assert!(place.path().exists());
        std::fs::rename(&root, folder.path().join("before")).unwrap();
        std::fs::create_dir_all(root.join("messages/to-a")).unwrap();
        folders.let_go();
        assert!(!folders.file(&bell).unwrap().path().exists(), "another share is mounted there");
        let place = folders.file(&bell).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(place.is_void(), place.path() != place.shown, "where folders are held, it is noticed");
    }

    #[test]
    fn what_leads_to_a_folder_is_looked_at_name_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("messages/to-a")).unwrap();
        refuse_links(folder.path(), "messages/to-a").unwrap();
        assert_eq!(refuse_links(folder.path(), "messages/to-b").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
