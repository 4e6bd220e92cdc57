//! Whose key is believed, for a program.

use super::Node;
use crate::engine::ops::{self, Exported, Imported, TrustView};
use crate::error::Result;
use crate::model::name::Name;
use crate::store::db::PinView;

/// Keys: by them this PC knows who wrote a message. A key is named by its fingerprint, which people compare, or in full. Whether
/// to believe one is a person's decision: a program asks.
impl Node {
    /// The keys that are known, name by name; ours is among them.
    ///
    /// ```
    /// use lanpost::{Config, KeyStanding, Node};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let place = |name: &str| folder.path().join(name);
    /// # std::fs::create_dir(place("share"))?;
    /// let mut office = Node::create(Config::new("office".parse()?, place("share"), place("office")))?;
    /// let lab = Node::create(Config::new("lab".parse()?, place("share"), place("lab")))?;
    /// office.look()?;
    ///
    /// let seen = office.keys_of(lab.instance())?.keys.remove(0);
    /// let own = lab.keys_of(lab.instance())?.keys.remove(0);
    /// assert_eq!(seen.state, KeyStanding::Pinned, "at first sight");
    /// assert_eq!(seen.fingerprint, own.fingerprint, "what two people compare");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The local store's.
    pub fn keys(&self) -> Result<Vec<PinView>> {
        ops::trust_list(&self.core)
    }

    /// All that is known of one name's keys.
    ///
    /// # Errors
    /// No key of that name was ever seen.
    pub fn keys_of(&self, name: &Name) -> Result<TrustView> {
        ops::trust_show(&self.core, name)
    }

    /// Believes the key that waits for a decision; the one before is revoked.
    ///
    /// # Errors
    /// None waits ([`Kind::NotFound`](crate::Kind::NotFound)), or it is another one.
    pub fn accept_key(&mut self, name: &Name, key: &str) -> Result<TrustView> {
        ops::trust_accept(&mut self.core, name, key)
    }

    /// Believes a key of a name that has none; one that was revoked only with `revoked`.
    ///
    /// # Errors
    /// Another key is pinned; this one is none, was never seen, or was revoked.
    pub fn pin_key(&mut self, name: &Name, key: &str, revoked: bool) -> Result<TrustView> {
        ops::trust_pin(&mut self.core, name, key, revoked)
    }

    /// Gives up the keys of a name: nothing in it is believed until another one is accepted.
    ///
    /// # Errors
    /// It has none.
    pub fn revoke_keys(&mut self, name: &Name) -> Result<TrustView> {
        ops::trust_revoke(&mut self.core, name)
    }

    /// Forgets that a name ever had a key, as if it had never been seen.
    ///
    /// # Errors
    /// It has none.
    pub fn forget_keys(&mut self, name: &Name) -> Result<()> {
        ops::trust_forget(&mut self.core, name)
    }

    /// Makes a new key of our own, which the old one signs: peers take it by themselves.
    ///
    /// # Errors
    /// The state folder's.
    pub fn rotate_key(&mut self) -> Result<TrustView> {
        ops::trust_rotate(&mut self.core)
    }

    /// The keys that are believed, ours among them, for another PC.
    ///
    /// # Errors
    /// The local store's.
    pub fn export_keys(&self) -> Result<Vec<Exported>> {
        ops::trust_export(&self.core)
    }

    /// Believes the keys of such a list; tells of each what became of it.
    ///
    /// # Errors
    /// The local store's.
    pub fn import_keys(&mut self, list: &[Exported]) -> Result<Vec<Imported>> {
        ops::trust_import(&mut self.core, list)
    }
}
