//! Lines of a lane that a peer's daemon hands over, instead of writing them on the share.
//!
//! They are taken only if every one of them is signed by the key that is pinned for its sender, belongs to that lane, and
//! none is missing before them: so nothing overtakes, and what may still lie on the share is known when it is read there.
//! One that is not refuses them all, and is counted as on the share. They are answered by a signed receipt, made in the
//! transaction that takes them in: then their sender needs no other word that they are here.
//!
//! It works on the local store alone, through a node of its own: mail comes in while the share hangs. What a sender may
//! bring in is counted here and for the share each by itself, so that one who uses both has twice the quota.

use std::time::Duration;

use crate::engine::intake::{self, Reading, Still};
use crate::engine::node::Node;
use crate::engine::quota::{self, Quotas};
use crate::engine::receive::{self, Known};
use crate::engine::slip::Slips;
use crate::engine::{beat, condition, ops};
use crate::error::Result;
use crate::model::direct::BATCH;
use crate::model::name::Name;
use crate::model::sign::Signer;
use crate::model::task::TASK;
use crate::model::trust::{Cause, Verdict};
use crate::store::db::{Cursor, Handed, Intake, Via};
use crate::sys::seal::Identities;

/// After how long one who comes in vain may come again.
const LATER: Duration = Duration::from_secs(30);

/// What a peer is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// They are here; the receipt.
    Taken(Vec<u8>),
    /// Others are missing before them; the receipt says which.
    Gap(Vec<u8>),
    /// They are not taken; a status of HTTP, and why.
    Refused(u16, String),
    /// Not now.
    Later(u16, Duration, String),
}

/// What became of lines that were handed over.
#[derive(Debug)]
pub struct Received {
    /// The answer.
    pub reply: Reply,
    /// Something in the name of a peer was refused, in words for the log.
    pub refused: Option<String>,
}

impl Received {
    fn refused(status: u16, why: impl Into<String>) -> Received {
        Received { reply: Reply::Refused(status, why.into()), refused: None }
    }

    fn later(status: u16, why: impl Into<String>) -> Received {
        Received { reply: Reply::Later(status, LATER, why.into()), refused: None }
    }
}

/// Takes lines in.
pub struct Reception {
    node: Node,
    signer: Signer,
    identities: Identities,
    quotas: Quotas,
}

impl Reception {
    /// Takes `node`. Whoever calls holds the local lock of the state folder.
    ///
    /// # Errors
    /// The local store's.
    pub fn new(mut node: Node) -> Result<Reception> {
        let (signer, identities) = (ops::own_key(&mut node)?, ops::own_seal(&mut node)?);
        Ok(Reception { node, signer, identities, quotas: Quotas::default() })
    }

