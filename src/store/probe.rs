//! What a share really does with files, tried in a folder of our own: `lanpost-probe-<run>/`.
//!
//! Written by one run of `lanpost doctor`, removed at its end, also after failures. What a crash leaves, here or in
//! lanpost's own folders ([`access`]), is no mail, is read by nobody, and is removed by a later run when it is an hour
//! old in the share's time.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::model::finding::{self, Finding, Grade};
use crate::model::layout::{self, ProbeFile, SharePath};
use crate::store::access;
use crate::sys::share::Share;

/// From this age on, another run's folder is a leftover: none takes so long. In nanoseconds.
const LEFT_OVER: i128 = 3_600_000_000_000;

/// A folder of probes on a share.
pub struct Probe<'a> {
    share: &'a dyn Share,
    run: [u8; 6],
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding::new(check, Grade::Good, found)
}

fn wrong(check: &'static str, found: impl Into<String>) -> Finding {
    Finding::new(check, Grade::Wrong, found)
}

/// What was tried, or why it failed, as a finding.
fn told(check: &'static str, tried: Result<Finding>) -> Finding {
    tried.unwrap_or_else(|error| {
        finding::failed(check, &error, "let this user write, make and remove files there")
    })
}

impl<'a> Probe<'a> {
    /// A probe of `share`; `run` is random. Nothing is made yet.
    pub fn new(share: &'a dyn Share, run: [u8; 6]) -> Probe<'a> {
        Probe { share, run }
    }

    /// The folder it works in.
    pub fn folder(&self) -> SharePath {
        layout::probe_folder(self.run)
    }

    /// A file in it.
    pub fn file(&self, file: ProbeFile) -> SharePath {
        layout::probe_file(self.run, file)
    }

    /// Makes the folder and a file.
    pub fn write(&self) -> Finding {
        let write = || {
            self.share.make_folder(&self.folder())?;
            let made = self.share.create_new(&self.file(ProbeFile::Plain), b"one")?;
            let back = self.share.read(&self.file(ProbeFile::Plain), 0, 10)?;
            Ok(match (made, back.as_deref()) {
                (true, Some(b"one")) => good("write", "a folder and a file were made, synced and read back"),
                (false, _) => wrong("write", "a new file's name is said to be taken"),
                (true, _) => wrong("write", "a file that was just written and synced reads back otherwise"),
            })
        };
        let found = told("write", write());
        match found.grade {
            Grade::Wrong => {
                found.means("nothing can be sent from here; mail waits in the spool, and what others write may still be read")
            }
            _ => found,
        }
    }

    /// A second exclusive create of the same name must fail.
    pub fn exclusive(&self) -> Finding {
        let create = || {
            let again = self.share.create_new(&self.file(ProbeFile::Plain), b"two")?;
            let back = self.share.read(&self.file(ProbeFile::Plain), 0, 10)?;
            Ok(match again || back.as_deref() != Some(b"one") {
                false => good("exclusive", "a name that exists can't be created a second time (O_EXCL)"),
                true => wrong("exclusive", "a name that exists was created a second time")
                    .means("two daemons can hold one lease at once; mail is still right, but twice the work")
                    .next("mount it as SMB 2 or newer, or NFS 3 or newer"),
            })
        };
        told("exclusive", create())
    }

    /// A file is replaced, also while somebody has it open.
    pub fn replace(&self) -> Finding {
        let path = self.file(ProbeFile::Plain);
        let replace = || {
            self.share.replace(&path, b"three")?;
            let closed = self.share.read(&path, 0, 10)?;
            let open = self.share.open_append(&path)?;
            let over_open = self.share.replace(&path, b"four");
            drop(open);
            let back = self.share.read(&path, 0, 10)?;
            Ok(match (closed.as_deref(), over_open, back.as_deref()) {
                (Some(b"three"), Ok(()), Some(b"four")) => {
                    good("replace", "a file is replaced by a rename, also while it is open")
                }
                (Some(b"three"), Err(error), _) => {
                    Finding::new("replace", Grade::Warning, format!("not while it is open: {}", error.what()))
                        .means("a heartbeat may be a beat late when somebody reads it")
                }
                _ => wrong("replace", "a file that was replaced reads back otherwise"),
            })
        };
        told("replace", replace())
    }

    /// Lines are appended and read back through a new handle.
    pub fn append(&self) -> Finding {
        let path = self.file(ProbeFile::Plain);
        let append = || {
            self.share.replace(&path, b"")?;
            let mut file = self.share.open_append(&path)?;
            file.append(b"a\n")?;
            file.append(b"b\n")?;
            let (back, meta) = (self.share.read(&path, 0, 10)?, self.share.stat(&path)?);
            drop(file);
            Ok(match (back.as_deref(), meta.map(|meta| meta.len)) {
                (Some(b"a\nb\n"), Some(4)) => good("append", "appended, synced, and read back at once"),
                (Some(b"a\nb\n"), len) => {
                    wrong("append", format!("a file of 4 bytes is said to have {len:?}"))
                        .means("the client remembers sizes that are not true any more")
                }
                _ => wrong("append", "what was appended and synced reads back otherwise"),
            })
        };
        told("append", append())
    }

    /// Whether two names that differ in case are one file.
    pub fn case(&self) -> Finding {
        let case = || {
            self.share.create_new(&self.file(ProbeFile::Lower), b"")?;
            Ok(match self.share.stat(&self.file(ProbeFile::Upper))? {
                Some(_) => good("case", "names that differ in case alone are one file")
                    .means("lanpost allows no such two names"),
                None => good("case", "names that differ in case are two files"),
            })
        };
        told("case", case())
    }

    /// Which names come back as they were given.
    pub fn names(&self) -> Finding {
        let mut bad = vec![];
        for (file, word) in [
            (ProbeFile::Chinese, "a Chinese name"),
            (ProbeFile::Composed, "an accented name (NFC)"),
            (ProbeFile::Decomposed, "an accented name (NFD)"),
            (ProbeFile::Long, "a name of 200 bytes"),
        ] {
            match self.name(file) {
                Ok(None) => {}
                Ok(Some(how)) => bad.push(format!("{word} {how}")),
                Err(error) => bad.push(format!("{word} is refused ({})", error.what())),
            }
        }
        match bad.is_empty() {
            true => good("names", "Chinese, accented and long names come back as they were given"),
            false => Finding::new("names", Grade::Warning, bad.join("; "))
                .means("instances with such names may not find each other's mail")
                .next("on SMB mount it with iocharset=utf8; or use names of ASCII letters"),
        }
    }

    fn name(&self, file: ProbeFile) -> Result<Option<&'static str>> {
        self.share.create_new(&self.file(file), b"x")?;
        if self.share.read(&self.file(file), 0, 2)?.as_deref() != Some(b"x") {
            return Ok(Some("is not found again"));
        }
        let listed = self.share.names(&self.folder())?;
        Ok((!listed.contains(&file.name())).then_some("is listed otherwise"))
    }

