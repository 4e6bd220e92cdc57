//! Files of mail, for a program: attaching them to a draft, and writing what came into a folder.

use std::path::{Path, PathBuf};

use super::Node;
use crate::engine::ops::{self, Draft, Fetched};
use crate::error::Result;

impl Node {
    /// Attaches files and folders to a draft that is sent next; `told` hears of how many bytes how many are done. They are
    /// copied into the state folder, in bounded memory, and go to the share beside the mail, which is delivered when they are
    /// there and verified. Returns what was left out of folders (links are not followed), in words.
    ///
    /// ```
    /// use lanpost::{Config, Draft, Filter, Node};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = tempfile::tempdir()?;
    /// let place = |name: &str| folder.path().join(name);
    /// std::fs::create_dir(place("share"))?;
    /// std::fs::write(place("report.txt"), "all green")?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let mut lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
    ///
    /// office.look()?; // sees that there is a lab
    /// let mut draft = Draft::new("lab".parse()?, "The report.");
    /// office.attach(&mut draft, &[place("report.txt")], |_, _| ())?;
    /// office.send(draft)?;
    /// office.look()?;
    /// lab.look()?;
    /// let mail = lab.inbox(&Filter::default())?.remove(0);
    /// let fetched = lab.fetch(mail.id.as_str(), &place("incoming"), |_, _| ())?;
    /// assert_eq!(std::fs::read_to_string(&fetched.files[0].path)?, "all green");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The recipient is unknown or takes no files; a file is not there, can't be read, changes while it is
    /// ([`Kind::Busy`](crate::Kind::Busy)), or is a secret of lanpost's; there is no room.
    pub fn attach(
        &mut self,
        draft: &mut Draft,
        paths: &[PathBuf],
        mut told: impl FnMut(u64, u64),
    ) -> Result<Vec<String>> {
        ops::attach(&mut self.core, draft, paths, &mut told)
    }

    /// Writes what is attached to an incoming message into the folder `to`, which is made if need be. Nothing is overwritten:
    /// what has the name already and is another file leaves the new one a number. `told` hears of how many bytes how many are
    /// done.
    ///
    /// # Errors
    /// Nothing is attached; the files are on their way, or were damaged here and are had anew
    /// ([`Kind::Busy`](crate::Kind::Busy)), or not kept any more
    /// ([`Kind::NotFound`](crate::Kind::NotFound)); the folder can't be written to.
    pub fn fetch(&self, id: &str, to: &Path, mut told: impl FnMut(u64, u64)) -> Result<Fetched> {
        ops::fetch(&self.core, id, to, &mut told)
    }
}
