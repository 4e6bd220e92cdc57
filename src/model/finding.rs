//! What `lanpost doctor` says: one finding per check, in words: what was found, what it means, what to do.
//!
//! Here is the judgement, as functions of facts; the facts come from `sys/mount` and `store/probe`. What the options
//! mean stands in mount.cifs(8) and nfs(5); what clients really do was measured on real mounts (docs/operations.md).

mod age;
mod options;

use std::time::Duration;

use serde::Serialize;

use super::mount::{Announcer, Mount, Protocol};
use crate::error::{Error, Kind};

pub use age::age;
pub use options::{harms, options};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Good,
    /// It could not be told.
    Unknown,
    /// Mail is safe; something is slower or stranger than it need be.
    Warning,
    /// Mail does not work, or is not safe, like this.
    Wrong,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check: a word that scripts may rely on.
    pub check: &'static str,
    /// How it ended.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What that means, if it needs saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    /// A finding without explanation.
    pub fn new(check: &'static str, grade: Grade, found: impl Into<String>) -> Finding {
        Finding { check, grade, found: found.into(), means: None, next: None }
    }

    /// What it means.
    #[must_use]
    pub fn means(self, means: impl Into<String>) -> Finding {
        Finding { means: Some(means.into()), ..self }
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        let mut said = self.found.clone();
        self.means.iter().for_each(|means| said.extend([": ", means]));
        self.next.iter().for_each(|next| said.extend(["; ", next]));
        said
    }

    /// What to do.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Finding {
        Finding { next: Some(next.into()), ..self }
    }
}

/// A check that could not be made: what failed, and its own next step, or `otherwise`.
pub fn failed(check: &'static str, error: &Error, otherwise: &str) -> Finding {
    let next = match error.kind() {
        // The error speaks of a disk; here it is clear whose.
        Kind::Full => "make room on the share's disk, or raise this user's quota there",
        _ => error.next_step().unwrap_or(otherwise),
    };
    Finding::new(check, Grade::Wrong, error.what()).next(next)
}

/// The share is there by another path than the one that was given.
pub fn path(shown: &str, how: &str) -> Finding {
    Finding::new("path", Grade::Warning, format!("on disk it is {shown}: {how}"))
        .means("it works; but who looks for it by the same words may see another folder, or none")
        .next("mount the share with iocharset=utf8 if it is SMB; else rename what is called so, or say it so in the config")
}

/// Whether the login to the server, as the config has it, was accepted.
pub fn login(user: &str, refused: Option<&Error>) -> Finding {
    match refused {
        None => Finding::new("login", Grade::Good, format!("the server accepted {user}")),
        Some(error) => failed("login", error, "look at the config's user and password")
            .means("nothing else was probed: reached as somebody else, the share would say little"),
    }
}

/// How the share is reached.
pub fn mount(mount: &Mount) -> Finding {
    let finding = |grade| Finding::new("mount", grade, mount.sentence());
    match mount.protocol {
        Protocol::Smb if mount.kind == "drive" => finding(Grade::Warning)
            .means("a mapped drive letter belongs to one login: a service does not see it")
            .next(format!("name the share by its server: {}", mount.source)),
        Protocol::Local if mount.kind == "subst" => finding(Grade::Warning)
            .means("a drive made by `subst` belongs to one login: a service does not see it")
            .next(format!("name the folder itself: {}", mount.source)),
        Protocol::Smb | Protocol::Nfs => finding(Grade::Good),
        Protocol::Local => finding(Grade::Good)
            .means("other PCs share it only if this PC serves it to them; if a share should be mounted here, it is not"),
        Protocol::Other => finding(Grade::Unknown)
            .means("how old its answers may be is not known; lanpost looks often and believes no notification"),
        Protocol::Unknown => finding(Grade::Unknown),
    }
}

/// What became of the wait for another PC's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A notification came with it.
    Announced,
    /// A look found it, and no notification came.
    Silent,
    /// Nobody changed anything while we waited.
    NobodyOnline,
    /// Changes came, but never one of another PC alone.
    Mixed,
}

