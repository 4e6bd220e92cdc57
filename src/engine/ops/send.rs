//! Sending: a draft becomes a stored message. When this returns, the message is on local stable storage.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::attach::Attached;
use super::recipient::{recipient, room, takes_files};
use super::sealing::{answers_sealed, sealed};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::attachment;
use crate::model::blob::Blob;
use crate::model::envelope::{self, Envelope, Priority};
use crate::model::group::Broadcast;
use crate::model::id::MessageId;
use crate::model::json;
use crate::model::name::{Address, Name};
use crate::model::report::REPORT;
use crate::model::sign;
use crate::model::state::State;
use crate::model::task::TASK_NOTICE;
use crate::model::trust::TRUST_REPORT;
use crate::model::wake::{BROADCASTS, HOUR};
use crate::store::db::{Accepted, Message, NewMessage, Way};

/// Room for what the envelope adds to a line after it was measured: its number in the lane, and the signature.
const HEADROOM: usize = 64 + envelope::SIGNED;

/// What sealing adds at most, besides the third of base64 and a checksum per 64 KiB: the keys, and an envelope around it.
const SEALING: usize = 2_048;

/// For so many milliseconds what a wake's command left running may write back, in no wake.
const AFTERWARDS: i64 = 2 * 60_000;
/// And for so many an agent that a server woke may pass on what it was woken for.
const RING: i64 = 10 * 60_000;

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whom it is for.
    pub to: Address,
    /// The payload: a text or any JSON.
    pub content: Value,
    /// What kind of message; `message` if none is given.
    pub kind: Option<String>,
    /// The agent that speaks; the instance itself if none.
    pub agent: Option<Name>,
    /// The conversation it belongs to; that of what it answers, if none is given.
    pub thread: Option<String>,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// How soon it wants attention.
    pub priority: Priority,
    /// It is not to go before; it is kept here until then.
    pub not_before: Option<DateTime<Utc>>,
    /// Not worth delivering after this long, from when it is to go.
    pub ttl: Option<Duration>,
    /// The caller's own id, which makes sending it again a no-op.
    pub id: Option<MessageId>,
    /// Address an instance that was never seen on the share.
    pub create: bool,
    /// Nobody but the recipient may read it on its way. The config, and what it answers, may demand it, too.
    pub seal: bool,
    /// What it comes of.
    pub author: Author,
    /// Of which broadcast it is a copy ([`broadcast`](super::broadcast())).
    pub broadcast: Option<Broadcast>,
    /// What is attached to it ([`attach`](super::attach)).
    pub attached: Attached,
}

/// What a message comes of. Automatic answers are counted from one to the next, so that no exchange of them goes on for
/// ever; a person's message begins anew, and nothing else does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Author {
    /// A program, which may be an agent at work: an answer of its own is automatic, and so is whatever it sends to those
    /// whose mail somebody was woken for lately; `hops` says how lately.
    #[default]
    Program,
    /// An agent at work on this wake: whatever it sends is.
    Wake(i64),
    /// Somebody who types, or a program that says that it begins anew.
    Person,
}

impl Draft {
    /// A plain message.
    pub fn new(to: Address, content: impl Into<Value>) -> Draft {
        Draft {
            to,
            content: content.into(),
            kind: None,
            agent: None,
            thread: None,
            in_reply_to: None,
            priority: Priority::Normal,
            not_before: None,
            ttl: None,
            id: None,
            create: false,
            seal: false,
            author: Author::Program,
            broadcast: None,
            attached: Attached::default(),
        }
    }
}

/// Stores a message for sending and tells the daemon. One local fsync, no share operation.
///
/// # Errors
/// An unknown recipient (with near matches), one that it can't be sealed to, a message over the limit, an id that another message has, too much that
/// waits for a recipient that is not online.
pub fn send(node: &mut Node, draft: Draft) -> Result<Message> {
    Ok(send_all(node, vec![draft])?.remove(0))
}

/// Stores several messages, all or none, with one local fsync; they keep their order.
pub fn send_all(node: &mut Node, drafts: Vec<Draft>) -> Result<Vec<Message>> {
    let wall = node.clock.wall();
    let blobs: Vec<Vec<Blob>> = drafts.iter().map(|draft| draft.attached.blobs.clone()).collect();
    let messages = address_all(node, drafts)?;
    let stored = node.db.accept_with(&messages, &blobs, wall.timestamp_millis())?;
    node.ring();
    let stored = stored.into_iter().map(|accepted| match accepted {
        Accepted::New(message) | Accepted::Known(message) => Ok(message),
        Accepted::Conflict(message) => {
            let cause = format!("another message to {} has that id (of {})", message.to, message.at);
            Err(Error::usage("send", &message.id, cause).next("give each message an id of its own"))
        }
    });
    stored.collect()
}

