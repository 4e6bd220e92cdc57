//! Backup and restore of the state folder: the store, the key and whatever else lies there, and the config.
//!
//! A backup is made while a daemon runs, and is complete or not there. A restore wants the state folder for itself. What
//! then happens with mail of the time between is told in [`recall`](crate::engine::recall).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::engine::node::{self, Node, store_path};
use crate::error::{Error, Kind, Result};
use crate::model::chain::Head;
use crate::model::config::Config;
use crate::model::envelope::format_time;
use crate::model::ledger::Inquiry;
use crate::model::name::Name;
use crate::store::db::{Backup, Db};
use crate::store::{key, seal};
use crate::sys::clock::Clock;
use crate::sys::files;
use crate::sys::flock::LocalLock;
use crate::sys::process;

/// The config's name in a backup.
pub const CONFIG: &str = "config.toml";
/// The largest file of the state folder that a backup holds.
const LARGEST: u64 = 4 << 20;

/// A backup that was made.
#[derive(Clone, Debug, Serialize)]
pub struct BackedUp {
    /// The file.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Whose state it is.
    pub instance: String,
    /// When it was made (RFC 3339).
    pub made: String,
    /// The log's newest entry in it.
    pub log_head: Head,
}

/// What is asked of a restore.
pub struct Restore<'a> {
    /// The backup.
    pub file: &'a Path,
    /// Also over a state that is newer, or other.
    pub force: bool,
}

/// A restore that was done.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// Whose state it is.
    pub instance: String,
    /// When the backup was made (RFC 3339).
    pub made: String,
    /// Where the state that was before lies, itself a backup; `None` if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<PathBuf>,
    /// The log's newest entry before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_head_before: Option<Head>,
    /// Files of the state folder that were written.
    pub files: Vec<String>,
}

/// Writes a backup of the state folder and of the config, whose file is `config`, to `file`.
///
/// # Errors
/// Something else stands there, it lies on the share, or it can't be written; then nothing is changed.
pub fn backup(node: &mut Node, config: &Path, file: &Path) -> Result<BackedUp> {
    let refused = |cause: &str, step: &str| {
        Err(Error::usage("write the backup to", file.display(), cause).next(step.to_owned()))
    };
    if files::is_below(file, &node.config.share.path) {
        return refused(
            "it is on the share, and a backup holds the key",
            "keep it where only its owner reads it",
        );
    }
    if files::exists(file) {
        match Db::read_backup(file) {
            Ok(old) if old.instance == node.instance().as_str() => {}
            Ok(old) => {
                return refused(
                    &format!("a backup of instance {} is there", old.instance),
                    "name another file",
                );
            }
            Err(_) => return refused("something that is no backup is there", "name another file"),
        }
    }
    // A damaged one must not take the place of what may be its last good copy.
    seal::load(&node.config.state)?;
    let about = about(&node.config, Some(config), &*node.clock)?;
    let aside = beside(file);
    files::remove(&aside)?;
    files::create_owned(&aside)?;
    let copied = node.db.back_up(&aside, &about).and_then(|head| {
        let bytes = files::size(&aside)?;
        files::rename(&aside, file)?;
        Ok((head, bytes))
    });
    if copied.is_err() {
        let _ = files::remove(&aside);
    }
    let (log_head, bytes) = copied?;
    node.db.record("backup", "", Some(&file.display().to_string()), node.clock.wall_ms())?;
    let Backup { instance, made, .. } = about;
    Ok(BackedUp { file: file.to_owned(), bytes, instance, made, log_head })
}

/// What a backup says of itself, with all small files of the state folder that are nobody's working files.
fn about(config: &Config, file: Option<&Path>, clock: &dyn Clock) -> Result<Backup> {
    let mut kept = vec![];
    for (name, size) in files::list(&config.state)? {
        if is_kept(&name) && size <= LARGEST {
            let read = files::read(&config.state.join(&name))?;
            // A backup that was put there is not kept in the next one, which would double with every one.
            let read = read.filter(|bytes| !bytes.starts_with(b"SQLite format 3\0"));
            kept.extend(read.map(|bytes| (name, bytes)));
        }
    }
    if let Some(path) = file {
        kept.extend(files::read(path)?.map(|bytes| (CONFIG.to_owned(), bytes)));
    }
    Ok(Backup {
        instance: config.instance.to_string(),
        made: format_time(clock.wall()),
        version: env!("CARGO_PKG_VERSION").into(),
        config: file.map(|path| path.display().to_string()).unwrap_or_default(),
        files: kept,
    })
}

