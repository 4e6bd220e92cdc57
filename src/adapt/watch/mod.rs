//! Notifications of changes, turned into hints.
//!
//! Four folders, each by itself: the one of the local bell, and on the share, unless the config wants no
//! notifications of it, our mailbox, `messages/` (for our open slot) and `status/`. Those on the share are watched by
//! whoever hears of other PCs' changes there: the system, the SMB server, or nobody. An event names what may have
//! changed and nothing else; an error or an overflow is a hint to look at everything. A watcher that can't be set up is
//! no failure: polling goes on.

mod cifs;
mod native;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::layout;
use crate::model::mount::Announcer;
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

/// Where hints go, from any thread.
#[derive(Clone)]
struct Hint(Arc<Mutex<dyn FnMut(Seen) + Send>>);

impl Hint {
    fn give(&self, seen: Seen) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(seen);
    }
}

/// Told which folder is not heard of, and why; with `None` that it is heard of again.
pub type Complain = Arc<dyn Fn(&Path, Option<&str>) + Send + Sync>;

/// A running watcher; dropping it ends it.
pub struct Watch {
    _native: Option<native::Native>,
    _cifs: Vec<cifs::Folder>,
}

/// Which folders to watch.
#[derive(Clone, Debug)]
pub struct Places {
    /// The share's root; `None`: changes on the share are polled for.
    pub share: Option<PathBuf>,
    /// The folder of the local bell.
    pub bell: Option<PathBuf>,
    /// Our own instance; without one, only `status/` is watched on the share.
    pub instance: Option<Name>,
}

impl Places {
    fn on_share(&self) -> Vec<(PathBuf, Seen)> {
        let ours = self.instance.iter();
        let ours =
            ours.flat_map(|us| [(layout::mailbox(us), Seen::Mailbox), (layout::messages(), Seen::Slot)]);
        let all: Vec<_> = ours.chain([(layout::status_folder(), Seen::Status)]).collect();
        let root = self.share.iter();
        root.flat_map(|root| all.iter().map(|(path, seen)| (path.under(root), *seen))).collect()
    }
}

impl Watch {
    /// Watches what can be watched, on the share by `announcer`. `complain` is told, now or later, what can't be watched.
    pub fn start(
        places: &Places,
        announcer: Announcer,
        hint: impl FnMut(Seen) + Send + 'static,
        complain: Complain,
    ) -> Watch {
        let hint = Hint(Arc::new(Mutex::new(hint)));
        let mut folders: Vec<PathBuf> = places.bell.iter().cloned().collect();
        let mut asked = vec![];
        match announcer {
            Announcer::Native => folders.extend(places.on_share().into_iter().map(|(folder, _)| folder)),
            Announcer::ChangeNotify => {
                let starts = places.on_share().into_iter();
                asked = starts
                    .map(|(folder, seen)| cifs::Folder::start(folder, seen, hint.clone(), complain.clone()))
                    .collect();
            }
            Announcer::Nobody => {}
        }
        let native = (!folders.is_empty()).then(|| native::Native::start(places, &folders, hint, &complain));
        Watch { _native: native.flatten(), _cifs: asked }
    }

    /// Tries again to watch what no thread could be had for. Never blocks.
    pub fn retry(&self) {
        cifs::fill();
    }
}