    /// Takes lines of the lane of `from` under `lease`, or says why not. `arrived` is called as soon as new mail is in the
    /// inbox: whoever waits for it need not wait for the answer.
    ///
    /// # Errors
    /// The local store's: then nothing was taken, or, if mail arrived, its sender hands it over again.
    pub fn take(
        &mut self,
        from: &Name,
        lease: u64,
        lines: &[u8],
        arrived: &mut dyn FnMut(),
    ) -> Result<Received> {
        let (now, wall, fold) = (self.node.clock.now(), self.node.clock.wall_ms(), from.fold());
        if self.node.db.keys(&fold, wall)?.pinned().is_none() || from.same_as(self.node.instance()) {
            return Ok(Received::refused(401, format!("no key is pinned here for {from}")));
        }
        if lines.iter().filter(|byte| **byte == b'\n').count() > BATCH.0 {
            // Each costs a signature, and no daemon sends so many.
            return Ok(Received::refused(413, format!("more than {} lines at once", BATCH.0)));
        }
        if self.node.db.is_to_recall()? {
            return Ok(Received::later(503, "its store went back in time; it looks at the share first"));
        }
        if condition::load(&self.node.db)?.lease_lost_to.is_some() {
            return Ok(Received::later(503, "another daemon runs this instance"));
        }
        let quota = quota::source_of(&self.node, &fold)?;
        if !self.quotas.admits(&self.node, &quota, now)? {
            return Ok(Received::later(429, "too much came from you, or lies unread"));
        }
        if self.node.db.meta("key")?.is_none_or(|key| key != self.signer.key().to_string()) {
            // Rotated by a command.
            self.signer = ops::own_key(&mut self.node)?;
            self.identities = ops::own_seal(&mut self.node)?;
        }
        let Some(mut intake) = self.read(from, lease, lines)? else {
            return Ok(Received::refused(400, "these are no whole lines"));
        };
        if let Some(refused) = self.refuse(&intake)? {
            return Ok(refused);
        }
        receive::judge(&mut self.node, &mut intake, &mut |node, peer, _| beat::their_least_time(node, peer))?;
        let theirs = self.node.db.peer(&fold)?.and_then(|peer| peer.heartbeat).map(|beat| beat.max_message);
        let most = theirs.unwrap_or(u64::MAX).min(self.node.config.limits.message.0);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let Handed { taken, answer } = self.node.db.take_handed(&intake, most, wall)?;
        if taken.as_ref().is_some_and(|taken| taken.new > 0) {
            arrived();
        }
        let slip = Slips::new(&self.node, from)?.wrap(answer).envelope.to_signed_plain_line(&self.signer);
        let Some(taken) = taken else {
            return Ok(Received { reply: Reply::Gap(slip), refused: None });
        };
        if intake.arrivals.iter().any(|arrival| arrival.envelope.kind == TASK) {
            ops::request_task_look(&mut self.node)?;
        }
        self.quotas.took(&quota, intake.arrivals.len() - taken.receipts, lines.len(), now);
        Ok(Received { reply: Reply::Taken(slip), refused: None })
    }

    /// The lines as an intake; `None` if something is left over.
    fn read(&self, from: &Name, lease: u64, lines: &[u8]) -> Result<Option<Intake>> {
        let node = &self.node;
        let limit = usize::try_from(node.config.limits.message.0).unwrap_or(usize::MAX);
        let known = Known::new(&node.db, node.clock.wall_ms());
        let open = |sealed: &[u8]| {
            let mut plain = vec![];
            self.identities.open(&mut &*sealed, limit as u64, &mut plain).map(|_| plain)
        };
        let reading = Reading {
            lane: "",
            source: &format!("directly from {from}, under lease {lease}"),
            via: Via::Direct { peer: from.fold(), lease },
            us: node.instance(),
            limit,
            room: node.config.limits.quarantine.0,
            at_end: true,
            sealed: false,
            still: Still::No,
            restarted: false,
            keys: &|name| known.keys(name),
            open: &open,
        };
        let outcome = intake::read(&reading, &Cursor::default(), lines);
        known.done()?;
        Ok(outcome.intake.filter(|_| outcome.waiting == 0))
    }

    /// Refuses lines of which one is not what it should be.
    fn refuse(&mut self, intake: &Intake) -> Result<Option<Received>> {
        let (wall, room) = (self.node.clock.wall_ms(), intake.room);
        if let Some(refusal) = intake.refusals.iter().find(|refusal| refusal.cause != Cause::Sealed) {
            let aside = &intake.quarantined[..intake.quarantined.len().min(1)];
            self.node.db.refuse(refusal, aside, room, wall)?;
            let why = refusal.cause.reason();
            let said = format!("refused what came directly in the name of {}: {why}", refusal.peer);
            return Ok(Some(Received { refused: Some(said), ..Received::refused(403, why) }));
        }
        if intake.arrivals.iter().any(|arrival| arrival.verdict != Verdict::Verified) {
            return Ok(Some(Received::refused(403, "a line is not signed by its sender's key")));
        }
        let numbers = intake.arrivals.iter().map(|arrival| arrival.envelope.seq);
        // Signed, and no message to us: its sender is told, as on the share. Whatever else was set aside is not.
        if intake.quarantined.len() != intake.refused.len() || !numbers.is_sorted() {
            return Ok(Some(Received::refused(
                400,
                "a line is no message of this lane, or out of its order",
            )));
        }
        Ok(None)
    }
}
