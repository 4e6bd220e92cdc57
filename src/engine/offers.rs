//! Work that is offered to several: this instance claims what somebody here is free for, and hands it to its agent then.
//!
//! A claim is one of a task ([`tasks`](super::tasks)), which says who holds it and whether it is over; here it is decided
//! when to wish for it, and what follows for the mail. Who has unfinished work of that kind gets no more of it. A claim that
//! ran out since the agent was silent, or that another one took over, takes the mail out of the inbox again.
//!
//! All of it is in the store: a crash at any moment leaves a wish whose answer is looked for, or a claim that is known as ours.

use std::collections::HashSet;
use std::time::Duration;

use crate::engine::hint::Role;
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::name::Address;
use crate::model::task::{Status, Task};
use crate::store::db::{Answer, KeptTask, Offer, OfferKind, Wish};

/// How often the tasks' logs are looked at while a task that was offered is not known yet.
pub const ASK: Duration = Duration::from_secs(2);
/// Offers that one step looks at.
const AT_ONCE: usize = 200;
/// For how long a wish waits for the share, and how long nothing is wished for after one that was lost.
const PATIENCE: i64 = 60_000;
const PAUSE: i64 = 5_000;
/// A task that is not known so long after its mail came is not looked for any more than others.
const YOUNG: i64 = 60_000;

/// What a step came to.
#[derive(Default)]
pub(super) struct Offered {
    /// A wish was made: it is granted in the next step.
    pub more: bool,
    /// There is mail for an agent here.
    pub mail: bool,
    /// A task is not known yet.
    pub unknown: bool,
}

/// Sees to what is offered. Reads an index while that is nothing, and never the share. Only a daemon claims: whoever runs one
/// command may not come back.
///
/// # Errors
/// The local store's.
pub(super) fn step(node: &mut Node, role: Role) -> Result<Offered> {
    let (mut done, now) = (Offered::default(), node.clock.wall_ms());
    if !node.db.has_offers()? {
        return Ok(done);
    }
    for offer in node.db.offers(OfferKind::Over, now, AT_ONCE)? {
        let Some(kept) = kept(node, &offer)? else { continue };
        node.db.end_offer(&offer, &outcome(&kept.task), now)?;
    }
    for offer in node.db.offers(OfferKind::Begun, now, AT_ONCE)? {
        go_on(node, &offer, now, &mut done)?;
    }
    if role == Role::Daemon {
        let mut busy = HashSet::new();
        for offer in node.db.offers(OfferKind::Free, now, AT_ONCE)? {
            let Some(kept) = kept(node, &offer)? else { continue };
            if is_ours(node, &offer, &kept) {
                // The answer to our wish was lost, not the claim.
                take(node, &offer, now, &mut done)?;
                busy.insert(offer.message.to.clone());
            } else if !busy.contains(&offer.message.to) && is_free(node, &kept)? {
                wish(node, &offer, &kept, now)?;
                busy.insert(offer.message.to.clone());
                done.more = true;
            }
        }
    }
    done.unknown = node.db.offers_unknown(now.saturating_sub(YOUNG))?;
    Ok(done)
}

/// What is ours may be so no more, and what was wished for may be granted.
fn go_on(node: &mut Node, offer: &Offer, now: i64, done: &mut Offered) -> Result<()> {
    let Some(kept) = kept(node, offer)? else { return Ok(()) };
    let ours = is_ours(node, offer, &kept);
    let Some(wish) = offer.wish else {
        // Whoever was silent for that long is not given it again at once.
        let pause = term(offer).saturating_mul(1_000);
        return if ours { Ok(()) } else { node.db.stand_by(offer, None, now.saturating_add(pause), now) };
    };
    match node.db.answer_of(wish)? {
        Some(Answer::Held { .. }) if ours => take(node, offer, now, done),
        None if now < offer.not_before => Ok(()),
        _ => node.db.stand_by(offer, None, now.saturating_add(PAUSE), now),
    }
}

/// Its task, as it is known here.
fn kept(node: &Node, offer: &Offer) -> Result<Option<KeptTask>> {
    let task = offer.message.broadcast.as_ref().and_then(|broadcast| broadcast.task());
    task.map_or(Ok(None), |task| node.db.task(&task))
}

/// For how many seconds its holder may be silent.
fn term(offer: &Offer) -> i64 {
    let seconds = offer.message.broadcast.as_ref().and_then(|broadcast| broadcast.any);
    seconds.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(i64::MAX)
}

fn is_ours(node: &Node, offer: &Offer, kept: &KeptTask) -> bool {
    kept.task.holder.as_ref().is_some_and(|held| held.by == who(node, offer))
}

/// Whose it would be: as the sender addressed it.
fn who(node: &Node, offer: &Offer) -> Address {
    let agent = offer.message.to.parse::<Address>().ok().and_then(|to| to.agent);
    Address { instance: node.instance().clone(), agent }
}

fn take(node: &mut Node, offer: &Offer, now: i64, done: &mut Offered) -> Result<()> {
    done.mail = true;
    node.db.take_offer(offer, node.config.wake.is_on(), now)
}

/// Whether nobody has it, or a dead instance. What is blocked by hand is nobody's.
fn is_free(node: &Node, kept: &KeptTask) -> Result<bool> {
    let task = &kept.task;
    Ok(task.blocked.is_none() && (task.status == Status::Open || ops::is_left(node, task)?))
}

fn wish(node: &mut Node, offer: &Offer, kept: &KeptTask, now: i64) -> Result<()> {
    let word: String = node.clock.random().iter().map(|byte| format!("{byte:02x}")).collect();
    let until = now.saturating_add(PATIENCE);
    let (task, who, term) = (kept.task.id.clone(), who(node, offer), term(offer).unsigned_abs());
    let wish = node.db.wish(&Wish { n: 0, task, who, term, word, until }, now)?;
    node.db.stand_by(offer, Some(wish), until.saturating_add(PAUSE), now)
}

/// What became of a task that has ended.
fn outcome(task: &Task) -> String {
    let outcome = task.outcome.as_deref().map(|outcome| format!(": {outcome}")).unwrap_or_default();
    match task.status {
        Status::Failed => format!("another one could not do it{outcome}"),
        Status::Cancelled => format!("it is not wanted any more{outcome}"),
        Status::Open | Status::Claimed | Status::Done => format!("another one did it{outcome}"),
    }
}