/// Keys and what future versions put beside them; not the store, locks, logs, and what was set aside.
fn is_kept(name: &str) -> bool {
    let working = ["lanpost.db", "daemon.", "restore."].iter().any(|begin| name.starts_with(begin));
    !working
        && name != CONFIG
        && !name.contains(".log")
        && !name.ends_with(".tmp")
        && !name.contains("before-restore")
}

/// The backup's own words, without changing anything: whose it is, and the config that it holds.
pub fn look(file: &Path) -> Result<Backup> {
    match files::exists(file) {
        true => Db::read_backup(file),
        false => Err(Error::new(Kind::NotFound, "read the backup", file.display(), "there is no such file")),
    }
}

/// Puts the state of a backup in place of the state folder's. The config is the caller's.
///
/// # Errors
/// A daemon or a command works on the state folder; the backup is another instance's, or damaged; the state that is
/// there is newer, and `force` is not given.
pub fn restore(config: &Config, clock: &Arc<dyn Clock>, wanted: &Restore<'_>) -> Result<Restored> {
    let deed = "restore the backup";
    let found = look(wanted.file)?;
    if !Name::parse(&found.instance).is_ok_and(|whose| whose.same_as(&config.instance)) {
        let cause = format!("it is of instance {}, and the config is of {}", found.instance, config.instance);
        return Err(Error::usage(deed, wanted.file.display(), cause).next("name the right --config"));
    }
    files::private_folder(&config.state)?;
    let now = format_time(clock.wall());
    let Some(_lock) = LocalLock::try_acquire(&config.state, "restore", now.clone())? else {
        let who = LocalLock::holder(&config.state);
        let who = who.map_or("another process".into(), |who| format!("`{}` (process {})", who.role, who.pid));
        let error = Error::new(
            Kind::Busy,
            "work on the state folder",
            config.state.display(),
            format!("{who} is at work on it"),
        );
        return Err(error.next("stop it first: `lanpost service stop`, or end `lanpost run`"));
    };
    // A copy, which is brought up to date and looked through before anything is touched.
    let copy = config.state.join("restore.tmp");
    remove_database(&copy)?;
    files::create_owned(&copy)?;
    let done = files::copy_into(wanted.file, &copy)
        .and_then(|()| Db::open(&copy))
        .and_then(|from| put_in_place(config, clock, wanted, &found, &from, &now));
    remove_database(&copy)?;
    done
}

fn put_in_place(
    config: &Config,
    clock: &Arc<dyn Clock>,
    wanted: &Restore<'_>,
    found: &Backup,
    from: &Db,
    now: &str,
) -> Result<Restored> {
    if let Err(why) = chain_of(from)? {
        let error = Error::new(Kind::Corrupt, "restore the backup", wanted.file.display(), why);
        return Err(error.next("it was tampered with: use another one"));
    }
    let stamp: String = now.chars().filter(char::is_ascii_digit).collect();
    let path = store_path(config);
    let (mut before, mut aside) = (None, None);
    let mut db = match files::exists(&path).then(|| Db::open(&path)) {
        Some(Ok(db)) => {
            node::belongs(&db, config)?;
            if !wanted.force {
                is_no_newer(&db, from, found)?;
            }
            before = Some(db.log_head()?);
            db
        }
        Some(Err(error)) if error.kind() == Kind::Corrupt => {
            // The very case for a backup; what is left of it may still be of use to somebody.
            let kept = config.state.join(format!("lanpost.db.before-restore-{stamp}"));
            for end in ["", "-wal", "-shm"] {
                let (from, to) = (with(&path, end), with(&kept, end));
                if files::exists(&from) {
                    files::rename(&from, &to)?;
                }
            }
            aside = Some(kept);
            Db::open_or_make(&path)?
        }
        Some(Err(error)) => return Err(error),
        None => Db::open_or_make(&path)?,
    };
    let kept = config.state.join(format!("before-restore-{stamp}.backup"));
    files::remove(&kept)?;
    files::create_owned(&kept)?;
    let about = about(config, None, &**clock)?;
    let written = put_files(config, found, &stamp)?;
    let note =
        format!("from the backup of {} ({}), by {}", found.made, wanted.file.display(), process::host_name());
    let note = match before {
        Some(head) => format!("{note}; the log was at {head}"),
        None => note,
    };
    db.restore(from, &kept, &about, &format!("the state folder was restored {note}"), clock.wall_ms())?;
    match before {
        Some(_) => aside = Some(kept),
        None => files::remove(&kept)?,
    }
    let (instance, made) = (found.instance.clone(), found.made.clone());
    Ok(Restored { instance, made, aside, log_head_before: before, files: written })
}

