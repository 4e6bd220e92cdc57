//! Our hold on the instance: taking its lease, looking before every append whether it still is ours, and giving it up.
//!
//! A daemon takes the next number at its start, whoever held before: the newest start runs the instance, an older
//! one stops writing and says so. A pass goes on under the number that its state folder holds, unless that is a copy
//! of the folder that took it; it takes over from somebody else, the original of a copy included, only if that one is
//! gone: its heartbeat says `stopped`, or stood still for [`TERM`] on both clocks.
//! A crash between the share's lease and the store's note of it leaves a number that nobody uses, and that its taker
//! knows by the word in it, noted before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::beat;
use crate::engine::hint::Role;
use crate::engine::node::{Node, store_path};
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::model::heartbeat::{Activity, Heartbeat};
use crate::model::layout;
use crate::model::lease::{Lease, Standing, TERM};
use crate::store::{lease, share_clock};
use crate::sys::share::Share;
use crate::sys::{files, process};

const NUMBER: &str = "lease";
/// Every number that this state folder held, so that it knows which files are its own.
const HELD: &str = "leases held";
/// How many of them are remembered.
const MOST: usize = 1_000;
/// The word in the lease that was taken last, or was about to be, and where the store was then.
const HOLDER: &str = "lease holder";
/// Where the store was when it took the lease: a copy of it is elsewhere.
const PLACE: &str = "place";
/// What a pass saw of the one that holds the instance.
const RIVAL: &str = "rival";

/// What is known of our lease.
#[derive(Debug)]
pub struct Tenure {
    role: Role,
    number: Option<u64>,
    lost_to: Option<u64>,
}

/// A holder that is not us: its heartbeat as it was first seen standing still, and when that was (our wall clock, in
/// milliseconds: set forward it makes us impatient, and then the share's clock still has to agree).
#[derive(Serialize, Deserialize)]
struct Rival {
    lease: u64,
    stamp: String,
    since: i64,
}

/// What a look at all numbers came to, when the lease is not lost.
#[derive(Debug, PartialEq, Eq)]
pub enum Watched {
    /// It is ours.
    Held,
    /// This number of ours was gone from the share; a new one was taken.
    Missing {
        /// The one that was gone.
        number: u64,
    },
}

impl Tenure {
    /// What the store remembers, if it is the one that took the lease: whoever copied it may run the original.
    pub fn load(node: &Node, role: Role) -> Result<Tenure> {
        let ours = role == Role::Pass && node.db.meta(PLACE)?.is_none_or(|place| place == here(node));
        Ok(Tenure { role, number: stored(node)?.filter(|_| ours), lost_to: None })
    }

    /// The lease to write under; `None` if there is none yet, or it is lost.
    pub fn number(&self) -> Option<u64> {
        self.number.filter(|_| self.lost_to.is_none())
    }

    /// The lease that another one took from us.
    pub fn lost_to(&self) -> Option<u64> {
        self.lost_to
    }

    /// Takes the lease if we have none. Cost: 2 lists, 1 create, 1 mkdir; a pass looks at the holder, too.
    pub fn take(&mut self, share: &dyn Share, node: &mut Node) -> Result<()> {
        if self.number.is_some() || self.lost_to.is_some() {
            return Ok(());
        }
        if self.role == Role::Pass
            && let Standing::Free { next } = lease::look(share, node.instance(), None)?
            && next > 1
        {
            self.is_gone(share, node, next - 1)?;
        }
        // A word of this run, by which a call that is made again knows what it made.
        let holder: String = node.clock.random().iter().map(|byte| format!("{byte:02x}")).collect();
        let since = format_time(node.clock.wall());
        let claim = Lease { holder: holder.clone(), host: process::host_name(), since };
        let floor = held(node)?.into_iter().max().unwrap_or(0);
        node.db.set_meta(HOLDER, &word(&holder, node))?;
        let number = lease::acquire(share, node.instance(), &claim, floor)?;
        node.db.set_meta(PLACE, &here(node))?;
        remember(node, number)?;
        let event = ("lease-taken", format!("lease {number}, on {}", claim.host));
        node.db.set_meta_and_log(NUMBER, &number.to_string(), &[event], node.clock.wall_ms())?;
        self.number = Some(number);
        Ok(())
    }

    /// Looks whether the lease still is ours, at all numbers. Cost: 1 list.
    pub fn watch(&mut self, share: &dyn Share, node: &mut Node) -> Result<Watched> {
        let Some(number) = self.number else { return Ok(Watched::Held) };
        match lease::look(share, node.instance(), self.number)? {
            Standing::Lost { to } if self.role == Role::Pass => {
                self.is_gone(share, node, to)?;
                self.number = None;
                self.take(share, node)?;
                Ok(Watched::Held)
            }
            Standing::Lost { to } => Err(self.lose(share, node, to)),
            Standing::Missing => {
                self.number = None;
                self.take(share, node)?;
                Ok(Watched::Missing { number })
            }
            Standing::Held | Standing::Free { .. } => Ok(Watched::Held),
        }
    }

