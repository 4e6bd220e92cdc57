//! A state folder that went back in time: restored by `lanpost restore`, or by copying a backup over it.
//!
//! What it forgot, others know: our lanes on the share say what we sent and what we told senders of their mail. Before
//! such a store sends, takes in or expires anything it looks at them, from where it remembers its lanes to stand:
//!
//! | forgotten since the backup | found out by | then |
//! |---|---|---|
//! | mail of ours that was sent | our lanes; for a peer that speaks the plain protocol its open slot | it is `sent`, not written again; receipts are read again and move it on |
//! | mail that came | the senders' lanes, since our cursors went back, too | it comes once more into this store, which does not have it |
//! | what the agent did with it | the receipts in our lanes | it enters as `read`, `processed` or `failed`, and wakes nobody |
//! | the lease, and numbers in our lanes | | a new lease, so that no number means two messages, and no old receipt a new message |
//! | mail that waited in the spool and was not on the share | nobody | it is gone; `restore` keeps the former state aside |
//!
//! Mail for which the agent was woken, and which it neither read nor acknowledged, wakes it again: nobody was told of
//! that. What senders deleted since, after their `keep.segments`, does not come again.
//!
//! Recognised by the word that `restore` leaves, or by our heartbeat on the share: its number only grows, and one that
//! this store never reached was written by its future. Our lanes are believed as every lane is: by their place.
//!
//! Cost at a start: a read of our heartbeat. When it is due: a list of each mailbox, and a read of what is newer there.

use std::collections::HashSet;
use std::time::Duration;

use crate::engine::beat;
use crate::engine::node::Node;
use crate::engine::tenure::Tenure;
use crate::error::Result;
use crate::model::envelope::{Envelope, RECEIPT};
use crate::model::heartbeat::Heartbeat;
use crate::model::json;
use crate::model::layout::{self, LaneFile, MessagesEntry, SharePath};
use crate::model::name::{Address, Name};
use crate::store::db::{RECALL, Recalled};
use crate::sys::share::Share;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;
/// How long after the first failure what can't be read is left: our own past must not stop all mail for good.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is known of our own past. All of it may be lost.
#[derive(Debug, Default)]
pub struct Recall {
    /// Why it is due.
    due: Option<String>,
    asked: bool,
    failed: Option<Duration>,
    /// What was looked at, by its name on the share.
    done: HashSet<String>,
    all: Recalled,
}

impl Recall {
    /// What the store remembers.
    pub fn load(node: &Node) -> Result<Recall> {
        let due = node.db.meta(RECALL)?.filter(|why| !why.is_empty());
        Ok(Recall { due, ..Recall::default() })
    }

    /// Whether nothing may be sent, taken in or expired yet.
    pub fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Whether the share was not asked yet.
    pub fn asks(&self) -> bool {
        !self.asked
    }

    /// Asks the share, once, whether it knows a later state of ours. Cost: 1 read.
    pub fn ask(&mut self, share: &dyn Share, node: &mut Node, tenure: &mut Tenure) -> Result<()> {
        let bytes = share.read(&layout::status(node.instance()), 0, beat::MAX)?;
        let key = node.db.meta("key")?.unwrap_or_default();
        let found = bytes.and_then(|bytes| Heartbeat::parse(&bytes)).filter(|beat| beat.key == key);
        let known = node.db.meta("beat")?.and_then(|beat| beat.parse::<u64>().ok()).unwrap_or(0);
        self.asked = true;
        // One more than known is one whose note a crash prevented.
        let Some(beat) = found.map(|beat| beat.beat).filter(|beat| *beat > known.saturating_add(1)) else {
            return Ok(());
        };
        if self.due.is_none() {
            let why = format!(
                "the state folder is older than what was written in its name, as if a backup was copied over it: our \
                 heartbeat on the share is number {beat}, and {known} is the last one known here"
            );
            let event = ("restored", why.clone());
            node.db.set_meta_and_log(RECALL, &why, &[event], node.clock.wall_ms())?;
            self.due = Some(why);
        }
        tenure.abandon();
        node.db.set_meta("beat", &beat.to_string())
    }

