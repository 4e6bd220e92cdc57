//! Files that are attached in a run: their bytes follow from a number, few numbers are drawn, so that several senders
//! send the same, and the porter moves them in small slices.

use std::path::Path;
use std::time::Duration;

use lanpost::engine::ops::{self, Draft};
use lanpost::engine::porter::{Pace, PorterStep};
use lanpost::error::Result;
use lanpost::store::db::Message;

use super::Site;
use crate::life;

/// A file that somebody attaches, by its number.
pub type File = u8;

/// So small that a file takes many steps.
pub const PACE: Pace = Pace { piece: 8 << 10, slice: 32 << 10 };

/// What is in it: up to 100 KB.
pub fn bytes(file: File) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(file) * 2_003 % 100_000];
    blake3::Hasher::new().update(&[file]).finalize_xof().fill(&mut bytes);
    bytes
}

/// How long the porter takes for a step.
const SLICE: Duration = Duration::from_millis(5);

impl Site {
    /// What a step of the porter came to: says what went wrong, and returns how long to rest.
    pub(super) fn carried(&mut self, step: &PorterStep) -> Duration {
        for problem in &step.problems {
            self.say(format!("problem: {problem}"));
        }
        if step.ready { Duration::ZERO } else { step.rest.max(SLICE) }
    }

    /// Attaches it to a draft; `false` if its recipient takes no files, as far as is known.
    pub(super) fn attach(
        folder: &Path,
        node: &mut lanpost::engine::node::Node,
        draft: &mut Draft,
        file: File,
    ) -> Result<bool> {
        let path = folder.join(format!("file-{file}"));
        std::fs::write(&path, bytes(file)).unwrap();
        match ops::attach(node, draft, &[path], &mut |_, _| {}) {
            Err(error) if error.is_unknown() => Ok(false),
            attached => attached.map(|_| true),
        }
    }

    /// Whether what was attached to a message that came is whole, as far as it is to be here.
    pub fn has_whole(&self, message: &Message, file: File) -> std::result::Result<(), String> {
        let Some(node) = self.node() else { return Ok(()) };
        let to = tempfile::tempdir_in(self._state.path()).unwrap();
        let id = format!("{}:{}", message.peer, message.id);
        let fetched = life::play(&self.life, || ops::fetch(node, &id, to.path(), &mut |_, _| {}));
        let fetched =
            fetched.map_err(|error| format!("{}: {} can't be fetched: {error}", self.name, message.id))?;
        match std::fs::read(&fetched.files[0].path).unwrap() == bytes(file) {
            true => Ok(()),
            false => Err(format!("{}: the file of {} is not what was sent", self.name, message.id)),
        }
    }
}
