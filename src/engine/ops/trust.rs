//! Whom we believe: the keys of peers, our own, and what a person decides about them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::name::{self, Name};
use crate::model::seal::SealKey;
use crate::model::sign::{Key, Signer};
use crate::model::trust::{Keys, Standing};
use crate::store::db::{How, PinView, RefusedCount, Transition};
use crate::store::{key, seal};
use crate::sys::clock::secret;
use crate::sys::seal::Identities;

/// Where our own sealing key is noted.
const SEAL: &str = "seal";

/// Everything that is known of one name's keys.
#[derive(Clone, Debug, Serialize)]
pub struct TrustView {
    /// The name.
    pub name: Name,
    /// Whether it is our own.
    pub own: bool,
    /// Its keys: the pinned one, the one that waits for a decision, former ones.
    pub keys: Vec<PinView>,
    /// What was refused in its name.
    pub refused: Vec<RefusedCount>,
    /// What happened to its keys, oldest first.
    pub history: Vec<Transition>,
}

/// A name and its key, as they are carried from one PC to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The name.
    pub name: Name,
    /// Its key.
    pub key: Key,
    /// The key that mail for it is sealed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealKey>,
}

/// What became of one imported key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The name.
    pub name: Name,
    /// Its key in the list.
    pub key: Key,
    /// `pinned`, `known` (it was pinned already), or `refused` (another one is, or it was revoked).
    pub result: &'static str,
}

/// The keys that are known, name by name; ours is among them.
pub fn trust_list(node: &Node) -> Result<Vec<PinView>> {
    node.db.pins()
}

/// Everything known of one name's keys.
///
/// # Errors
/// No key of that name was ever seen.
pub fn trust_show(node: &Node, name: &Name) -> Result<TrustView> {
    let known = node.db.pins()?;
    let keys: Vec<PinView> = known.iter().filter(|pin| is_of(pin, name)).cloned().collect();
    let Some(first) = keys.first() else { return Err(unknown("show the key of", name, &known)) };
    let name = Name::parse(&first.name).unwrap_or_else(|_| name.clone());
    let fold = name.fold();
    let refused = node.db.refusals()?.into_iter().filter(|refused| refused.peer == fold).collect();
    let history = node.db.key_history(&fold)?;
    Ok(TrustView { own: name.same_as(node.instance()), name, keys, refused, history })
}

/// Pins a key for a name that has none: one that was seen, by its fingerprint, or any, in full; one that was revoked only
/// with `revoked`.
///
/// # Errors
/// Another key is pinned already; the key is none, was never seen, or was revoked.
pub fn trust_pin(node: &mut Node, name: &Name, key: &str, revoked: bool) -> Result<TrustView> {
    let deed = "pin the key of";
    let (keys, now) = (not_ours(node, deed, name)?, node.clock.wall_ms());
    let key = called(&keys, deed, name, key)?;
    if !revoked && keys.standing(key) == Some(Standing::Revoked) {
        let error = Error::usage(deed, name, "that key was revoked");
        return Err(error.next("if you trust it again, say so with `--revoked`"));
    }
    match keys.pinned() {
        Some(pinned) if pinned == key => {}
        Some(_) => {
            let cause = "another key is pinned for it";
            let step = format!("`lanpost trust accept {name} FINGERPRINT` replaces it by the one that waits");
            return Err(Error::usage(deed, name, cause).next(step));
        }
        None => node.db.pin_key(&spelled(node, name)?, key, How::Hand, Standing::Revoked, now)?,
    }
    trust_show(node, name)
}

/// Lets the key that waits take the place of the one before, which is revoked.
///
/// # Errors
/// None waits, or it is not the one that is named: it may have been replaced by yet another since it was shown.
pub fn trust_accept(node: &mut Node, name: &Name, key: &str) -> Result<TrustView> {
    let deed = "accept the key of";
    let (keys, now) = (not_ours(node, deed, name)?, node.clock.wall_ms());
    let waiting = keys.0.iter().find(|pin| pin.standing == Standing::Pending);
    match waiting {
        Some(pin) if pin.key.is_called(key) => {
            node.db.pin_key(&spelled(node, name)?, pin.key, How::Hand, Standing::Revoked, now)?;
            trust_show(node, name)
        }
        Some(_) => {
            let cause = format!("the key that waits is not {key:?}");
            let step = format!(
                "have its owner read `lanpost trust show` to you, and compare it with `lanpost trust show {name}` here"
            );
            Err(Error::usage(deed, name, cause).next(step))
        }
        None => Err(Error::new(Kind::NotFound, deed, name, "no key waits for a decision")
            .next(format!("`lanpost trust show {name}` tells which keys it has"))),
    }
}

/// Gives up the keys of a name: what they sign from now on is refused. The name stays bound, so nothing in it is
/// believed until another key is accepted.
///
/// # Errors
/// It has none.
pub fn trust_revoke(node: &mut Node, name: &Name) -> Result<TrustView> {
    let deed = "revoke the key of";
    let now = node.clock.wall_ms();
    not_ours(node, deed, name)?;
    if node.db.revoke_keys(&spelled(node, name)?, now)? == 0 {
        return Err(unknown(deed, name, &node.db.pins()?));
    }
    trust_show(node, name)
}

