//! Whether a message is sealed, and to which key. What answers sealed mail is sealed, or not sent at all.

use super::send::Draft;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::Envelope;
use crate::model::id::MessageId;
use crate::model::json;
use crate::model::name::Address;
use crate::model::seal::{self, SealKey};
use crate::sys::seal as crypt;

/// Whether what a message answers was sealed: then it must be, too.
pub(super) fn answers_sealed(node: &Node, answered: Option<&MessageId>) -> Result<bool> {
    answered.map_or(Ok(false), |answered| node.db.is_sealed(answered))
}

/// The key that what goes with a draft to `to` is sealed to, if it is.
///
/// # Errors
/// It is to be sealed, and no key of its recipient is known.
pub(super) fn sealing(node: &Node, draft: &Draft, to: &Address) -> Result<Option<SealKey>> {
    let (fold, answers) = (to.instance.fold(), answers_sealed(node, draft.in_reply_to.as_ref())?);
    if !(draft.seal || answers || node.config.seals(&fold)) {
        return Ok(None);
    }
    match node.db.seal_key(&fold)? {
        Some(key) => Ok(Some(key)),
        None => Err(unsealable(node, to, answers)?),
    }
}

/// What stands on the share in place of what a message says.
pub(super) fn sealed(node: &Node, envelope: &Envelope, to: &Address, answers: bool) -> Result<String> {
    let name = &to.instance;
    let Some(key) = node.db.seal_key(&name.fold())? else { return Err(unsealable(node, to, answers)?) };
    let (inner, mut encrypted) = (seal::inner(envelope), vec![]);
    let text = std::str::from_utf8(&inner).unwrap_or_default();
    json::parse(text, json::Limits::default()).map_err(|reject| Error::usage("send to", to, reject))?;
    crypt::seal(&key, &mut inner.as_slice(), &mut encrypted)?;
    Ok(seal::to_text(&encrypted))
}

/// Why nothing can be sealed to a peer, and what to do.
fn unsealable(node: &Node, to: &Address, answers: bool) -> Result<Error> {
    let name = &to.instance;
    let keys = node.db.keys(&name.fold(), node.clock.wall_ms())?;
    let lanpost = node.db.peer(&name.fold())?.is_some_and(|peer| peer.heartbeat.is_some());
    let (why, next) = if keys.pinned().is_none() && (keys.is_bound() || !keys.0.is_empty()) {
        let next = format!("compare fingerprints with its owner: `lanpost trust show {name}`");
        ("none of its keys is pinned", next)
    } else if keys.pinned().is_some() || lanpost {
        (
            "no heartbeat of its pinned key was seen that names a sealing key",
            format!("start the daemon of {name}; if it runs, bring its lanpost up to date"),
        )
    } else {
        (
            "nothing was seen of it that names a sealing key",
            format!("wait until the lanpost of {name} has been seen"),
        )
    };
    let demand = if answers { "what it answers was sealed" } else { "it is to be sealed" };
    let cause = format!("{demand}, and {why}; nothing was stored");
    let plain = match answers {
        true => "; without `--reply-to` it may go unsealed",
        false => "",
    };
    Ok(Error::new(Kind::NoKey, "send to", to, cause).next(format!("{next}{plain}")))
}
