//! Where everything lies on the share; the only place that makes or reads a path of it.
//!
//! A [`SharePath`] can be made here alone, from validated names and numbers, so no text that came from the share
//! ever becomes a path by itself. Names are parsed from the right: `from-<instance>.<lease>-<segment>.jsonl`,
//! because an instance name may hold dots and dashes.

mod probe;

use std::fmt;
use std::path::{Path, PathBuf};

use super::blob::Hash;
use super::name::Name;
use super::task::TaskId;

pub use probe::{ProbeFile, parse_probe, probe_file, probe_folder, probe_in};

/// A path relative to the share's root, `/` between components, made only by this module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePath(String);

impl SharePath {
    /// The relative path with `/` separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies when the share's root is `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        path.extend(self.0.split('/').filter(|part| !part.is_empty()));
        path
    }

    /// The same path with `suffix` behind its last component: the name something is written under before a rename.
    pub fn aside(&self, suffix: &str) -> SharePath {
        SharePath(format!("{}.{suffix}.tmp", self.0))
    }

    /// The folder this path lies in; the root's is the root.
    pub fn parent(&self) -> SharePath {
        SharePath(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One segment of one lane: the file that `from` under `lease` writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneFile {
    /// The only writer.
    pub from: Name,
    /// The lease (fencing token) it writes under.
    pub lease: u64,
    /// Segment number, from 1.
    pub segment: u64,
}

/// What an entry of `messages/` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagesEntry {
    /// `to-<instance>.jsonl`
    OpenSlot(Name),
    /// `to-<instance>/`
    Mailbox(Name),
    /// `to-<instance>.jsonl.lock`
    OpenSlotLock(Name),
}

/// `lanpost.json`, the share's identity.
pub fn identity() -> SharePath {
    SharePath("lanpost.json".into())
}

/// The share's root.
pub fn root() -> SharePath {
    SharePath(String::new())
}

/// The folders that every share has, made by `init`.
pub fn folders() -> [SharePath; 3] {
    [messages(), status_folder(), leases_folder()]
}

/// The folder of all mailboxes and open slots.
pub fn messages() -> SharePath {
    SharePath("messages".into())
}

/// The folder of all heartbeats.
pub fn status_folder() -> SharePath {
    SharePath("status".into())
}

/// An instance's heartbeat.
pub fn status(instance: &Name) -> SharePath {
    SharePath(format!("status/{instance}.json"))
}

/// An instance's open slot.
pub fn open_slot(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}.jsonl"))
}

/// The lockfile held while appending to an open slot.
pub fn open_slot_lock(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}.jsonl.lock"))
}

/// An instance's mailbox: the folder of its lanes and its doorbell.
pub fn mailbox(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}"))
}

/// A mailbox's doorbell.
pub fn bell(instance: &Name) -> SharePath {
    SharePath(format!("messages/to-{instance}/bell"))
}

/// A segment of a lane in `to`'s mailbox.
pub fn lane(to: &Name, file: &LaneFile) -> SharePath {
    SharePath(format!("messages/to-{to}/from-{}.{}-{:06}.jsonl", file.from, file.lease, file.segment))
}

/// The folder of all instances' leases.
pub fn leases_folder() -> SharePath {
    SharePath("leases".into())
}

/// The folder of an instance's leases.
pub fn leases(instance: &Name) -> SharePath {
    SharePath(format!("leases/{instance}"))
}

/// One lease of an instance.
pub fn lease(instance: &Name, number: u64) -> SharePath {
    SharePath(format!("leases/{instance}/{number:06}.json"))
}

/// The file that an instance writes to learn what time it is on the share.
pub fn share_clock(instance: &Name) -> SharePath {
    SharePath(format!("leases/{instance}/clock"))
}

/// The folder of all that concerns tasks.
pub fn tasks() -> SharePath {
    SharePath("tasks".into())
}

/// A segment of an instance's log of task events.
pub fn task_log(file: &LaneFile) -> SharePath {
    SharePath(format!("tasks/{}.{}-{:06}.jsonl", file.from, file.lease, file.segment))
}

/// The doorbell of all task logs.
pub fn task_bell() -> SharePath {
    SharePath("tasks/bell".into())
}

/// The page of tasks for people.
pub fn task_page() -> SharePath {
    SharePath("tasks/shared-tasks.md".into())
}

/// What the page is called while an instance renders it anew.
pub fn task_page_aside(instance: &Name) -> SharePath {
    task_page().aside(instance.as_str())
}

/// Where a page is kept that somebody saved while an instance rendered it, at that time (milliseconds since 1970).
pub fn task_page_kept(instance: &Name, at: u64) -> SharePath {
    SharePath(format!("tasks/shared-tasks.{instance}.{at}.md"))
}

/// A folder in which claims of one thing are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFolder(SharePath);

impl ClaimFolder {
    /// The folder.
    pub fn path(&self) -> &SharePath {
        &self.0
    }

