//! Notifications of the operating system: inotify, ReadDirectoryChangesW, FSEvents.
//!
//! On a network mount Linux tells of this PC's own changes alone; `mod` asks for none there.

use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Hint, Places, Seen};

/// A running watcher; dropping it ends it.
pub struct Native {
    _watcher: RecommendedWatcher,
}

impl Native {
    /// Watches `folders`, each by itself.
    pub fn start(
        places: &Places,
        folders: &[PathBuf],
        hint: Hint,
        complain: &impl Fn(String),
    ) -> Option<Native> {
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
                complain(format!("no notifications: {error}"));
                return None;
            }
        };
        for folder in folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                complain(format!("no notifications of {}: {error}", folder.display()));
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
    if places.state.as_deref() == Some(folder) {
        return (name == "bell").then_some(Seen::Local);
    }
    match last {
        "status" => (!name.ends_with(".tmp")).then_some(Seen::Status),
        "messages" => {
            (Some(name.to_owned()) == instance.map(|us| format!("to-{us}.jsonl"))).then_some(Seen::Slot)
        }
        _ if Some(last.to_owned()) == instance.map(|us| format!("to-{us}")) => Some(Seen::Mailbox),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;

    #[test]
    fn only_our_own_business_is_a_hint() {
        let places = Places {
            share: Some("/share".into()),
            state: Some("/state/lab".into()),
            instance: Some(Name::parse("lab").unwrap()),
        };
        for (path, seen) in [
            ("/share/messages/to-lab/bell", Some(Seen::Mailbox)),
            ("/share/messages/to-lab/from-a.1-000001.jsonl", Some(Seen::Mailbox)),
            ("/share/messages/to-lab.jsonl", Some(Seen::Slot)),
            ("/share/messages/to-lab.jsonl.lock", None),
            ("/share/messages/to-office.jsonl", None),
            ("/share/status/office.json", Some(Seen::Status)),
            ("/share/status/office.json.x.tmp", None),
            ("/state/lab/bell", Some(Seen::Local)),
            ("/state/lab/lanpost.db-wal", None),
        ] {
            assert_eq!(classify(&places, Path::new(path)), seen, "{path}");
        }
    }
}