/// Checks drafts, and whether there is room for them, and makes the rows to store.
pub(super) fn address_all(node: &mut Node, drafts: Vec<Draft>) -> Result<Vec<NewMessage>> {
    let messages = drafts.into_iter().map(|draft| address(node, draft)).collect::<Result<Vec<_>>>()?;
    let mut drafted: BTreeMap<&str, u64> = BTreeMap::new();
    messages.iter().for_each(|message| *drafted.entry(&message.peer).or_default() += 1);
    for (peer, count) in drafted {
        room(node, peer, count)?;
    }
    Ok(messages)
}

/// Whether there is nothing of a recipient but an open slot, which anybody may have made: it neither beat, nor wrote,
/// nor was seen to read, nor does the config name a gateway of it.
///
/// # Errors
/// The local store's.
pub fn is_unseen(node: &Node, message: &Message) -> Result<bool> {
    let peer = node.db.peer(&message.peer)?.filter(|_| node.config.gateway(&message.peer).is_none());
    Ok(peer.is_some_and(|peer| peer.heartbeat.is_none() && peer.changed_at.is_none()))
}

/// Checks a draft and makes the row to store.
pub(in crate::engine) fn address(node: &Node, draft: Draft) -> Result<NewMessage> {
    let wall = node.clock.wall();
    let hops = hops(node, &draft)?;
    let (to, max) = recipient(node, &draft.to, draft.create)?;
    let from = Address { instance: node.instance().clone(), agent: draft.agent };
    let later = draft.not_before.filter(|at| *at > wall);
    let after = |ttl| later.unwrap_or(wall).checked_add_signed(chrono::TimeDelta::from_std(ttl).ok()?);
    let expires = match draft.ttl {
        Some(ttl) => Some(after(ttl).ok_or_else(|| {
            Error::usage("send to", &to, "its time to live ends beyond the calendar")
                .next("give a shorter one, or none")
        })?),
        None => None,
    };
    let kind = word("type", draft.kind.unwrap_or_else(|| "message".into()))?;
    if [envelope::RECEIPT, REPORT, TRUST_REPORT, TASK_NOTICE].contains(&kind.as_str()) {
        return Err(Error::usage("send to", &to, format!("the type {kind:?} is lanpost's own")));
    }
    let id = draft.id.unwrap_or_else(|| node.clock.message_id());
    if !id.is_tame() {
        let cause = format!("the id {:?} could be taken for an option or a folder", id.as_str());
        return Err(Error::usage("send to", &to, cause).next("begin it with a letter, a digit or '_'"));
    }
    // An answer goes on where what it answers stands.
    let thread = match (draft.thread, &draft.in_reply_to) {
        (None, Some(answered)) => node.db.thread_of(answered, &to.instance.fold())?,
        (thread, _) => thread,
    };
    let mut envelope = Envelope {
        v: Some(envelope::VERSION),
        id: Some(id.clone()),
        from: from.to_string(),
        to: Some(to.clone()),
        timestamp: Some(envelope::format_time(wall)),
        kind,
        content: draft.content,
        seq: None,
        thread: thread.map(|thread| word("thread", thread)).transpose()?,
        in_reply_to: draft.in_reply_to,
        priority: draft.priority,
        expires,
        hops,
        broadcast: draft.broadcast,
        sealed: None,
        rest: Map::new(),
    };
    if !sign::is_exact(&envelope.content) {
        let cause = "it holds a whole number beyond 2^53, which JSON readers tell from its neighbours or not";
        return Err(Error::usage("send to", &to, cause).next("write such a number as a text"));
    }
    let answers_sealed = answers_sealed(node, envelope.in_reply_to.as_ref())?;
    let fold = to.instance.fold();
    let attachments = draft.attached.attachments;
    if !attachments.is_empty() {
        takes_files(node, &to)?;
        attachment::put(&mut envelope.rest, &attachments);
    }
    let bare = envelope.to_line().len() + HEADROOM;
    if draft.seal || answers_sealed || node.config.seals(&fold) {
        // Once, here: whatever is written again for it later are these bytes.
        envelope.sealed = Some(sealed(node, &envelope, &to, answers_sealed)?);
        if attachments.iter().any(|attachment| attachment.stored.is_none()) {
            let cause = "it is sealed, but what is attached to it is not";
            return Err(Error::usage("send to", &to, cause).next("attach it for a sealed message"));
        }
    }
    let line = String::from_utf8(envelope.to_line()).unwrap_or_default();
    // What the recipient's reader would set aside is refused here, where somebody can mend it.
    json::parse(&line, json::Limits::default()).map_err(|reject| Error::usage("send to", &to, reject))?;
    let size = line.len() + HEADROOM;
    if size > max {
        let (how, next) = match envelope.sealed {
            // Base64 of what is sealed, which also names its keys.
            Some(_) => (
                format!(" ({bare} before it was sealed, which adds a third)"),
                format!(
                    "send it in parts of about {} bytes at most",
                    (max - max / 256).saturating_sub(SEALING) / 4 * 3
                ),
            ),
            None => (String::new(), "put the bulk into a file and attach it (`--attach`)".to_owned()),
        };
        let cause = format!("the message is {size} bytes long{how}; at most {max} go over");
        return Err(Error::usage("send to", &to, cause).next(next));
    }
    let state = match (later, attachments.is_empty()) {
        // What is attached goes to the share when its time has come.
        (Some(_), _) => State::Scheduled,
        (None, true) => State::Queued,
        (None, false) => State::Attaching,
    };
    let not_before = later.map(|at| at.timestamp_millis());
    Ok(NewMessage { way: Way::Out, peer: fold, id, envelope, state, outcome: None, not_before })
}

