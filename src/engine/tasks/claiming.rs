//! Granting what somebody here wishes for: a claim of a task.
//!
//! The logs were read just before. What can't be claimed is denied in words; a claim that is made becomes an event, and the
//! wish is answered when that is written ([`writing`](super::writing)). A wish that nobody waits for any longer is not
//! granted; a claim that an earlier run made for it is given back.

use super::home;
use crate::engine::claims::{self, Known, Odd, Outcome, Wanted};
use crate::engine::node::Node;
use crate::engine::ops;
use crate::error::Result;
use crate::model::layout;
use crate::model::sign::Signer;
use crate::model::task::{Board, Deed, Event, Standing, Task};
use crate::store::claims::Found;
use crate::store::db::{Answer, KeptTask, Wish};
use crate::sys::share::Share;

/// Wishes that one step sees to.
pub(super) const AT_ONCE: usize = 32;

/// Sees to wishes, the oldest first.
///
/// # Errors
/// The share's: those that are left wait. The local store's.
pub(super) fn grant(
    share: &dyn Share,
    node: &mut Node,
    signer: &Signer,
    wishes: &[Wish],
    odd: &mut Odd,
) -> Result<()> {
    for wish in wishes {
        let wall = node.clock.wall_ms();
        let late = wish.until < wall;
        let claimed = match node.db.task(&wish.task)? {
            None => Err(Answer::Lost { why: "there is no such task any more".to_owned() }),
            Some(kept) if late => given_back(share, &kept.task, wish)?.ok_or(Answer::Late),
            Some(kept) => make(share, node, signer, &kept, wish, odd)?,
        };
        match claimed {
            Ok(token) => {
                let events = events(node, wish, token, late)?;
                node.db.make_wish(&home(node), wish.n, &events, wall)?;
            }
            Err(answer) => node.db.deny_wish(wish.n, &answer, wall)?,
        }
    }
    Ok(())
}

/// Makes the claim; its number, or why not.
fn make(
    share: &dyn Share,
    node: &mut Node,
    signer: &Signer,
    kept: &KeptTask,
    wish: &Wish,
    odd: &mut Odd,
) -> Result<std::result::Result<u64, Answer>> {
    let task = &kept.task;
    if let Some(held) = task.holder.as_ref().filter(|held| held.by == wish.who) {
        return Ok(Err(Answer::Held { token: held.token }));
    }
    if let Some(why) = hindrance(node, task)? {
        return Ok(Err(Answer::Lost { why }));
    }
    let known =
        Known { token: task.token, holder: task.holder.as_ref().map(|held| (held.by.clone(), held.term)) };
    let on = layout::task_claims(&task.id);
    let wanted = Wanted { on: &on, by: &wish.who, term: wish.term, word: &wish.word, known: &known };
    Ok(match claims::take(share, node, signer, &wanted, odd)? {
        Outcome::Held(token) => Ok(token),
        Outcome::Lost(why) => Err(Answer::Lost { why }),
    })
}

/// Why a task can't be claimed by anybody, in words.
fn hindrance(node: &Node, task: &Task) -> Result<Option<String>> {
    let board = Board::new(node.db.tasks()?.into_iter().map(|kept| kept.task));
    Ok(match board.standing(task) {
        Standing::Open | Standing::Claimed => None,
        Standing::Waiting => {
            let ids: Vec<_> = board.waits_for(task).map(|id| id.short()).collect();
            Some(format!("it waits for {}", ids.join(", ")))
        }
        Standing::Blocked => Some(format!("it is blocked: {}", task.blocked.as_deref().unwrap_or_default())),
        over => Some(format!("it is {over}")),
    })
}

/// The number of the claim that was made for a wish, if it is still the highest.
fn given_back(share: &dyn Share, task: &Task, wish: &Wish) -> Result<Option<u64>> {
    let on = layout::task_claims(&task.id);
    let highest = crate::store::claims::highest(share, &on)?;
    if highest <= task.token {
        return Ok(None);
    }
    Ok(match crate::store::claims::read(share, &on, highest)? {
        Found::Claim(claim, _) if claim.word == wish.word => Some(highest),
        _ => None,
    })
}

/// What is said of a claim that is made; `late`: it is given back at once.
fn events(node: &Node, wish: &Wish, token: u64, late: bool) -> Result<Vec<Event>> {
    let Some(kept) = node.db.task(&wish.task)? else { return Ok(vec![]) };
    let say = |deed, more| {
        let event = ops::task_event(node, wish.who.clone(), &kept.task, deed);
        Event { token, version: event.version + more, ..event }
    };
    let why = Some("nobody waited for it any longer".to_owned());
    let mut events = vec![say(Deed::Claim { term: wish.term }, 0)];
    events.extend(late.then(|| say(Deed::Release { why }, 1)));
    Ok(events)
}
