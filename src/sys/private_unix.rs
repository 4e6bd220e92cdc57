//! Files that their owner alone may read, by permission bits.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How a person takes the rights of others away.
pub fn way_out(path: &Path) -> String {
    format!("take them away: `chmod 600 '{}'`", path.display())
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