    /// The claim of this number.
    pub fn claim(&self, number: u64) -> SharePath {
        SharePath(format!("{}/{number:06}.json", self.0))
    }
}

/// The claims of a task.
pub fn task_claims(task: &TaskId) -> ClaimFolder {
    ClaimFolder(SharePath(format!("{TASK_CLAIMS}/{task}")))
}

const TASK_CLAIMS: &str = "tasks/claims";

/// The folder of all attachments. Nobody makes it before there is one.
pub fn files() -> SharePath {
    SharePath("files".into())
}

/// The folder of the attachments whose hashes begin alike.
pub fn blobs(hash: &Hash) -> SharePath {
    SharePath(format!("files/{}", &hash.to_string()[..2]))
}

/// An attachment's bytes.
pub fn blob(hash: &Hash) -> SharePath {
    SharePath(format!("{}/{hash}", blobs(hash)))
}

/// Reads an entry of a mailbox; `None` for the bell and for foreign files.
pub fn parse_lane(file_name: &str) -> Option<LaneFile> {
    segment_of(file_name.strip_prefix("from-")?)
}

/// Reads an entry of `tasks/`; `None` for all that is no log.
pub fn parse_task_log(file_name: &str) -> Option<LaneFile> {
    segment_of(file_name)
}

/// Reads the name of a page that an instance has put aside.
pub fn parse_task_page_aside(file_name: &str) -> Option<Name> {
    Name::parse(file_name.strip_prefix("shared-tasks.md.")?.strip_suffix(".tmp")?).ok()
}

/// Whether it is the name of the page, or of one that was put aside.
pub fn is_task_page(file_name: &str) -> bool {
    file_name == "shared-tasks.md" || parse_task_page_aside(file_name).is_some()
}

/// Reads `<instance>.<lease>-<segment>.jsonl`.
fn segment_of(file_name: &str) -> Option<LaneFile> {
    let (rest, segment) = file_name.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let (from, lease) = rest.rsplit_once('.')?;
    Some(LaneFile { from: Name::parse(from).ok()?, lease: number(lease)?, segment: number(segment)? })
}

/// Reads an entry of a folder of claims.
pub fn parse_claim(file_name: &str) -> Option<u64> {
    parse_lease(file_name)
}

/// Reads an entry of `status/`.
pub fn parse_status(file_name: &str) -> Option<Name> {
    Name::parse(file_name.strip_suffix(".json")?).ok()
}

/// Reads an entry of `leases/<instance>/`.
pub fn parse_lease(file_name: &str) -> Option<u64> {
    number(file_name.strip_suffix(".json")?)
}

/// Reads an entry of `messages/`; `None` for foreign files.
pub fn parse_messages(file_name: &str) -> Option<MessagesEntry> {
    let rest = file_name.strip_prefix("to-")?;
    if let Some(name) = rest.strip_suffix(".jsonl.lock") {
        return Name::parse(name).ok().map(MessagesEntry::OpenSlotLock);
    }
    if let Some(name) = rest.strip_suffix(".jsonl") {
        return Name::parse(name).ok().map(MessagesEntry::OpenSlot);
    }
    Name::parse(rest).ok().map(MessagesEntry::Mailbox)
}

/// Whether a path found on the share is one of the layout's; everything else is foreign and left alone.
pub fn is_ours(relative: &str) -> bool {
    // What was being written aside belongs to the file it becomes.
    let path =
        relative.strip_suffix(".tmp").and_then(|aside| Some(aside.rsplit_once('.')?.0)).unwrap_or(relative);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["lanpost.json"] => true,
        ["messages" | "status" | "leases", probe] if parse_probe(probe).is_some() => true,
        ["messages", file] => {
            matches!(parse_messages(file), Some(MessagesEntry::OpenSlot(_) | MessagesEntry::OpenSlotLock(_)))
        }
        ["messages", folder, file] => {
            let mailbox = matches!(parse_messages(folder), Some(MessagesEntry::Mailbox(_)));
            mailbox && (*file == "bell" || parse_lane(file).is_some() || parse_probe(file).is_some())
        }
        ["status", file] => parse_status(file).is_some(),
        ["tasks", file] => matches!(*file, "bell" | "shared-tasks.md") || parse_task_log(file).is_some(),
        ["tasks", "claims", task, file] => task.parse::<TaskId>().is_ok() && parse_claim(file).is_some(),
        [probe, _] if parse_probe(probe).is_some() => true,
        ["files", folder, file] => {
            file.parse::<Hash>().is_ok() && file.starts_with(folder) && folder.len() == 2
        }
        ["leases", instance, file] => {
            let known = *file == "clock" || parse_lease(file).is_some() || parse_probe(file).is_some();
            Name::parse(instance).is_ok() && known
        }
        _ => false,
    }
}

/// The highest number of a lease or a segment.
pub const LAST: u64 = u32::MAX as u64 - 1;

/// Digits only (no sign, no space); zero and numbers that would overflow when counted on are nobody's.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| (1..=LAST).contains(n))
}

#[cfg(test)]
mod tests;