/// Whether anything was changed in a log, in words.
fn chain_of(db: &Db) -> Result<std::result::Result<(), String>> {
    let snapshot = db.log_snapshot()?;
    let (mut inquiry, mut broken) = (Inquiry::new(None, None), None);
    snapshot.walk(i64::MIN, &mut |entry| {
        broken = inquiry.entry(&entry).err();
        Ok(broken.is_none())
    })?;
    let found = broken.map_or_else(|| inquiry.end(None).map(drop), Err);
    Ok(found.map_err(|broken| format!("entry {} of its log: {}", broken.n, broken.why)))
}

/// Refuses a state in which something happened since the backup: a message moved, or trust changed.
fn is_no_newer(db: &Db, from: &Db, found: &Backup) -> Result<()> {
    /// What a restore does not take away.
    const HARMLESS: [&str; 6] = ["backup", "lease-taken", "share-away", "share-back", "trouble", "aged-out"];
    let backed_up = from.log_head()?;
    let (mut known, mut since, mut last) = (backed_up.n == 0, 0_u64, None);
    db.log_snapshot()?.walk(backed_up.n, &mut |entry| {
        if entry.n == backed_up.n {
            known = entry.hash == backed_up.hash;
        } else if let crate::model::chain::Body::Said(said) = &entry.body
            && !(said.way == "event" && HARMLESS.contains(&said.what.as_str()))
        {
            since += 1;
            last = Some(entry.ms);
        }
        Ok(true)
    })?;
    let empty = db.log_head()?.n == 0;
    if empty || known && since == 0 {
        return Ok(());
    }
    let cause = match known {
        true => format!(
            "the state there is newer: its log has {since} entries since the backup of {}",
            found.made
        ),
        false => "the state there is another one: its log does not go on from the backup's".to_owned(),
    };
    Err(Error::usage("restore over", db.describe(), cause)
        .next("`--force` restores all the same, and keeps that state aside"))
}

/// Writes the state folder's files as the backup has them; one that differs is kept aside. A key that was rotated since
/// stays: it is the one that peers know.
fn put_files(config: &Config, found: &Backup, stamp: &str) -> Result<Vec<String>> {
    let mut written = vec![];
    let text = |wanted: &str| {
        let bytes = found.files.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes)?;
        std::str::from_utf8(bytes).ok().map(str::trim)
    };
    let rotated = match text(key::PUBLIC) {
        // Damaged, it is one more reason to take the backup's.
        Some(backed_up) => {
            key::past(&config.state).is_ok_and(|past| past.iter().any(|link| link.key == backed_up))
        }
        None => false,
    };
    let is_newer =
        |name: &str| rotated && key::FILES.contains(&name) && files::exists(&config.state.join(key::KEY));
    for (name, bytes) in found.files.iter().filter(|(name, _)| is_kept(name)) {
        // A name of the backup's is one of this folder and of no other.
        if name.contains(['/', '\\', ':']) || name.starts_with('.') || is_newer(name) {
            continue;
        }
        let path = config.state.join(name);
        let bytes = match name.as_str() {
            // Mail may be sealed to any of them.
            seal::SEAL => match seal::restored(&config.state, bytes) {
                Some(keys) => Zeroizing::new(keys.as_bytes().to_vec()),
                None => continue,
            },
            _ => Zeroizing::new(bytes.clone()),
        };
        match files::read(&path)? {
            Some(there) if there == *bytes => continue,
            Some(_) => files::rename(&path, &config.state.join(format!("{name}.before-restore-{stamp}")))?,
            None => {}
        }
        files::create_private(&path, &bytes)?;
        written.push(name.clone());
    }
    Ok(written)
}

fn beside(file: &Path) -> PathBuf {
    with(file, &format!(".{}.tmp", process::id()))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove_database(path: &Path) -> Result<()> {
    ["", "-journal", "-wal", "-shm"].iter().try_for_each(|end| files::remove(&with(path, end)))
}
