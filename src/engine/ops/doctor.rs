//! Probing a share, with or without an instance: what it is, what it does, and whether events come from other PCs.
//!
//! Touches the share, unlike every other operation, and may hang with it: the caller brings a thread and a deadline.
//! Leaves nothing on the share; without its identity nothing is written where a share is expected.

use std::time::Duration;

use crate::engine::node::init_again;
use crate::error::{Error, Result};
use crate::model::config::Config;
use crate::model::finding::{self, Finding, Grade, Heard};
use crate::model::heartbeat::{Activity, Heartbeat};
use crate::model::layout::{self, ProbeFile};
use crate::model::mount::{Announcer, Mount, Protocol};
use crate::model::pace::BOUND;
use crate::store::access;
use crate::store::identity;
use crate::store::probe::Probe;
use crate::sys::clock::Clock;
use crate::sys::share::Share;

/// The largest heartbeat that is read.
const MAX: usize = 64 * 1024;
/// How often `status/` is looked at while waiting for a peer's change.
const LOOKS: Duration = Duration::from_millis(250);

/// What is to be probed, and what is known of it beforehand.
pub struct Patient<'a> {
    /// The share.
    pub share: &'a dyn Share,
    /// How it is mounted.
    pub mount: &'a Mount,
    /// The id that the config's store knows; `None`: it was never set up from here.
    pub known: Option<String>,
    /// The config, if it is this share's: our own mailbox is told from the others'.
    pub config: Option<Config>,
    /// This PC's name: heartbeats of its daemons prove nothing about other PCs.
    pub host: String,
    /// How long to wait for another PC's change.
    pub wait: Duration,
    /// Free bytes there.
    pub room: &'a dyn Fn() -> Option<u64>,
    /// The rights of something there.
    pub rights: &'a dyn Fn(&layout::SharePath) -> Option<u32>,
    /// Waits at most so long for a notification of `status/`, and says whether one came.
    pub hear: &'a mut dyn FnMut(Duration) -> bool,
    /// Why notifications could not be asked for.
    pub refused: &'a dyn Fn() -> Option<String>,
}

/// Probes the share; `tell` gets each finding as it comes.
pub fn doctor(mut patient: Patient<'_>, clock: &dyn Clock, tell: &mut dyn FnMut(Finding)) {
    let (share, mount) = (patient.share, patient.mount);
    let there = folder(share);
    let stop = there.grade == Grade::Wrong;
    tell(there);
    // Where nothing is, this PC's own disk is no news: it is what holds the mount points.
    if !stop || matches!(mount.protocol, Protocol::Smb | Protocol::Nfs | Protocol::Other) {
        tell(finding::mount(mount));
        finding::options(mount).into_iter().for_each(&mut *tell);
    }
    if stop {
        return;
    }
    tell(finding::age(mount));
    if let Some(choice) = share.choice() {
        tell(finding::path(&choice.shown, &choice.how));
    }
    let identity = whose(share, patient.known.as_deref(), patient.config.as_ref());
    let stop = identity.grade == Grade::Wrong;
    tell(identity);
    if stop {
        return;
    }
    missing(share).into_iter().for_each(&mut *tell);
    tell(finding::room((patient.room)()));
    let mut run = [0; 6];
    run.copy_from_slice(&clock.random()[4..]);
    let probe = Probe::new(share, run);
    let written = probe.write();
    let sound = written.grade == Grade::Good;
    tell(written);
    if sound {
        tell(probe.exclusive());
        let rights = [probe.folder(), probe.file(ProbeFile::Plain)].map(|path| (patient.rights)(&path));
        // The SMB client makes its modes up; the server has its own.
        if let ([Some(folder), Some(file)], true) = (rights, mount.protocol != Protocol::Smb) {
            tell(finding::rights(folder, file));
        }
        tell(probe.replace());
        tell(probe.append());
        tell(probe.case());
        tell(probe.names());
        tell(probe.clock(|| clock.wall()));
        access::findings(share, run, patient.config.as_ref().map(|config| &config.instance))
            .into_iter()
            .for_each(&mut *tell);
    }
    tell(probe.clean());
    tell(events(&mut patient, clock));
}

fn folder(share: &dyn Share) -> Finding {
    let good = |found: &str| Finding::new("folder", Grade::Good, found);
    let wrong = |found: &str| Finding::new("folder", Grade::Wrong, found);
    match (share.names(&layout::root()), share.stat(&layout::root())) {
        (_, Ok(Some(meta))) if !meta.folder => wrong("it is a file").next("name the share's folder"),
        (Ok(names), _) if !names.is_empty() => good("it is there"),
        (Ok(_), Ok(Some(_))) => good("it is there, and empty"),
        (Ok(_), Ok(None)) => wrong("there is no such folder").next("mount the share, or mend the path"),
        (Err(error), _) if error.is_away() => {
            finding::failed("folder", &error, "mount the share, or mend the path")
        }
        (Err(error), _) | (_, Err(error)) => broken("folder", &error),
    }
}

fn broken(check: &'static str, error: &Error) -> Finding {
    finding::failed(check, error, "look at the mount, the network and the server")
}

