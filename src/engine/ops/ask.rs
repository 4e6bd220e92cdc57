//! Asking: requests, waiting for their answers, and notes on how far they are.
//!
//! [`Asking`] waits for any number of requests at once. It sleeps nowhere: whoever waits looks when the store changed.
//! An answer is either shown by whoever waits for it, and then finished, or it is mail like any other: it counts as
//! shown only once [`Asking::end`] is told so.

use std::time::Duration;

use serde_json::Value;

use super::broadcast::{self, Broadcasted, Call};
use super::send::{Author, Draft, send};
use crate::engine::node::Node;
use crate::error::{Error, Result};
use crate::model::ask::{PROGRESS, REQUEST};
use crate::model::name::{Address, Name};
use crate::model::report::REPORT;
use crate::model::state::State;
use crate::store::db::{Message, WAITS, Way};

/// How often it is said that the waiter lives.
const RENEW: Duration = Duration::from_millis(WAITS.unsigned_abs() / 3);
/// An answer may come this much later than the word that its request is done: they may take different routes.
const OVERTAKEN: Duration = Duration::from_secs(2);

/// Somebody who waits for answers.
#[derive(Debug)]
pub struct Asking {
    waiter: String,
    open: Vec<Open>,
    renewed: Duration,
    shown: Vec<Message>,
}

/// A request that has no end yet.
#[derive(Debug)]
struct Open {
    request: Message,
    /// The last row that was looked at.
    after: i64,
    /// Since when it is known to be done, without an answer.
    done: Option<Duration>,
}

/// What is new about a request.
#[derive(Clone, Debug)]
pub enum News {
    /// How far it is, from who works on it.
    Progress {
        /// The request.
        request: Message,
        /// The note.
        note: Message,
    },
    /// Something that does not end it, in words: nobody could be woken for it, an answer waits to be released.
    Note {
        /// The request.
        request: Message,
        /// The same for people.
        words: String,
    },
    /// It was answered, which ends the waiting for it.
    Answered {
        /// The request.
        request: Message,
        /// The answer.
        answer: Message,
    },
    /// It ended without an answer: done, failed, expired or cancelled; its outcome says why.
    Ended {
        /// The request as it stands.
        request: Message,
    },
}

impl Asking {
    /// Nothing asked yet.
    pub fn new(node: &Node) -> Asking {
        let waiter = node.clock.message_id().to_string();
        Asking { waiter, open: vec![], renewed: node.clock.now(), shown: vec![] }
    }

    /// Sends a draft as a request, and waits for its answer.
    ///
    /// # Errors
    /// As of [`send`]; then nothing is waited for.
    pub fn ask(&mut self, node: &mut Node, draft: Draft) -> Result<Message> {
        let id = draft.id.clone().unwrap_or_else(|| node.clock.message_id());
        // First, so that no answer comes before it is known that somebody waits.
        let key = (draft.to.instance.fold(), id.clone());
        node.db.await_answers(&[key], &self.waiter, node.clock.wall_ms())?;
        let request = send(node, Draft { id: Some(id), kind: Some(REQUEST.into()), ..draft })?;
        self.begin(node, request.clone());
        Ok(request)
    }

    /// Sends a request to each member of a group, all or none, and waits for their answers.
    ///
    /// # Errors
    /// As of [`broadcast`](super::broadcast()); then nothing is waited for.
    pub fn ask_all(
        &mut self,
        node: &mut Node,
        call: &Call,
        draft: impl Fn(Address) -> Draft,
    ) -> Result<Broadcasted> {
        let request = |to| Draft { kind: Some(REQUEST.into()), ..draft(to) };
        let prepared = broadcast::prepare(node, call, request)?;
        let key = |draft: &Draft| Some((draft.to.instance.fold(), draft.id.clone()?));
        let keys: Vec<_> = prepared.drafts.iter().filter_map(key).collect();
        node.db.await_answers(&keys, &self.waiter, node.clock.wall_ms())?;
        let sent = prepared.send(node)?;
        sent.members.iter().for_each(|request| self.begin(node, request.clone()));
        Ok(sent)
    }

    /// Waits (again) for the answer to a message of ours.
    ///
    /// # Errors
    /// None of ours has that id.
    pub fn ask_again(&mut self, node: &mut Node, prefix: &str) -> Result<Message> {
        let request = super::one(node, prefix, Some(Way::Out), Way::Out)?;
        let key = (request.peer.clone(), request.id.clone());
        node.db.await_answers(&[key], &self.waiter, node.clock.wall_ms())?;
        self.begin(node, request.clone());
        Ok(request)
    }