    /// The server's clock against ours.
    pub fn clock(&self, ours: impl Fn() -> DateTime<Utc>) -> Finding {
        let path = self.file(ProbeFile::Plain);
        let clock = || {
            self.share.replace(&path, b"now")?;
            Ok(match (self.share.stat(&path)?, ours().timestamp_nanos_opt()) {
                (Some(meta), Some(ours)) => {
                    let ahead = (meta.stamp - i128::from(ours)) / 1_000_000;
                    finding::clock(i64::try_from(ahead).unwrap_or(i64::MIN))
                }
                _ => Finding::new("clock", Grade::Unknown, "the server does not say"),
            })
        };
        told("clock", clock())
    }

    /// Removes all that was made, and what crashed runs left hours ago.
    pub fn clean(&self) -> Finding {
        let clean = || -> Result<Finding> {
            let Some(made) = self.share.stat(&self.folder())? else {
                return Ok(good("clean", "nothing was made there"));
            };
            self.clear(self.run)?;
            let (mut cleared, mut young) = (0, 0);
            for (path, run, stamp) in self.strangers()? {
                let old = made.stamp.saturating_sub(stamp) > LEFT_OVER;
                let gone = || match path.parent() == layout::root() {
                    true => self.clear(run),
                    false => self.share.remove(&path),
                };
                match old && gone().is_ok() {
                    true => cleared += 1,
                    false => young += 1,
                }
            }
            let mut said = "nothing of these probes is left there".to_owned();
            if cleared > 0 {
                said += &format!("; {cleared} of crashed runs were removed");
            }
            if young > 0 {
                said += &format!(
                    "; {young} lanpost-probe-… of other runs are: of one that is at work, or was killed (a run \
                     removes what is an hour old)"
                );
            }
            Ok(good("clean", said))
        };
        clean().unwrap_or_else(|error| {
            Finding::new("clean", Grade::Warning, error.what())
                .next(format!("remove the folder {} by hand; it holds nothing of use", self.folder()))
        })
    }

