//! A share that hangs: in memory, by a condition; and for real, as a mount whose file server never answers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use lanpost::error::Result;
use lanpost::model::layout::SharePath;
use lanpost::sys::share::{Append, Census, Entry, Meta, Share};

use super::process::{Guard, begin};

/// A share whose calls do not return while it hangs.
#[derive(Clone)]
pub struct HangingShare {
    share: Arc<dyn Share>,
    hangs: Arc<(Mutex<bool>, Condvar)>,
}

impl HangingShare {
    pub fn new(share: Arc<dyn Share>) -> HangingShare {
        HangingShare { share, hangs: Arc::default() }
    }

    /// From now on calls hang, or go on.
    pub fn hang(&self, hangs: bool) {
        *self.hangs.0.lock().unwrap() = hangs;
        self.hangs.1.notify_all();
    }

    fn ask(&self) -> &dyn Share {
        let hangs = self.hangs.0.lock().unwrap();
        drop(self.hangs.1.wait_while(hangs, |hangs| *hangs).unwrap());
        &*self.share
    }
}

impl Share for HangingShare {
    fn describe(&self) -> String {
        self.share.describe()
    }
    fn stat(&self, path: &SharePath) -> Result<Option<Meta>> {
        self.ask().stat(path)
    }
    fn list(&self, folder: &SharePath) -> Result<Option<Vec<Entry>>> {
        self.ask().list(folder)
    }
    fn names(&self, folder: &SharePath) -> Result<Vec<String>> {
        self.ask().names(folder)
    }
    fn read(&self, path: &SharePath, from: u64, max: usize) -> Result<Option<Vec<u8>>> {
        self.ask().read(path, from, max)
    }
    fn open_append(&self, path: &SharePath) -> Result<Box<dyn Append>> {
        self.ask().open_append(path)
    }
    fn create_new(&self, path: &SharePath, bytes: &[u8]) -> Result<bool> {
        self.ask().create_new(path, bytes)
    }
    fn replace(&self, path: &SharePath, bytes: &[u8]) -> Result<()> {
        self.ask().replace(path, bytes)
    }
    fn rename(&self, aside: &SharePath, path: &SharePath, len: u64) -> Result<()> {
        self.ask().rename(aside, path, len)
    }
    fn touch(&self, path: &SharePath) -> Result<()> {
        self.ask().touch(path)
    }
    fn remove(&self, path: &SharePath) -> Result<()> {
        self.ask().remove(path)
    }
    fn make_folder(&self, path: &SharePath) -> Result<()> {
        self.ask().make_folder(path)
    }
    fn walk(&self, limit: usize) -> Result<Census> {
        self.ask().walk(limit)
    }
}

/// A dead mount over a folder: the kernel waits for a file server (of FUSE) that reads no request. When it is dropped
/// the folder is what it was, and calls that hung come back with `ENOTCONN`.
pub struct DeadMount {
    folder: PathBuf,
    server: Option<Guard>,
}

impl DeadMount {
    /// `None`, said loudly, if this user may not mount, or the kernel has no FUSE.
    pub fn over(folder: &Path) -> Option<DeadMount> {
        // The shell holds the server's end of the mount until its input ends.
        let script = "exec 3<>/dev/fuse || exit 1
            mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 dead \"$1\" || exit 1
            echo mounted
            read -r _";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = begin(&mut command);
        let mut said = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if said == "mounted\n" {
            return Some(DeadMount { folder: folder.to_owned(), server: Some(server) });
        }
        // Not through the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: a test of hung mounts needs root and /dev/fuse");
        None
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // First the server, which frees whoever hangs; `umount` would hang with them.
        drop(self.server.take());
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
