//! The watchdog: tells from outside that the engine hangs in a call on the share, and that it came back.
//!
//! A dead SMB or NFS mount holds its caller for minutes and can't be cancelled. The engine can't say so itself, so
//! another thread looks at its call in flight and writes it into the store, through a connection of its own, for
//! `status` and `send`. It writes when a call begins to hang and when it ends; a daemon that was killed meanwhile
//! leaves a note that the next one clears.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::store::db::Db;
use crate::sys::watched::Call;

/// A call that takes this long hangs. A slow share answers sooner, and nobody waits much longer for a command.
pub const AFTER: Duration = Duration::from_secs(5);

const KEY: &str = "stalled";

/// A call that hangs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// Since when (RFC 3339, this PC's clock).
    pub since: String,
    /// What was being done.
    pub deed: String,
    /// To what, relative to the share's root; empty for the root.
    pub path: String,
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "its root" } else { &self.path };
        write!(f, "stalled since {}: the call to {} {path} does not return", self.since, self.deed)
    }
}

/// Looks at the engine's calls from outside.
#[derive(Debug, Default)]
pub struct Watchdog {
    told: Option<Call>,
}

/// What a look of the watchdog found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A call hangs, newly.
    Hangs(Stall),
    /// A call that hung came back, after so long.
    Answers(Duration),
}

impl Watchdog {
    /// Begins to watch; what a former daemon left is cleared.
    pub fn new(node: &mut Node) -> Result<Watchdog> {
        clear(&mut node.db)?;
        Ok(Watchdog::default())
    }

    /// One look; `hanging` is the call that has been in flight for [`AFTER`], if one has.
    ///
    /// # Errors
    /// The local store's; then the next look finds the same change.
    pub fn look(&mut self, node: &mut Node, hanging: Option<Call>) -> Result<Option<Change>> {
        if hanging == self.told {
            return Ok(None);
        }
        let change = match (&hanging, &self.told) {
            (Some(call), _) => {
                let for_long = node.clock.now().saturating_sub(call.since);
                let since = format_time(node.clock.wall() - for_long);
                let stall = Stall { since, deed: call.deed.into(), path: call.path.clone() };
                node.db.set_meta(KEY, &serde_json::to_string(&stall).unwrap_or_default())?;
                Some(Change::Hangs(stall))
            }
            (None, Some(call)) => {
                clear(&mut node.db)?;
                Some(Change::Answers(node.clock.now().saturating_sub(call.since)))
            }
            (None, None) => None,
        };
        self.told = hanging;
        Ok(change)
    }
}

/// The call that the running daemon hangs in. Without a daemon it says nothing: ask only if one runs.
pub fn load(db: &Db) -> Result<Option<Stall>> {
    Ok(db.meta(KEY)?.and_then(|json| serde_json::from_str(&json).ok()))
}

/// What is told to a person who waited for `share`, where `call` hangs.
pub fn error(share: &str, call: Option<&Call>) -> Error {
    let cause = match call {
        Some(call) if call.path.is_empty() => {
            format!("it does not answer: the call to {} its root hangs", call.deed)
        }
        Some(call) => format!("it does not answer: the call to {} {} hangs", call.deed, call.path),
        None => "it does not answer in time".into(),
    };
    Error::new(Kind::Away, "use the share", share, cause).next("look at the network and at the file server")
}

fn clear(db: &mut Db) -> Result<()> {
    match db.meta(KEY)? {
        Some(_) => db.set_meta(KEY, ""),
        None => Ok(()),
    }
}
