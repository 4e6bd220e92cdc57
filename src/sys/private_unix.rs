//! Files that their owner alone may read, by permission bits.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// How a person takes the rights of others away.
pub fn way_out(path: &Path, file: &File) -> String {
    let (path, own) = (path.display(), rustix::process::geteuid().as_raw());
    match file.metadata().map_or(own, |meta| meta.uid()) {
        owner if owner == own || owner == 0 => format!("take them away: `chmod 600 '{path}'`"),
        _ => format!("make it this user's: `sudo chown {own} '{path}' && sudo chmod 600 '{path}'`"),
    }
}

/// Whether others than its owner may look into a folder.
pub fn is_open(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(folder)?.mode() & 0o077 != 0)
}

/// Takes the rights of others on a folder away.
pub fn close(folder: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(folder)?.mode() & 0o7700;
    std::fs::set_permissions(folder, Permissions::from_mode(mode))
}

/// Who may read an open file besides its owner, who is this user or root; empty: nobody.
pub fn others_who_read(file: &File) -> io::Result<Vec<String>> {
    let meta = file.metadata()?;
    let mode = meta.mode() & 0o777;
    let (owner, own) = (meta.uid(), rustix::process::geteuid().as_raw());
    let mut others = vec![];
    if owner != own && owner != 0 {
        others.push(format!("its owner, who is another user ({owner})"));
    }
    if mode & 0o070 != 0 {
        others.push(format!("its group (mode {mode:03o})"));
    }
    if mode & 0o007 != 0 {
        others.push(format!("everybody (mode {mode:03o})"));
    }
    Ok(others)
}

/// Creates a new file that its owner alone may read. Here a service has no fixed account: its owner is who may read it.
pub fn create(path: &Path, _for_services: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Creates a new file that is to take the place of another: with its rights and its owner, as far as this user may give it.
pub fn create_like(path: &Path, like: &Path) -> io::Result<File> {
    let meta = std::fs::metadata(like)?;
    let file = create(path, false)?;
    // Another owner's file stays theirs if root edits it; else it stays this user's, who may read what it could read before.
    let _ = std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()));
    file.set_permissions(Permissions::from_mode(meta.mode() & 0o777))?;
    Ok(file)
}