    /// Looks at our own lanes, and takes in what they tell; returns it in words.
    ///
    /// # Errors
    /// The share's or the store's; what was taken in stays, and the look is to be repeated.
    pub fn look(&mut self, share: &dyn Share, node: &mut Node) -> Result<String> {
        let now = node.clock.now();
        let mut unread = 0;
        for entry in share.names(&layout::messages())? {
            if self.done.contains(&entry) {
                continue;
            }
            let looked = match layout::parse_messages(&entry) {
                Some(MessagesEntry::Mailbox(peer)) => lanes(share, node, &peer),
                Some(MessagesEntry::OpenSlot(peer)) => slot(share, node, &peer),
                _ => continue,
            };
            match looked {
                Ok(recalled) => {
                    self.all.sent += recalled.sent;
                    self.all.told += recalled.told;
                    self.done.insert(entry);
                }
                Err(error) => {
                    let since = *self.failed.get_or_insert(now);
                    if error.is_in_store() || now.saturating_sub(since) < PATIENCE {
                        return Err(error);
                    }
                    unread += 1;
                }
            }
        }
        let why = self.due.take().unwrap_or_default();
        let mut what = format!(
            "{why}; our own lanes tell of {} messages that were sent and {} that were dealt with since",
            self.all.sent, self.all.told
        );
        if unread > 0 {
            what += &format!("; the lanes to {unread} peers could not be read");
        }
        node.db.set_meta(RECALL, "")?;
        Ok(what)
    }
}

/// Our lanes to `peer`, from where the store remembers them to stand.
fn lanes(share: &dyn Share, node: &mut Node, peer: &Name) -> Result<Recalled> {
    let us = node.instance().clone();
    let known = node.db.lane_out(&peer.fold())?;
    let known = known.map_or((0, 0, 0), |lane| (lane.lease, lane.position.segment, lane.position.size));
    let names = share.names(&layout::mailbox(peer))?;
    let ours = |file: &LaneFile| file.from == us && (file.lease, file.segment) >= (known.0, known.1);
    let mut files: Vec<LaneFile> =
        names.iter().filter_map(|name| layout::parse_lane(name)).filter(ours).collect();
    files.sort();
    let mut all = Recalled::default();
    for file in files {
        let from = if (file.lease, file.segment) == (known.0, known.1) { known.2 } else { 0 };
        let path = layout::lane(peer, &file);
        lines(share, &path, from, &mut |envelopes| {
            let now = node.clock.wall_ms();
            let recalled = node.db.recall(&peer.fold(), file.lease, &own(envelopes, &us, peer), now)?;
            all.sent += recalled.sent;
            all.told += recalled.told;
            Ok(())
        })?;
    }
    Ok(all)
}

/// The open slot of a peer that mail waits for.
fn slot(share: &dyn Share, node: &mut Node, peer: &Name) -> Result<Recalled> {
    let (us, fold) = (node.instance().clone(), peer.fold());
    if node.db.waiting_plain(&fold, 1)?.is_empty() {
        return Ok(Recalled::default());
    }
    let mut all = Recalled::default();
    lines(share, &layout::open_slot(peer), 0, &mut |envelopes| {
        let mut mail = own(envelopes, &us, peer);
        mail.retain(|envelope| envelope.kind != RECEIPT);
        let recalled = node.db.recall_plain(&fold, &mail, node.clock.wall_ms())?;
        all.sent += recalled.sent;
        Ok(())
    })?;
    Ok(all)
}

/// What we wrote to `peer`.
fn own(mut envelopes: Vec<Envelope>, us: &Name, peer: &Name) -> Vec<Envelope> {
    envelopes.retain(|envelope| {
        let from = envelope.from.parse::<Address>();
        from.is_ok_and(|from| from.instance.same_as(us))
            && envelope.to.as_ref().is_none_or(|to| to.instance.same_as(peer))
    });
    envelopes
}

/// Hands over the envelopes in the whole lines of a file, some at a time. What is no envelope is stepped over.
fn lines(
    share: &dyn Share,
    path: &SharePath,
    mut from: u64,
    take: &mut dyn FnMut(Vec<Envelope>) -> Result<()>,
) -> Result<()> {
    loop {
        let bytes = share.read(path, from, CHUNK)?.unwrap_or_default();
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            // A line that is longer than we ever write, or an end that is torn.
            None => bytes.len(),
        };
        let parse = |line: &[u8]| {
            let values = json::parse(std::str::from_utf8(line).ok()?, json::Limits::default()).ok()?;
            values.into_iter().next().and_then(|value| Envelope::from_value(value).ok())
        };
        take(bytes[..whole].split(|byte| *byte == b'\n').filter_map(parse).collect())?;
        from += whole as u64;
        if bytes.len() < CHUNK {
            return Ok(());
        }
    }
}