    /// The look before an append: whether somebody took the next number. Cost: 1 stat.
    ///
    /// # Errors
    /// The lease is lost ([`Kind::LeaseLost`]), or the share doesn't answer.
    pub fn check(&mut self, share: &dyn Share, node: &Node) -> Result<()> {
        let Some(number) = self.number else { return Ok(()) };
        match share.stat(&layout::lease(node.instance(), number + 1))? {
            Some(_) => Err(self.lose(share, node, number + 1)),
            None => Ok(()),
        }
    }

    /// Gives a number that is not lost up: somebody else wrote under it, so it is no fence between us.
    pub fn abandon(&mut self) {
        self.number = self.number.filter(|_| self.lost_to.is_some());
    }

    fn lose(&mut self, share: &dyn Share, node: &Node, to: u64) -> Error {
        self.lost_to = Some(to);
        let who = lease::holder(share, node.instance(), to).ok().flatten();
        let who = who.map_or_else(|| "another daemon".into(), |lease| format!("a daemon on {}", lease.host));
        let cause = format!("{who} took instance {} over (lease {to})", node.instance());
        Error::new(Kind::LeaseLost, "go on writing to", share.describe(), cause)
            .next("stop one of the two; restarting this one takes it back")
    }

    /// Whether whoever holds `number` is gone, so that a pass may take over.
    ///
    /// # Errors
    /// It is not known to be gone.
    fn is_gone(&mut self, share: &dyn Share, node: &mut Node, number: u64) -> Result<()> {
        let path = layout::status(node.instance());
        let beat = share.read(&path, 0, beat::MAX)?.and_then(|bytes| Heartbeat::parse(&bytes));
        if beat.is_some_and(|beat| beat.state == Activity::Stopped) {
            return Ok(());
        }
        let holder = lease::holder(share, node.instance(), number)?;
        if let Some(lease) = &holder
            && node.db.meta(HOLDER)?.is_some_and(|ours| ours == word(&lease.holder, node))
        {
            // Taken by this state folder, which was stopped before it was noted. Whoever did it is gone: we hold its lock.
            return Ok(());
        }
        // A heartbeat may be missing for a moment while it is replaced (SMB); then the lease itself must be old.
        let meta = match share.stat(&path)? {
            Some(meta) => Some(meta),
            None => share.stat(&layout::lease(node.instance(), number))?,
        };
        let Some(meta) = meta else { return Ok(()) };
        let now = node.clock.wall_ms();
        let stamp = meta.stamp.to_string();
        let seen = node.db.meta(RIVAL)?.and_then(|json| serde_json::from_str::<Rival>(&json).ok());
        let seen = seen.filter(|rival| rival.lease == number && rival.stamp == stamp && rival.since <= now);
        let since = seen.map_or(now, |rival| rival.since);
        let rival = Rival { lease: number, stamp, since };
        node.db.set_meta(RIVAL, &serde_json::to_string(&rival).unwrap_or_default())?;
        let still = Duration::from_millis((now - since).max(0).unsigned_abs());
        if still >= TERM && share_clock::age(share, node.instance(), &meta)? >= TERM {
            return Ok(());
        }
        self.lost_to = Some(number);
        let who = holder.map_or("another PC".into(), |lease| lease.host);
        let cause = format!("{who} runs instance {} (lease {number})", node.instance());
        let step = format!(
            "stop that one, or give this PC an instance of its own; if it is dead, this works {} s from now",
            TERM.saturating_sub(still).as_secs().max(1)
        );
        Err(Error::new(Kind::LeaseLost, "use the mailbox on", share.describe(), cause).next(step))
    }
}

/// What is noted of a lease before it is taken: a copy of the store is elsewhere, and takes it for another's.
fn word(holder: &str, node: &Node) -> String {
    format!("{holder} {}", here(node))
}

/// Where the store is now.
fn here(node: &Node) -> String {
    files::place(&store_path(&node.config))
}

/// The lease under which lines may be handed over without a look at the share: the last one that was taken here.
pub fn last(node: &Node) -> Result<Option<u64>> {
    let ours = node.db.meta(PLACE)?.is_some_and(|place| place == here(node));
    Ok(stored(node)?.filter(|_| ours))
}

/// The last number that this state folder held.
fn stored(node: &Node) -> Result<Option<u64>> {
    Ok(node.db.meta(NUMBER)?.and_then(|number| number.parse().ok()))
}

/// The numbers that this state folder holds or held; files of others are not ours to delete.
pub fn held(node: &Node) -> Result<Vec<u64>> {
    let held = node.db.meta(HELD)?.and_then(|json| serde_json::from_str(&json).ok());
    let mut held: Vec<u64> = held.unwrap_or_default();
    held.extend(stored(node)?);
    Ok(held)
}

fn remember(node: &mut Node, number: u64) -> Result<()> {
    let mut held = held(node)?;
    held.push(number);
    held.sort_unstable();
    held.dedup();
    held.drain(..held.len().saturating_sub(MOST));
    node.db.set_meta(HELD, &serde_json::to_string(&held).unwrap_or_default())
}