/// Whether events come from other PCs; `refused` says why none could be asked for.
pub fn events(heard: Heard, mount: &Mount, refused: Option<&str>) -> Finding {
    let finding = |grade, found: &str| Finding::new("events", grade, found);
    let polling = "new mail is noticed by looking: at most twice look.idle (4 s) late after a quiet time";
    match (heard, mount.announcer) {
        (Heard::Announced, _) if mount.stale().is_some() => {
            finding(Grade::Good, "another PC's change was announced, but a look may not show it yet")
                .means(polling)
        }
        (Heard::Announced, _) => finding(Grade::Good, "another PC's change was announced")
            .means("new mail is noticed at once; looks are rare"),
        (_, Announcer::Nobody) if mount.protocol == Protocol::Nfs => {
            finding(Grade::Good, "none: NFS has no notifications of other PCs' changes").means(polling)
        }
        (_, Announcer::Nobody) => {
            finding(Grade::Good, "none are expected on this kind of mount").means(polling)
        }
        (_, Announcer::ChangeNotify) if refused.is_some() => finding(
            Grade::Warning,
            &format!("the server can't be asked for them: {}", refused.unwrap_or_default()),
        )
        .means(polling)
        .next("Linux 5.6 or newer and SMB 2 or newer (vers=3.1.1) have them"),
        (Heard::Silent, _) => {
            finding(Grade::Warning, "a look found another PC's change and no notification came")
                .means(polling)
                .next("nothing is lost; if the file server lets you, allow change notifications on it")
        }
        (Heard::NobodyOnline, _) => finding(
            Grade::Unknown,
            "not known: no other PC's daemon is online, and one's own changes prove nothing",
        )
        .next("start `lanpost run` on another PC and ask again"),
        (Heard::Mixed, _) => {
            finding(Grade::Unknown, "not known: every change came together with one of this PC")
                .next("ask again with a longer --wait")
        }
    }
}

/// The server's clock against ours: `ahead` in milliseconds.
pub fn clock(ahead: i64) -> Finding {
    let by = humantime::format_duration(Duration::from_millis(ahead.unsigned_abs() / 100 * 100));
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let found = format!("the server's clock is {by} {way} this PC's");
    match ahead.unsigned_abs() {
        0..2_000 => Finding::new("clock", Grade::Good, "the server's clock and this PC's agree within 2 s"),
        2_000..60_000 => Finding::new("clock", Grade::Good, found).means("no decision of lanpost depends on it"),
        _ => Finding::new("clock", Grade::Warning, found)
            .means("mail is safe, and --ttl is reckoned by its sender's own clock; but times look wrong to people")
            .next("let both take their time from NTP"),
    }
}

/// How much room is left.
pub fn room(bytes: Option<u64>) -> Finding {
    const MIB: u64 = 1 << 20;
    let Some(bytes) = bytes else { return Finding::new("room", Grade::Unknown, "the server does not say") };
    let found = match bytes {
        0..1_048_576 => format!("{} KiB free", bytes >> 10),
        _ if bytes < 10 << 30 => format!("{} MiB free", bytes / MIB),
        _ => format!("{} GiB free", bytes >> 30),
    };
    let next = "make room there, or raise the quota";
    match bytes / MIB {
        0 => Finding::new("room", Grade::Wrong, found).means("mail waits in the senders' spools").next(next),
        1..256 => Finding::new("room", Grade::Warning, found).next(next),
        _ => Finding::new("room", Grade::Good, found),
    }
}

/// The rights of a folder and of a file that we made.
pub fn rights(folder: u32, file: u32) -> Finding {
    let found = format!("folders {folder:03o}, files {file:03o}");
    let step =
        "mount it as the same user on all PCs, or give all users one group: umask 002 and a setgid folder";
    if file & 0o044 == 0 {
        return Finding::new("rights", Grade::Warning, found)
            .means("only this user may read what it writes; PCs that use another user can't read its mail")
            .next(step);
    }
    if folder & 0o022 == 0 {
        return Finding::new("rights", Grade::Good, found).means(
            "other users may read but not write here: fine if all PCs are the same user to the server",
        );
    }
    Finding::new("rights", Grade::Good, found)
}

#[cfg(test)]
mod tests;