    /// What other runs made: where, whose, and when it last changed.
    fn strangers(&self) -> Result<Vec<(SharePath, [u8; 6], i128)>> {
        let mut found = vec![];
        for folder in [layout::root()].into_iter().chain(access::folders(self.share)?) {
            // What can't be listed has been told of by another check.
            for run in self
                .share
                .names(&folder)
                .unwrap_or_default()
                .iter()
                .filter_map(|name| layout::parse_probe(name))
            {
                let path = match folder == layout::root() {
                    true => layout::probe_folder(run),
                    false => layout::probe_in(&folder, run),
                };
                if let Some(meta) = self.share.stat(&path)?.filter(|_| run != self.run) {
                    found.push((path, run, meta.stamp));
                }
            }
        }
        Ok(found)
    }

    fn clear(&self, run: [u8; 6]) -> Result<()> {
        for file in ProbeFile::ALL {
            self.share.remove(&layout::probe_file(run, file))?;
        }
        self.share.remove(&layout::probe_folder(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::ManualClock;
    use crate::sys::memory::MemoryShare;

    #[test]
    fn a_sound_share_passes_and_keeps_nothing() {
        let share = MemoryShare::new();
        let probe = Probe::new(&share, [7; 6]);
        let found =
            [probe.write(), probe.exclusive(), probe.replace(), probe.append(), probe.case(), probe.names()];
        assert!(found.iter().all(|finding| finding.grade == Grade::Good), "{found:?}");
        assert_eq!(share.list(&layout::root()).unwrap().unwrap().len(), 1);
        assert_eq!(probe.clean().grade, Grade::Good);
        assert_eq!(share.list(&layout::root()).unwrap().unwrap(), []);
    }

    #[test]
    fn what_a_killed_run_left_is_told_and_removed_when_it_is_old() {
        let clock = std::sync::Arc::new(ManualClock::new(1));
        let share = MemoryShare::with_clock(clock.clone());
        layout::folders().iter().for_each(|folder| share.make_folder(folder).unwrap());
        Probe::new(&share, [1; 6]).write();
        share.create_new(&layout::probe_in(&layout::messages(), [1; 6]), b"").unwrap();
        let clean = |run| {
            let probe = Probe::new(&share, [run; 6]);
            probe.write();
            probe.clean().found
        };
        let said = clean(2);
        assert!(said.contains("; 2 lanpost-probe-… of other runs"), "{said}");
        clock.advance(std::time::Duration::from_secs(7_200));
        let said = clean(3);
        assert!(said.ends_with("left there; 2 of crashed runs were removed"), "{said}");
        assert_eq!(clean(4), "nothing of these probes is left there");
    }

    #[test]
    fn a_folder_that_holds_something_foreign_is_named_and_left() {
        let share = MemoryShare::new();
        let probe = Probe::new(&share, [7; 6]);
        probe.write();
        share.create_new(&probe.file(ProbeFile::Plain).aside("somebody"), b"").unwrap();
        let said = probe.clean();
        assert!(said.grade == Grade::Warning && said.next.unwrap().contains("lanpost-probe-070707070707"));
    }
}
