//! Notifications of the operating system: inotify, ReadDirectoryChangesW, FSEvents.
//!
//! On a network mount Linux tells of this PC's own changes alone; `mod` asks for none there.

use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Complain, Hint, Places, Seen};
use crate::model::layout::{self, MessagesEntry};
use crate::sys::files;

/// A running watcher; dropping it ends it.
pub struct Native {
    _watcher: RecommendedWatcher,
}

impl Native {
    /// Watches `folders`, each by itself.
    pub fn start(places: &Places, folders: &[PathBuf], hint: Hint, complain: &Complain) -> Option<Native> {
        let known = places.clone();
        let handler = move |event: notify::Result<Event>| {
            let Ok(event) = event else { return hint.give(Seen::Everything) };
            if event.need_rescan() {
                return hint.give(Seen::Everything);
            }
            // Our own looks open and read files; that is no news.
            if !matches!(event.kind, EventKind::Access(_)) {
                event.paths.iter().filter_map(|path| classify(&known, path)).for_each(|seen| hint.give(seen));
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => watcher,
            Err(error) => {
                folders.iter().for_each(|folder| complain(folder, Some(&error.to_string())));
                return None;
            }
        };
        for folder in folders {
            if let Err(error) = watcher.watch(&files::long(folder), RecursiveMode::NonRecursive) {
                complain(folder, Some(&error.to_string()));
            }
        }
        Some(Native { _watcher: watcher })
    }
}

/// What a changed path means for us; `None` for everybody else's business.
fn classify(places: &Places, path: &Path) -> Option<Seen> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let last = folder.file_name()?.to_str()?;
    let instance = places.instance.as_ref();
    if places.bell.as_deref().is_some_and(|bells| folder == bells || folder == files::long(bells)) {
        return (name == "bell").then_some(Seen::Local);
    }
    match last {
        "status" => (!name.ends_with(".tmp")).then_some(Seen::Status),
        "messages" => match layout::parse_messages(name)? {
            // A server that folds case may have it under another one.
            MessagesEntry::OpenSlot(to) => instance.is_some_and(|us| to.same_as(us)).then_some(Seen::Slot),
            _ => None,
        },
        _ if Some(last.to_owned()) == instance.map(|us| format!("to-{us}")) => Some(Seen::Mailbox),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::model::name::Name;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn only_our_own_business_is_a_hint() {
        let places = Places {
            share: Some("/share".into()),
            bell: Some("/state/lab/doorbell".into()),
            instance: Some(Name::parse("lab").unwrap()),
        };
        for (path, seen) in [
            ("/share/messages/to-lab/bell", Some(Seen::Mailbox)),
            ("/share/messages/to-lab/from-a.1-000001.jsonl", Some(Seen::Mailbox)),
            ("/share/messages/to-lab.jsonl", Some(Seen::Slot)),
            ("/share/messages/to-LAB.jsonl", Some(Seen::Slot)),
            ("/share/messages/to-lab.jsonl.lock", None),
            ("/share/messages/to-office.jsonl", None),
            ("/share/status/office.json", Some(Seen::Status)),
            ("/share/status/office.json.x.tmp", None),
            ("/state/lab/doorbell/bell", Some(Seen::Local)),
            ("/state/lab/doorbell/else", None),
        ] {
            assert_eq!(classify(&places, Path::new(path)), seen, "{path}");
        }
    }

    /// The system keeps a bounded number of events for who does not take them. What it had to drop nobody knows, so all
    /// must be looked at; and the watch must live on (notify 8 fell silent on Windows).
    #[test]
    fn an_overflow_leads_to_a_full_look_and_the_watch_lives_on() {
        const BURST: u32 = 9_000; // folders, made and removed; Linux keeps 16,384 events, Windows less
        let folder = tempfile::tempdir().unwrap();
        let (bells, bell) = (folder.path().to_owned(), folder.path().join("bell"));
        let places = Places { share: None, bell: Some(bells.clone()), instance: None };
        let ((tell, told), (burst_is_over, wait)) = (channel(), channel::<()>());
        let hint = Hint(Arc::new(Mutex::new(move |seen| {
            let _ = tell.send(seen);
            let _ = wait.recv(); // until the sender is dropped
        })));
        let complain: Complain = Arc::new(|_: &Path, why: Option<&str>| panic!("{why:?}"));
        let _native = Native::start(&places, &[bells], hint, &complain).unwrap();
        files::touch(&bell).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Seen::Local));
        for n in 0..BURST {
            let path = folder.path().join(format!("burst-{}", n % 10));
            files::make_folders(&path).unwrap();
            files::remove_folder(&path).unwrap();
        }
        drop(burst_is_over);
        let until = |wanted| while told.recv_timeout(PATIENCE).unwrap() != wanted {};
        until(Seen::Everything);
        files::touch(&bell).unwrap();
        until(Seen::Local);
    }
}
