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
//! | mail that came directly, to our daemon | its senders, whom we tell how far we have their lanes | they hand it over once more |
//! | mail that waited in the spool and was not on the share | nobody | it is gone; `restore` keeps the former state aside |
//!
//! Until then no agent is woken and no command of a peer run; with a folder that was copied by hand, once the share has
//! told that it was. Mail for which the agent was woken, and which it neither read nor acknowledged, wakes it again: nobody
//! was told of that. What senders deleted since, after their `keep.segments`, does not come again.
//!
//! Recognised by the word that `restore` leaves, or by our heartbeat on the share: its number only grows, and one that
//! this store never reached was written by its future. A folder that commands alone have used has no heartbeats: that its
//! lane is not where it stood is seen as it is [written](crate::engine::deliver). What happened to the share itself is
//! for [`mend`](crate::engine::mend) to see.
//!
//! Heartbeat and lanes are believed by our own signature alone, as peers would believe them: by our key, by former ones
//! for as long as they count, and by one that was rotated to since.
//!
//! Cost at a start: a read of our heartbeat. When it is due: a list of each mailbox, and a read of what is newer there;
//! a stat and a read of each open slot.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::engine::beat;
use crate::engine::node::Node;
use crate::engine::slip::Slips;
use crate::engine::tenure::Tenure;
use crate::error::Result;
use crate::model::envelope::{self, Envelope, RECEIPT};
use crate::model::json;
use crate::model::layout::{self, LaneFile, MessagesEntry, SharePath};
use crate::model::name::{Address, Name};
use crate::model::receipt::Receipt;
use crate::model::sign;
use crate::model::trust::{Keys, Pin, Standing, Verdict};
use crate::store::db::{NewMessage, RECALL, Recalled};
use crate::sys::share::Share;

/// Bytes that are read at once, at least.
const CHUNK: usize = 1 << 20;
/// How long after the first failure what can't be read is left: our own past must not stop all mail for good.
const PATIENCE: Duration = Duration::from_secs(600);

/// The key of ours that we gave up for one which is lost: peers believe that one, and us no more.
pub const SUPERSEDED: &str = "superseded";

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
        let found = beat::ours(share, node)?;
        let known = node.db.meta("beat")?.and_then(|beat| beat.parse::<u64>().ok()).unwrap_or(0);
        self.asked = true;
        let own = node.db.keys(&node.instance().fold(), node.clock.wall_ms())?.pinned();
        if let Some((own, later)) = own.zip(found.as_ref().and_then(|beat| beat.key.parse().ok()))
            && own != later
        {
            node.db.set_meta(SUPERSEDED, &own.to_string())?;
        }
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
        let own = Own::new(share, node)?;
        let mut unread = 0;
        let is_wanted = |name: &str| !self.done.contains(name) && layout::parse_messages(name).is_some();
        for entry in names(share, &layout::messages(), own.files, is_wanted)? {
            let looked = match layout::parse_messages(&entry) {
                Some(MessagesEntry::Mailbox(peer)) => lanes(share, node, &own, &peer),
                Some(MessagesEntry::OpenSlot(peer)) => slot(share, node, &own, &peer),
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
        let told = tell_senders(node)?;
        node.db.end_recall(&told, node.clock.wall_ms())?;
        Ok(what)
    }
}

/// A receipt for each peer: how far its lanes were taken in, by this store. What came beyond that directly is on no share.
fn tell_senders(node: &Node) -> Result<Vec<NewMessage>> {
    let mut told = vec![];
    for peer in node.db.peers()?.into_iter().filter(|peer| peer.heartbeat.is_some()) {
        if peer.name.same_as(node.instance()) {
            continue;
        }
        let restored = Some(node.db.lanes_in(&peer.name.fold())?);
        told.push(Slips::new(node, &peer.name)?.wrap(Receipt { restored, ..Receipt::default() }));
    }
    Ok(told)
}

/// By what our own lines are known.
struct Own {
    name: Name,
    keys: Keys,
    /// Bytes that are read at once: more than a line of ours.
    chunk: usize,
    /// Bytes that are read of one file: more than we write, whatever others put there.
    most: u64,
    /// Entries that are looked at of one folder, whatever others put there.
    files: usize,
}

impl Own {
    fn new(share: &dyn Share, node: &Node) -> Result<Own> {
        let (name, limits) = (node.instance().clone(), &node.config.limits);
        let mut keys = node.db.keys(&name.fold(), node.clock.wall_ms())?;
        if let Some(key) = beat::ours(share, node)?.and_then(|beat| beat.key.parse().ok())
            && keys.standing(key).is_none()
        {
            // It was rotated since, and the new one is lost.
            keys.0.push(Pin { key, standing: Standing::Retired });
        }
        let chunk = CHUNK.max(usize::try_from(limits.message.0).unwrap_or(CHUNK).saturating_mul(2));
        let most = limits.segment.0.saturating_add(chunk as u64);
        Ok(Own { name, keys, chunk, most, files: limits.lanes })
    }