/// Whether a draft is a broadcast that another one led to, for all that is known: answers to it would be, too, without end.
fn repeats_broadcast(node: &Node, draft: &Draft) -> Result<bool> {
    // What one alone works on is no word to all, and leads to one answer.
    if draft.broadcast.as_ref().is_none_or(|broadcast| broadcast.any.is_some())
        || draft.author == Author::Person
    {
        return Ok(false);
    }
    match (&draft.in_reply_to, draft.author) {
        (Some(answered), _) => node.db.is_broadcast(answered),
        (None, Author::Wake(wake)) => node.db.woke_for_broadcast(wake),
        (None, _) => Ok(false),
    }
}

/// How many automatic answers a draft is the last of; `None`: it begins something. What it answers counts alone: other
/// mail of the same wake, which anybody may have written, has no say in it. Of an agent that was woken over HTTP nothing
/// tells which wake it is at work on; what it sends counts as an answer to the last mail of its recipient, or of anybody,
/// so that a ring of several ends, too. A command knows its wake: what is sent outside of one is no answer.
fn hops(node: &Node, draft: &Draft) -> Result<Option<u64>> {
    if repeats_broadcast(node, draft)? {
        let cause = "a broadcast led to it, and everybody's answer to everybody would never end";
        return Err(Error::usage("send to", &draft.to, cause).next(
            "answer its sender alone: `lanpost reply ID TEXT`; what a person types at a terminal goes to all",
        ));
    }
    let to = draft.to.instance.fold();
    let answered = match &draft.in_reply_to {
        Some(answered) => node.db.hops(answered, &to)?,
        None => None,
    };
    let led = match (draft.author, answered) {
        // A person begins anew, and says so where it answers.
        (Author::Person, _) => return Ok(draft.in_reply_to.as_ref().map(|_| 0)),
        (_, Some(answered)) => Some(answered),
        (Author::Wake(wake), None) => node.db.hops_of_wake(wake, &to)?,
        (Author::Program, None) => {
            let now = node.clock.wall_ms();
            let asks = node.config.wake.asks_a_server();
            let back = if asks { HOUR } else { AFTERWARDS };
            let mut led = node.db.hops_of_wakes(Some(&to), now.saturating_sub(back), now)?;
            if led.is_none() && asks {
                led = node.db.hops_of_wakes(None, now.saturating_sub(RING), now)?;
            }
            // It may be no answer, so nothing is refused: its recipient judges it.
            return Ok(led.map(|hops| hops.saturating_add(1)));
        }
    };
    let hops = led.map(|hops| hops.saturating_add(1));
    let (most, limit) = match &draft.broadcast {
        Some(Broadcast { any: None, .. }) if BROADCASTS < node.config.wake.hops => {
            (BROADCASTS, "sent to several")
        }
        _ => (node.config.wake.hops, "sent (`wake.hops`)"),
    };
    if let Some(hops) = hops.filter(|hops| *hops > most) {
        let cause = format!("{hops} automatic answers led to it; at most {most} are {limit}");
        return Err(Error::usage("send to", &draft.to, cause)
            .next("let a person look at this exchange; what a person types at a terminal begins anew"));
    }
    Ok(hops)
}

fn word(what: &str, text: String) -> Result<String> {
    match text.len() {
        1..=128 if !text.chars().any(char::is_control) => Ok(text),
        _ => {
            Err(Error::usage("send with the", what, format!("{text:?} is not 1 to 128 bytes of plain text")))
        }
    }
}
