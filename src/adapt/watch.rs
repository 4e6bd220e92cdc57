//! Notifications of the operating system, turned into hints.
//!
//! Four folders, each by itself: the state folder (for the local bell), and on the share, unless the config wants no
//! notifications of it, our mailbox, `messages/` (for our open slot) and `status/`. An event names what may have changed and nothing else; an error or an overflow is a hint to look at
//! everything. A watcher that can't be set up is no failure: polling goes on.

use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::model::layout;
use crate::model::name::Name;

/// What an event was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Our mailbox.
    Mailbox,
    /// Our open slot.
    Slot,
    /// A heartbeat.
    Status,
    /// The local bell: a command stored something.
    Local,
    /// Events were lost.
    Everything,
}

/// A running watcher; dropping it ends it.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// Which folders to watch.
#[derive(Clone, Debug)]
pub struct Places {
    /// The share's root; `None`: changes on the share are polled for.
    pub share: Option<PathBuf>,
    /// The state folder.
    pub state: PathBuf,
    /// Our own instance.
    pub instance: Name,
}

impl Watch {
    /// Watches what can be watched. Returns the watcher and what could not be, in words.
    pub fn start(
        places: &Places,
        mut hint: impl FnMut(Seen) + Send + 'static,
    ) -> (Option<Watch>, Vec<String>) {
        let ours = [layout::mailbox(&places.instance), layout::messages(), layout::status_folder()];
        let on_share = places.share.iter().flat_map(|root| ours.iter().map(|path| root.join(path.as_str())));
        let folders: Vec<PathBuf> = on_share.chain([places.state.clone()]).collect();
        let known = places.clone();
        let handler = move |event: notify::Result<Event>| {
            let Ok(event) = event else { return hint(Seen::Everything) };
            if event.need_rescan() {
                return hint(Seen::Everything);
            }
            // Our own looks open and read files; that is no news.
            if !matches!(event.kind, EventKind::Access(_)) {
                event.paths.iter().filter_map(|path| classify(&known, path)).for_each(&mut hint);
            }
        };
        let mut watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => watcher,
            Err(error) => return (None, vec![format!("no notifications: {error}")]),
        };
        let failed = folders.iter().filter_map(|folder| {
            let error = watcher.watch(folder, RecursiveMode::NonRecursive).err()?;
            Some(format!("no notifications of {}: {error}", folder.display()))
        });
        let failed = failed.collect();
        (Some(Watch { _watcher: watcher }), failed)
    }
}

/// What a changed path means for us; `None` for everybody else's business.
fn classify(places: &Places, path: &Path) -> Option<Seen> {
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let last = folder.file_name()?.to_str()?;
    if folder == places.state {
        return (name == "bell").then_some(Seen::Local);
    }
    match last {
        "status" => (!name.ends_with(".tmp")).then_some(Seen::Status),
        "messages" => (name == format!("to-{}.jsonl", places.instance)).then_some(Seen::Slot),
        _ if last == format!("to-{}", places.instance) => Some(Seen::Mailbox),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_business_is_a_hint() {
        let places = Places {
            share: Some("/share".into()),
            state: "/state/lab".into(),
            instance: Name::parse("lab").unwrap(),
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
