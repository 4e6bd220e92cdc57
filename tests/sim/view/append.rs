//! A file open for appending: what is torn, what was passed, and what a stranger writes over it.

use lanpost::error::{Error, Kind, Result};
use lanpost::model::layout::{self, SharePath};
use lanpost::sys::share::Append;

use super::{Fate, Mount, View, full};

fn is_slot(path: &str) -> bool {
    path.starts_with("messages/to-") && path.ends_with(".jsonl") && path.matches('/').count() == 1
}

/// The lease that passes the one in a lane's name.
fn next_lease(path: &str) -> Option<SharePath> {
    let file = layout::parse_lane(path.rsplit('/').next()?)?;
    Some(layout::lease(&file.from, file.lease + 1))
}

pub(super) struct Handle {
    pub view: View,
    pub path: SharePath,
    pub inode: u64,
    pub len: u64,
    pub epoch: u64,
    pub mount: Mount,
}

impl Append for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let stale = || Error::new(Kind::Io, "append to", &self.path, "stale file handle (simulated)");
        if self.mount != self.view.with(|inner| inner.mount) {
            return Err(stale());
        }
        self.view.intrude("append to", &self.path);
        let server = self.view.server();
        let (path, node) = (self.path.as_str(), self.view.node);
        let fate = self.view.fate("append", &self.path);
        let mut server = server.lock().unwrap();
        if !matches!(fate, Fate::Refused(_)) && self.mount == Mount::Right {
            let looked = self.view.with(|inner| inner.calls.1);
            let passed = next_lease(path).and_then(|next| server.since(next.as_str()));
            server.rules.append_under(node, path, looked, passed);
        }
        if server.epoch != self.epoch {
            return Err(stale());
        }
        match fate {
            Fate::Refused(error) => return Err(error),
            Fate::Done => {}
            Fate::Lost(error) => {
                server.append_unanswered(node, path, self.inode, bytes);
                return Err(error);
            }
            Fate::Torn(error, nul) => {
                self.view.count("a torn append");
                let cut = self.view.with(|inner| inner.rng.below(bytes.len() + 1));
                let mut torn = bytes[..cut].to_vec();
                if nul {
                    torn.resize(bytes.len(), 0);
                }
                server.append_unanswered(node, path, self.inode, &torn);
                return Err(error);
            }
        };
        let fits = server.append(node, path, self.inode, bytes).ok_or_else(stale)?;
        if fits < bytes.len() {
            return Err(full("append to", &self.path));
        }
        self.len += bytes.len() as u64;
        let careless = self.view.with(|inner| inner.rng.per_mille(inner.weather.careless));
        if careless && is_slot(path) {
            let line = b"{\"from\":\"careless\",\"content\":\"over yours\"}\n";
            if server.overlap(usize::MAX - 1, path, line) {
                self.view.count("a stranger's append over ours");
                self.view.note(|| format!("OVERLAPPED {path}"));
            }
        }
        drop(server);
        self.view.meanwhile();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (server, at) = (self.view.server(), self.len as usize);
        let unsynced = server.lock().unwrap().unsynced_from(self.inode).map_or(at, |from| from.min(at));
        self.append(bytes)?;
        server.lock().unwrap().leave_unsynced(self.inode, unsynced);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}
