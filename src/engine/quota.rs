//! How much one sender may bring in: messages and bytes within an hour, and bytes that lie here unread. What is over it
//! stays in the sender's own lane, in order and untouched, until there is room again: nothing is lost, nobody else
//! waits, and no reader's disk is filled by one writer.
//!
//! A source is a peer that beats, the open slot, or all other lanes taken together: names cost nothing to make up, so
//! who has shown no more than a name shares one quota with all like it. The hour is counted in memory, from the first
//! message of it; what lies unread is asked of the store.
//! Known bound: a quota is overrun by what one read brings, since it is looked at before a read.

use std::collections::HashMap;
use std::time::Duration;

use crate::engine::node::Node;
use crate::error::Result;
use crate::model::config::Limits;

const HOUR: Duration = Duration::from_secs(3_600);
/// How long what the store said of unread mail is believed, if it said that it is too much.
const ASKED: Duration = Duration::from_secs(10);
/// The lanes of everybody who does not beat. No name, so no peer's.
pub const STRANGERS: &str = "(strangers)";
/// Our open slot.
pub const SLOT: &str = "(the open slot)";

/// Whose mail waits for a quota, and why, in words.
pub type Waiting = (String, String);

/// What was taken in from each source. All of it may be lost.
#[derive(Default)]
pub struct Quotas {
    hours: HashMap<String, Hour>,
    unread: HashMap<String, u64>,
    /// When the store was asked, and whether anything came since.
    asked: Option<Duration>,
    more: bool,
    over: HashMap<String, Over>,
}

struct Hour {
    since: Duration,
    messages: u64,
    bytes: u64,
}

struct Over {
    seen: Duration,
    why: String,
}

impl Quotas {
    /// Whether more may be taken in from a source. Cost: none; if too much of it was unread when the store was last
    /// asked, a look at all unread mail.
    ///
    /// # Errors
    /// The local store's.
    pub fn admits(&mut self, node: &Node, source: &str, now: Duration) -> Result<bool> {
        let limits = &node.config.limits;
        self.hours.retain(|_, hour| now.saturating_sub(hour.since) < HOUR);
        let busy = self.hours.get(source).and_then(|hour| hour.excess(limits, now));
        let why = match busy {
            Some(why) => Some(why),
            None => self.unread(node, source, now)?.map(|bytes| {
                format!(
                    "{bytes} bytes of it lie unread here, of {} (`limits.sender_unread`)",
                    limits.sender_unread
                )
            }),
        };
        match why {
            Some(why) => {
                self.over.insert(source.to_owned(), Over { seen: now, why });
                Ok(false)
            }
            None => {
                self.over.remove(source);
                Ok(true)
            }
        }
    }

    /// How much of a source lies unread, if it is too much.
    fn unread(&mut self, node: &Node, source: &str, now: Duration) -> Result<Option<u64>> {
        let most = node.config.limits.sender_unread.0;
        let seems = self.unread.get(source).copied().unwrap_or(0);
        let old = self.more || self.asked.is_none_or(|at| now.saturating_sub(at) >= ASKED);
        if self.asked.is_none() || seems >= most && old {
            (self.asked, self.more) = (Some(now), false);
            self.unread.clear();
            for (peer, slot, bytes) in node.db.unread()? {
                let source = if slot { SLOT.to_owned() } else { source_of(node, &peer)? };
                *self.unread.entry(source).or_default() += bytes;
            }
        }
        Ok(self.unread.get(source).copied().filter(|bytes| *bytes >= most))
    }

    /// Counts what one read brought: `lines` of mail, good or bad, and `bytes` of the file.
    pub fn took(&mut self, source: &str, lines: usize, bytes: usize, now: Duration) {
        let (lines, bytes) = (lines as u64, bytes as u64);
        let fresh = Hour { since: now, messages: 0, bytes: 0 };
        let hour = self.hours.entry(source.to_owned()).or_insert(fresh);
        hour.messages += lines;
        hour.bytes += bytes;
        // At least what lies here: what was read or acknowledged since is found out when it matters.
        *self.unread.entry(source.to_owned()).or_default() += bytes;
        self.more = true;
    }

    /// Whose mail waits for its quota, in words; what was not looked at for `long` counts no more.
    pub fn waiting(&mut self, now: Duration, long: Duration) -> Vec<Waiting> {
        self.over.retain(|_, over| now.saturating_sub(over.seen) <= long);
        let mut waiting: Vec<_> =
            self.over.iter().map(|(source, over)| (source.clone(), over.why.clone())).collect();
        waiting.sort_unstable();
        waiting
    }
}

impl Hour {
    fn excess(&self, limits: &Limits, now: Duration) -> Option<String> {
        let left = (self.since + HOUR).saturating_sub(now).as_secs() / 60 + 1;
        let (what, most, key) = if self.messages >= limits.sender_messages {
            (format!("{} messages", self.messages), limits.sender_messages.to_string(), "sender_messages")
        } else if self.bytes >= limits.sender_bytes.0 {
            (format!("{} bytes", self.bytes), limits.sender_bytes.to_string(), "sender_bytes")
        } else {
            return None;
        };
        Some(format!("{what} came within an hour, of {most} (`limits.{key}`); it goes on in {left} min"))
    }
}

/// Under whose quota a lane's mail falls; `peer` is its writer, folded.
pub fn source_of(node: &Node, peer: &str) -> Result<String> {
    let beats = node.db.peer(peer)?.is_some_and(|peer| peer.heartbeat.is_some());
    Ok(if beats { peer.to_owned() } else { STRANGERS.to_owned() })
}