    /// The envelope in `value`, if we wrote it to `peer`: into the lane under `lease`, or its open slot. What others put
    /// there, or copied to there, tells nothing.
    fn envelope(&self, value: Value, peer: &Name, lease: Option<u64>) -> Option<Envelope> {
        let object = value.as_object()?;
        let numbered = object.contains_key("seq") == lease.is_some();
        let here = object.get(envelope::LEASE).map(Value::as_u64) == lease.map(Some);
        if !(numbered && here && self.keys.judge(object) == Ok(Verdict::Verified)) {
            return None;
        }
        let mut envelope = Envelope::from_value(value).ok()?;
        envelope.rest.retain(|field, _| field != sign::FIELD && field != envelope::LEASE);
        let from = envelope.from.parse::<Address>().ok()?;
        let to = envelope.to.as_ref()?;
        (from.instance.same_as(&self.name) && to.instance.same_as(peer)).then_some(envelope)
    }

    /// Hands over what we wrote into a file, in its whole lines from `from` on, some at a time.
    fn lines(
        &self,
        share: &dyn Share,
        (path, mut from): (&SharePath, u64),
        (peer, lease): (&Name, Option<u64>),
        take: &mut dyn FnMut(Vec<Envelope>) -> Result<()>,
    ) -> Result<()> {
        let end = from.saturating_add(self.most);
        while from < end {
            let bytes = share.read(path, from, self.chunk)?.unwrap_or_default();
            // Without an end: longer than we ever write, or torn.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |last| last + 1);
            let parse = |line: &[u8]| {
                let values = json::parse(std::str::from_utf8(line).ok()?, json::Limits::default()).ok()?;
                self.envelope(values.into_iter().next()?, peer, lease)
            };
            take(bytes[..whole].split(|byte| *byte == b'\n').filter_map(parse).collect())?;
            from += whole as u64;
            if bytes.len() < self.chunk {
                break;
            }
        }
        Ok(())
    }
}

/// The names in a folder that are wanted, at most so many.
fn names(
    share: &dyn Share,
    folder: &SharePath,
    most: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut left = most;
    let found = share.list_those(folder, &mut |name| {
        let taken = left > 0 && is_wanted(name);
        left -= usize::from(taken);
        taken
    })?;
    Ok(found.unwrap_or_default().into_iter().map(|entry| entry.name).collect())
}

/// Our lanes to `peer`, from where the store remembers them to stand.
fn lanes(share: &dyn Share, node: &mut Node, own: &Own, peer: &Name) -> Result<Recalled> {
    let known = node.db.lane_out(&peer.fold())?;
    let known = known.map_or((0, 0, 0), |lane| (lane.lease, lane.position.segment, lane.position.size));
    let ours = |file: &LaneFile| file.from == own.name && (file.lease, file.segment) >= (known.0, known.1);
    let is_wanted = |name: &str| layout::parse_lane(name).is_some_and(|file| ours(&file));
    let names = names(share, &layout::mailbox(peer), own.files, is_wanted)?;
    let mut files: Vec<LaneFile> = names.iter().filter_map(|name| layout::parse_lane(name)).collect();
    files.sort();
    let mut all = Recalled::default();
    for file in files {
        let from = if (file.lease, file.segment) == (known.0, known.1) { known.2 } else { 0 };
        let path = layout::lane(peer, &file);
        own.lines(share, (&path, from), (peer, Some(file.lease)), &mut |envelopes| {
            let now = node.clock.wall_ms();
            let recalled = node.db.recall(&peer.fold(), file.lease, &envelopes, now)?;
            all.sent += recalled.sent;
            all.told += recalled.told;
            Ok(())
        })?;
    }
    Ok(all)
}

/// The open slot of `peer`: the newest of what stands there.
fn slot(share: &dyn Share, node: &mut Node, own: &Own, peer: &Name) -> Result<Recalled> {
    let (fold, path) = (peer.fold(), layout::open_slot(peer));
    let len = share.stat(&path)?.map_or(0, |meta| meta.len);
    let mut all = Recalled::default();
    let from = len.saturating_sub(own.most);
    own.lines(share, (&path, from), (peer, None), &mut |mut envelopes| {
        envelopes.retain(|envelope| envelope.kind != RECEIPT);
        let recalled = node.db.recall_plain(&fold, &envelopes, node.clock.wall_ms())?;
        all.sent += recalled.sent;
        Ok(())
    })?;
    Ok(all)
}