    fn begin(&mut self, node: &Node, request: Message) {
        if self.open.is_empty() {
            self.renewed = node.clock.now();
        }
        self.open.push(Open { request, after: 0, done: None });
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// The requests that have no end yet, as they stood at the last look.
    pub fn open(&self) -> impl Iterator<Item = &Message> {
        self.open.iter().map(|open| &open.request)
    }

    /// What came since the last look. Reads the store; writes it every few seconds, to say that the waiter lives.
    ///
    /// # Errors
    /// The local store's.
    pub fn look(&mut self, node: &mut Node) -> Result<Vec<News>> {
        self.renew(node)?;
        let mut news = vec![];
        for mut open in std::mem::take(&mut self.open) {
            if !self.look_at(node, &mut open, &mut news)? {
                self.open.push(open);
            }
        }
        Ok(news)
    }

    /// Looks at one request; whether it came to its end.
    fn look_at(&mut self, node: &Node, open: &mut Open, news: &mut Vec<News>) -> Result<bool> {
        // The state first: an answer that came before it was so is among the replies.
        open.request = super::state_of(node, &open.request)?;
        let request = &open.request;
        for reply in node.db.replies(request, open.after)? {
            open.after = reply.n;
            let request = request.clone();
            if reply.held {
                let words = format!(
                    "an answer of {} waits for a person: `lanpost read {1} --peek`, `lanpost release {1}`",
                    reply.from, reply.id
                );
                news.push(News::Note { request, words });
                continue;
            }
            self.shown.push(reply.clone());
            match reply.kind.as_str() {
                // What ended the request is told with its end.
                REPORT if request.state.is_final() => {}
                REPORT => {
                    let words = reply.content["reason"].as_str().unwrap_or_default().to_owned();
                    news.push(News::Note { request, words });
                }
                PROGRESS => news.push(News::Progress { request, note: reply }),
                _ => {
                    news.push(News::Answered { request, answer: reply });
                    return Ok(true);
                }
            }
        }
        let ended = match request.state {
            // An answer is here without its files: it counts when they are, however long that takes.
            State::Processed if node.db.is_answer_fetched(request)? => false,
            State::Processed => {
                let now = node.clock.now();
                now.saturating_sub(*open.done.get_or_insert(now)) >= OVERTAKEN
            }
            state => state.is_final(),
        };
        if ended {
            news.push(News::Ended { request: request.clone() });
        }
        Ok(ended)
    }

    fn renew(&mut self, node: &mut Node) -> Result<()> {
        let now = node.clock.now();
        if now.saturating_sub(self.renewed) >= RENEW {
            let keys: Vec<_> =
                self.open().map(|request| (request.peer.clone(), request.id.clone())).collect();
            node.db.await_answers(&keys, &self.waiter, node.clock.wall_ms())?;
            self.renewed = now;
        }
        Ok(())
    }

    /// Waits no more. What it brought is finished, if it was `shown`; else it is mail like any other, and so is what
    /// comes from now on.
    ///
    /// # Errors
    /// The local store's: then it is mail, too, a few seconds later.
    pub fn end(self, node: &mut Node, shown: bool) -> Result<()> {
        let shown = if shown { self.shown } else { vec![] };
        node.db.end_waiting(&self.waiter, &shown, node.clock.wall_ms())?;
        node.ring();
        Ok(())
    }
}

/// Whether somebody waits for it at this moment, as the answer to a request, or a report on one: then it is no mail for
/// others yet.
///
/// # Errors
/// The local store's.
pub fn is_awaited(node: &Node, message: &Message) -> Result<bool> {
    let Some(answered) = &message.in_reply_to else { return Ok(false) };
    let awaited = node.db.awaited(node.clock.wall_ms())?;
    // A report on it is our own.
    let is_from = |peer: &str| message.kind == REPORT || message.peer == peer;
    Ok(awaited.iter().any(|(peer, id)| id == answered.as_str() && is_from(peer)))
}

/// Tells whoever asked how far their request is. Nobody is woken by it. It counts as a sign that somebody works on it, and
/// that it was read.
///
/// # Errors
/// It is no request that came, or is at its end, or held; or as of [`send`].
pub fn progress(
    node: &mut Node,
    prefix: &str,
    content: Value,
    agent: Option<Name>,
    author: Author,
) -> Result<Message> {
    let deed = "say how far it is:";
    let request = super::one(node, prefix, Some(Way::In), Way::In)?;
    if request.kind != REQUEST {
        let cause = format!("it is of type {:?}, and nobody waits for word about it", request.kind);
        return Err(Error::usage(deed, &request.id, cause).next("answer it with `lanpost reply`"));
    }
    if request.held {
        return Err(super::is_held(deed, &request));
    }
    if request.state.is_final() {
        return Err(Error::usage(deed, &request.id, format!("it is {} already", request.state)));
    }
    let note = send(node, note(&request, content, agent, author)?)?;
    node.db.mark(std::slice::from_ref(&request), State::Read, None, node.clock.wall_ms())?;
    Ok(note)
}

fn note(request: &Message, content: Value, agent: Option<Name>, author: Author) -> Result<Draft> {
    let draft = super::ack::answer_to(request, content)?;
    Ok(Draft { kind: Some(PROGRESS.into()), agent: agent.or(draft.agent.clone()), author, ..draft })
}