/// Forgets that a name ever had a key: it may speak plainly again, or be seen for the first time.
///
/// # Errors
/// It has none.
pub fn trust_forget(node: &mut Node, name: &Name) -> Result<()> {
    let deed = "forget the keys of";
    let now = node.clock.wall_ms();
    not_ours(node, deed, name)?;
    match node.db.forget_keys(name, now)? {
        0 => Err(unknown(deed, name, &node.db.pins()?)),
        _ => Ok(()),
    }
}

/// Replaces our own key by a new one, which the old one signs, and the sealing key by another one. Peers take it by themselves when they see our next
/// heartbeat.
///
/// # Errors
/// The state folder's.
pub fn trust_rotate(node: &mut Node) -> Result<TrustView> {
    // First: the heartbeat by which peers learn of the other must not name the old one.
    seal::rotate(&node.config.state)?;
    key::rotate(&node.config.state, &node.config.instance, secret)?;
    own_key(node)?;
    own_seal(node)?;
    node.ring();
    let name = node.instance().clone();
    trust_show(node, &name)
}

/// The names whose keys are pinned, ours among them, to carry to another PC.
pub fn trust_export(node: &Node) -> Result<Vec<Exported>> {
    let pinned = node.db.pins()?.into_iter().filter(|pin| pin.state == Standing::Pinned);
    let exported = pinned.filter_map(|pin| {
        Some(Exported { name: Name::parse(&pin.name).ok()?, key: pin.key, seal: pin.seal })
    });
    Ok(exported.collect())
}

/// Pins the keys of a list for names that have none. No pin is replaced.
pub fn trust_import(node: &mut Node, list: &[Exported]) -> Result<Vec<Imported>> {
    let now = node.clock.wall_ms();
    let mut imported = vec![];
    for Exported { name, key, seal } in list {
        let keys = node.db.keys(&name.fold(), now)?;
        let result = match (keys.pinned(), keys.standing(*key)) {
            (Some(pinned), _) if pinned == *key => "known",
            _ if keys.is_bound() || name.same_as(node.instance()) => "refused",
            _ => {
                node.db.pin_key(name, *key, How::Import, Standing::Revoked, now)?;
                node.db.note_seal(name, *key, seal.as_ref(), now)?;
                "pinned"
            }
        };
        imported.push(Imported { name: name.clone(), key: *key, result });
    }
    Ok(imported)
}

/// Loads our own key pair, making it in a state folder that has none, and notes it in the store.
pub(in crate::engine) fn own_key(node: &mut Node) -> Result<Signer> {
    let signer = key::load_or_make(&node.config.state, secret)?;
    let (key, now) = (signer.key(), node.clock.wall_ms());
    let name = node.instance().clone();
    if node.db.keys(&name.fold(), now)?.pinned() != Some(key) {
        node.db.pin_key(&name, key, How::Own, Standing::Retired, now)?;
    }
    node.db.set_meta("key", &key.to_string())?;
    Ok(signer)
}

/// Loads our own sealing keys, making one in a state folder that has none, and notes it in the store, from where the
/// next heartbeat has it.
pub(in crate::engine) fn own_seal(node: &mut Node) -> Result<Identities> {
    let identities = seal::load_or_make(&node.config.state)?;
    if let (Some(seal), Some(key)) = (identities.key(), node.db.meta("key")?.and_then(|key| key.parse().ok()))
    {
        let (name, now) = (node.instance().clone(), node.clock.wall_ms());
        node.db.note_seal(&name, key, Some(&seal), now)?;
        node.db.set_meta(SEAL, seal.as_str())?;
    }
    Ok(identities)
}

/// The sealing key that our heartbeat names.
pub(in crate::engine) fn own_seal_key(node: &Node) -> Result<Option<String>> {
    node.db.meta(SEAL)
}

fn is_of(pin: &PinView, name: &Name) -> bool {
    Name::parse(&pin.name).is_ok_and(|known| known.same_as(name))
}

/// The keys of a name that is not ours.
fn not_ours(node: &Node, deed: &str, name: &Name) -> Result<Keys> {
    if name.same_as(node.instance()) {
        let error = Error::usage(deed, name, "it is this instance's own");
        return Err(error.next("`lanpost trust rotate` replaces our own key"));
    }
    node.db.keys(&name.fold(), node.clock.wall_ms())
}

/// A name as its owner spells it, if it was seen.
fn spelled(node: &Node, name: &Name) -> Result<Name> {
    Ok(node.db.peer(&name.fold())?.map_or_else(|| name.clone(), |peer| peer.name))
}

/// The key that a person means: one that was seen, by its fingerprint, or any in full.
fn called(keys: &Keys, deed: &str, name: &Name, text: &str) -> Result<Key> {
    if let Some(pin) = keys.0.iter().find(|pin| pin.key.is_called(text)) {
        return Ok(pin.key);
    }
    Key::from_str(text).map_err(|_| {
        let cause = format!("no key of it was seen that is called {text:?}");
        Error::usage(deed, name, cause).next(format!(
            "`lanpost trust show {name}` has those that were; a key in full is `ed25519:` and 64 hex digits; if another one \
             took its place meanwhile, it is seen again when {name}'s daemon runs"
        ))
    })
}

fn unknown(deed: &str, name: &Name, known: &[PinView]) -> Error {
    let near = name::near(name.as_str(), known.iter().map(|pin| pin.name.as_str()));
    let error = Error::new(Kind::NotFound, deed, name, "no key of that name is known");
    error.next(match near.as_slice() {
        [] => "`lanpost trust list` shows whose are".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    })
}