/// Folders of lanpost's that are not on a share of lanpost's.
fn missing(share: &dyn Share) -> Option<Finding> {
    identity::read(share).ok().flatten()?;
    let gone = identity::missing_folders(share).ok().filter(|gone| !gone.is_empty())?;
    let gone: Vec<_> = gone.iter().map(|folder| format!("{folder}/")).collect();
    let found = format!("{} of lanpost's is not there: somebody removed it", gone.join(", "));
    Some(Finding::new("missing", Grade::Warning, found).next(
        "`lanpost run`, or any command that needs the share, makes it again and writes again what was not acknowledged",
    ))
}

/// Whose share it is. Where one is expected and not found, it is not mounted: nothing may be written there.
fn whose(share: &dyn Share, known: Option<&str>, config: Option<&Config>) -> Finding {
    let finding = |grade, found: String| Finding::new("identity", grade, found);
    match (identity::read(share), known) {
        (Ok(Some(found)), Some(known)) if found.share != known => finding(
            Grade::Wrong,
            format!("its id is {}, ours was {known}: another share is mounted there", found.share),
        )
        .next(config.map_or("mount the right one".into(), |config| {
            format!("mount the right one, or move over: {}", init_again(config))
        })),
        (Ok(Some(found)), _) => finding(Grade::Good, format!("a lanpost share, id {}", found.share)),
        (Ok(None), Some(known)) if identity::is_missing(share) => finding(
            Grade::Wrong,
            "there is no lanpost.json, though folders of lanpost are there: it was removed".into(),
        )
        .means("the share is not used before its id is back; nothing was written there")
        .next(identity::restore(known)),
        (Ok(None), Some(_)) => {
            finding(Grade::Wrong, "there is no lanpost.json: the share is not mounted".into())
                .means("an unmounted mount point is an empty folder; nothing was written there")
                .next("mount it")
        }
        (Ok(None), None) => finding(Grade::Unknown, "there is no lanpost.json yet".into())
            .means("it was never set up, or it is not mounted")
            .next("if it is the right folder: `lanpost init --share PATH --instance NAME`"),
        (Err(error), Some(known)) if identity::is_damaged(share) => {
            broken("identity", &error).next(identity::restore(known))
        }
        (Err(error), _) => broken("identity", &error),
    }
}

/// A peer's heartbeat as a look finds it.
type Beat = (String, i128, u64);

fn events(patient: &mut Patient<'_>, clock: &dyn Clock) -> Finding {
    let heard = match patient.mount.announcer {
        // Nothing can come, so there is nothing to wait for.
        Announcer::Nobody => Ok(Heard::Silent),
        _ => listen(patient, clock),
    };
    match heard {
        Ok(heard) => finding::events(heard, patient.mount, (patient.refused)().as_deref()),
        Err(error) => broken("events", &error),
    }
}

/// Waits for a change that another PC alone made, and says whether a notification came with it.
fn listen(patient: &mut Patient<'_>, clock: &dyn Clock) -> Result<Heard> {
    let share = patient.share;
    let (mut before, end) = (beats(share)?, clock.now().saturating_add(patient.wait));
    let mut abroad = others(share, &before, &patient.host)?;
    let (mut mixed, mut rung) = (false, false);
    if abroad.is_empty() {
        return Ok(Heard::NobodyOnline);
    }
    while clock.now() < end {
        let look = clock.now() + LOOKS;
        while clock.now() < look {
            rung |= (patient.hear)(look.saturating_sub(clock.now()));
        }
        let now = beats(share)?;
        let changed: Vec<&str> =
            now.iter().filter(|beat| !before.contains(beat)).map(|beat| beat.0.as_str()).collect();
        if changed.is_empty() {
            // An event whose change a look does not show yet still belongs to the next one.
            continue;
        }
        if changed.iter().all(|name| abroad.iter().any(|it| it == name)) {
            let late = clock.now() + BOUND;
            while !rung && clock.now() < late {
                rung = (patient.hear)(late.saturating_sub(clock.now()));
            }
            return Ok(if rung { Heard::Announced } else { Heard::Silent });
        }
        (mixed, rung, before) = (true, false, now);
        abroad = others(share, &before, &patient.host)?;
    }
    Ok(if mixed { Heard::Mixed } else { Heard::NobodyOnline })
}

fn beats(share: &dyn Share) -> Result<Vec<Beat>> {
    let entries = share.list(&layout::status_folder())?.unwrap_or_default();
    let ours = entries.into_iter().filter(|entry| layout::parse_status(&entry.name).is_some());
    Ok(ours.map(|entry| (entry.name, entry.meta.stamp, entry.meta.len)).collect())
}

/// The heartbeats of daemons that run on other PCs.
fn others(share: &dyn Share, beats: &[Beat], host: &str) -> Result<Vec<String>> {
    let mut found = vec![];
    for (file, ..) in beats {
        let Some(name) = layout::parse_status(file) else { continue };
        // What can't be read is nobody's heartbeat: a pipe or a link that somebody put there.
        let read = share.read(&layout::status(&name), 0, MAX).unwrap_or_default();
        let beat = read.and_then(|bytes| Heartbeat::parse(&bytes));
        if beat.is_some_and(|beat| beat.state == Activity::Online && beat.host != host) {
            found.push(file.clone());
        }
    }
    Ok(found)
}
