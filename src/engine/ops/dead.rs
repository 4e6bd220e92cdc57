//! Dead letters: looking at them, sending them again, dropping them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;

use super::attach::attach_again;
use super::recipient::room;
use super::send::{Author, Draft, address};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::blob::Blob;
use crate::model::id::MessageId;
use crate::model::name::Address;
use crate::model::report::Cause;
use crate::store::db::{Accepted, Message, NewMessage, Settled, Way};

/// The envelope's field that names the dead letter in whose place a message was sent.
pub const REDRIVE_OF: &str = "redrive_of";

/// A message that came to nothing.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// It as it ended.
    #[serde(flatten)]
    pub message: Message,
    /// Why, in a word.
    pub cause: String,
    /// Since when (RFC 3339).
    pub since: String,
}

/// All dead letters, the oldest first: mail of ours that failed, expired or was refused, and then mail that came whose wakes
/// failed for good. Changes nothing.
///
/// # Errors
/// The local store's.
pub fn dead(node: &Node) -> Result<Vec<DeadLetter>> {
    let letter = |dead: crate::store::db::Dead| {
        let word = match dead.message.way {
            Way::In => Cause::WakeFailed.as_str(),
            Way::Out => dead.message.state.as_str(),
        };
        DeadLetter {
            cause: dead.cause.unwrap_or_else(|| word.to_owned()),
            since: dead.since,
            message: dead.message,
        }
    };
    Ok(node.db.dead()?.into_iter().map(letter).collect())
}

/// Sends dead letters of ours again, each as a new message that names the old one, to `to` if that is given; and has agents woken
/// again for those that came. Its files go along, if they are kept here still. A letter is sent again once: whoever asks again gets the message that was sent then. What had
/// a time to live has it anew.
///
/// # Errors
/// It is no dead letter; it was dropped; mail that came can't go to somebody else; its files are not kept any more, or sealed
/// for somebody else; and as with [`send`](super::send).
pub fn redrive(
    node: &mut Node,
    prefixes: &[String],
    to: Option<&Address>,
    author: Author,
) -> Result<Vec<Message>> {
    let letters = letters(node, prefixes)?;
    let (mut drafts, mut wakes, mut done) = (vec![], vec![], vec![]);
    for letter in letters {
        match (letter.way, node.db.settled(letter.n)?) {
            (Way::In, _) if to.is_some() => {
                let error = Error::usage("redrive", &letter.id, "it came to us, so it can go to nobody else");
                return Err(error.next("leave out --to to have its agent woken again"));
            }
            (Way::In, _) => wakes.push(letter),
            (Way::Out, None) => {
                let (message, blobs) = again(node, &letter, to, author)?;
                drafts.push((letter, message, blobs));
            }
            (Way::Out, Some(Settled::Redriven(id))) => {
                done.push(super::one(node, &id, Some(Way::Out), Way::Out)?)
            }
            (Way::Out, Some(Settled::Dropped)) => {
                return Err(Error::usage("redrive", &letter.id, "it was dropped").next("send it anew"));
            }
        }
    }
    let mut counts = std::collections::BTreeMap::new();
    drafts.iter().for_each(|(_, message, _)| *counts.entry(message.peer.clone()).or_insert(0) += 1);
    counts.into_iter().try_for_each(|(peer, count)| room(node, &peer, count))?;
    let now = node.clock.wall_ms();
    for accepted in node.db.redrive(&drafts, now)? {
        match accepted {
            Accepted::New(message) | Accepted::Known(message) => done.push(message),
            Accepted::Conflict(message) => {
                let error = Error::usage(
                    "redrive",
                    &message.id,
                    "somebody else settled it meanwhile, or used its new id",
                );
                return Err(error.next("`lanpost dead` lists what is left"));
            }
        }
    }
    node.db.wake_these(&wakes, "`lanpost dead redrive`", now)?;
    node.ring();
    done.extend(wakes.iter().map(|message| super::find_in(node, message)).collect::<Result<Vec<_>>>()?);
    Ok(done)
}

/// Drops dead letters: they are not listed any more, and the reports on them are finished.
///
/// # Errors
/// It is no dead letter.
pub fn drop_dead(node: &mut Node, prefixes: &[String]) -> Result<Vec<Message>> {
    let letters = letters(node, prefixes)?;
    let now = node.clock.wall_ms();
    node.db.drop_dead(&letters, now)?;
    letters.iter().map(|letter| super::find_in(node, letter)).collect()
}

/// The dead letters whose ids begin so.
fn letters(node: &Node, prefixes: &[String]) -> Result<Vec<Message>> {
    let dead = node.db.dead()?;
    let one = |prefix: &String| {
        let message = super::one(node, prefix, None, Way::Out)?;
        let known = message.way == Way::Out && node.db.settled(message.n)?.is_some();
        match known || dead.iter().any(|letter| letter.message.n == message.n) {
            true => Ok(message),
            false => Err(Error::usage(
                "settle",
                &message.id,
                format!("it is no dead letter, but {}", message.state),
            )
            .next("`lanpost dead` lists them")),
        }
    };
    prefixes.iter().map(one).collect()
}

/// The message that is sent in place of a dead letter, and the blobs that it needs.
fn again(
    node: &mut Node,
    letter: &Message,
    to: Option<&Address>,
    author: Author,
) -> Result<(NewMessage, Vec<Blob>)> {
    let unaddressed =
        |cause| Error::usage("redrive", &letter.id, format!("its recipient can't be addressed: {cause}"));
    let before: Address = letter.to.parse().map_err(unaddressed)?;
    let target = to.unwrap_or(&before).clone();
    let key = format!("{} {} {target}", letter.peer, letter.id);
    let attached = attach_again(node, letter, &target)?;
    let blobs = attached.blobs.clone();
    let draft = Draft {
        kind: Some(letter.kind.clone()),
        agent: letter.from.parse::<Address>().ok().and_then(|from| from.agent),
        thread: letter.thread.clone(),
        in_reply_to: letter.in_reply_to.clone(),
        priority: letter.priority,
        ttl: life(letter),
        // The same letter again is the same message, also out of a backup.
        id: Some(MessageId::derived(REDRIVE_OF, &key, 1)),
        // Whom it was for before may be written to again, though it is gone.
        create: to.is_none(),
        seal: letter.sealed,
        author,
        attached,
        ..Draft::new(target, letter.content.clone())
    };
    let mut message = address(node, draft)?;
    message.envelope.rest.extend(letter.rest.clone());
    message.envelope.rest.insert(REDRIVE_OF.to_owned(), Value::from(letter.id.as_str()));
    Ok((message, blobs))
}

/// How long a message was to live.
fn life(letter: &Message) -> Option<std::time::Duration> {
    let time = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let begun = letter.not_before.as_deref().or(Some(letter.timestamp.as_str())).and_then(time)?;
    let life = time(letter.expires.as_deref()?)?.signed_duration_since(begun);
    life.max(TimeDelta::seconds(1)).to_std().ok()
}
