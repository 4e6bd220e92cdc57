//! Mail to several, for a program: everybody, a role, a group of the config.

use std::path::PathBuf;

use super::Node;
use crate::engine::ops::{self, Attached, Broadcasted, Call, Draft};
use crate::error::Result;
use crate::model::group::{Meant, Recipient};
use crate::model::name::Address;

/// Mail to several: each gets a message of its own, and all of them are stored at once.
impl Node {
    /// Whom a recipient means here: `all`, `@role` and the groups of the config are several.
    pub fn meant(&self, to: &Recipient) -> Meant {
        ops::meant(&self.core, to)
    }

    /// Stores one message for each member of a group, all or none. `draft` makes each one's; its id is the broadcast's matter.
    /// `all` and `@role` are those whom this PC has seen: [`look`](Node::look) before, where no daemon runs.
    ///
    /// ```
    /// use lanpost::{Call, Config, Draft, Filter, Meant, Node};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let mut lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
    /// office.look()?;
    ///
    /// let Meant::Several(group) = office.meant(&"all".parse()?) else { return Err("one alone".into()) };
    /// let sent = office.broadcast(&Call::new(group), |to| Draft::new(to, "The build is green."))?;
    /// assert_eq!(sent.members.len(), 1);
    /// office.look()?;
    /// lab.look()?;
    /// assert_eq!(lab.inbox(&Filter::default())?[0].content, "The build is green.");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Nobody is in the group, or more than the config allows; one of them is refused, as by [`send`](Node::send); the id is
    /// another broadcast's.
    pub fn broadcast(&mut self, call: &Call, draft: impl Fn(Address) -> Draft) -> Result<Broadcasted> {
        ops::broadcast(&mut self.core, call, draft)
    }

    /// A broadcast of ours and how far its copies are, by its id or a beginning of it that is unique; `None`: there is none.
    ///
    /// # Errors
    /// The local store's.
    pub fn broadcasted(&self, id: &str) -> Result<Option<Broadcasted>> {
        ops::find_broadcast(&self.core, id)
    }

    /// Keeps files and folders for a broadcast that is sent next: they go into the `attached` of each draft. `told` hears of how
    /// many bytes how many are done. Returns what was left out of folders, too, in words.
    ///
    /// # Errors
    /// As of [`attach`](Node::attach); nobody in the group takes files.
    pub fn attach_to_all(
        &mut self,
        call: &Call,
        paths: &[PathBuf],
        mut told: impl FnMut(u64, u64),
    ) -> Result<(Attached, Vec<String>)> {
        ops::attach_to_all(&mut self.core, call, paths, &mut told)
    }
}
