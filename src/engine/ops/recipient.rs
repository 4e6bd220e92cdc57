//! Whom a message is for: whether it is there, how much it takes, and whether there is room for what waits for it. What is
//! refused here was not stored.

use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::attachment;
use crate::model::name::{self, Address, Name};
use crate::model::presence::Presence;
use crate::model::route::Route;

/// The recipient as it spells itself, and the longest line it takes.
pub(super) fn recipient(node: &Node, to: &Address, create: bool) -> Result<(Address, usize)> {
    let limit = usize::try_from(node.config.limits.message.0).unwrap_or(usize::MAX);
    let Some(peer) = node.db.peer(&to.instance.fold())? else {
        let reached = node.config.gateway(&to.instance.fold()).is_some();
        if create || reached || to.instance.same_as(node.instance()) {
            return Ok((to.clone(), limit));
        }
        let mut known: Vec<Name> = node.db.peers()?.into_iter().map(|peer| peer.name).collect();
        known.extend(node.config.groups.values().map(|group| group.name.clone()));
        let near = name::near(to.instance.as_str(), known.iter().map(Name::as_str));
        let cause = "no instance of that name was seen on the share";
        return Err(Error::new(Kind::NotFound, "send to", to, cause).next(match near.as_slice() {
            [] => "`lanpost peers` lists who is there; --create addresses one that has not joined yet".into(),
            near => {
                format!("did you mean {}? --create addresses one that has not joined yet", near.join(" or "))
            }
        }));
    };
    let heartbeat = peer.heartbeat.as_ref();
    let agents = heartbeat.map(|beat| beat.agents.as_slice()).unwrap_or_default();
    let agent = match &to.agent {
        Some(agent) if !agents.is_empty() && !create => {
            match agents.iter().find(|known| known.same_as(agent)) {
                Some(known) => Some(known.clone()),
                None => {
                    let list: Vec<_> = agents.iter().map(Name::as_str).collect();
                    let cause = format!("{} has no agent of that name, but {}", peer.name, list.join(", "));
                    return Err(
                        Error::new(Kind::NotFound, "send to", to, cause).next("--create addresses it anyway")
                    );
                }
            }
        }
        agent => agent.clone(),
    };
    let theirs = heartbeat.map_or(usize::MAX, |beat| usize::try_from(beat.max_message).unwrap_or(usize::MAX));
    Ok((Address { instance: peer.name, agent }, limit.min(theirs)))
}

/// Whether what is attached to a message can reach a peer at all.
///
/// # Errors
/// Nothing was seen of it that says that it takes files, or the share is no route to it.
pub(super) fn takes_files(node: &Node, to: &Address) -> Result<()> {
    let deed = "attach files to a message for";
    let fold = to.instance.fold();
    if !node.config.takes(&fold, Route::Share) {
        let cause = "files go by the share alone, which is none of its routes";
        return Err(Error::usage(deed, to, cause)
            .next(format!("add \"share\" to `routes` in the config's table [peers.{}]", to.instance)));
    }
    let takes = to.instance.same_as(node.instance())
        || node
            .db
            .peer(&fold)?
            .is_some_and(|peer| peer.heartbeat.is_some_and(|beat| beat.has(attachment::FEATURE)));
    match takes {
        true => Ok(()),
        false => {
            let cause = "nothing was seen of it that says that it takes them; nothing was stored";
            Err(Error::new(Kind::NoKey, deed, to, cause)
                .next("start its lanpost once, of this version or later"))
        }
    }
}

/// Rows that may be added to the store between two measurements of a spool.
const MEASURED: i64 = 256;

/// What waits for a peer that is not online must not grow for ever, nor what lies unread in an open slot. Measuring costs
/// a look at all of it, so that is done now and then, at the limit each time; the limit of bytes is kept to within
/// [`MEASURED`] messages.
pub(super) fn room(node: &mut Node, fold: &str, more: u64) -> Result<()> {
    let peer = node.db.peer(fold)?;
    let presence = peer.as_ref().map_or(Presence::Plain, |peer| peer.presence(node.clock.wall_ms()));
    if presence == Presence::Online {
        return Ok(());
    }
    let (most, most_bytes) = (node.config.keep.spool, node.config.keep.spool_bytes.0);
    let fits = |count: u64, bytes| count.saturating_add(more) <= most && bytes < most_bytes;
    let (key, row) = (format!("spool {fold}"), node.db.last_row()?);
    let known = node.db.meta(&key)?.and_then(|json| serde_json::from_str::<(i64, u64, u64)>(&json).ok());
    if let Some((then, count, bytes)) = known {
        let added = row.saturating_sub(then);
        if added < MEASURED && fits(count.saturating_add(added.unsigned_abs()), bytes) {
            return Ok(());
        }
    }
    let (count, bytes) = node.db.waits_for(fold)?;
    node.db.set_meta(&key, &format!("[{row},{count},{bytes}]"))?;
    if fits(count, bytes) {
        return Ok(());
    }
    let to = peer.map_or_else(|| fold.to_owned(), |peer| peer.name.to_string());
    let waits = format!("{count} messages ({bytes} bytes)");
    let (cause, next) = match presence {
        Presence::Plain => (
            format!("nobody was seen to read its open slot since {waits} were written for it"),
            format!("have `messages/to-{to}.jsonl` emptied by whoever reads it, or wait for an answer"),
        ),
        _ => (format!("it is not online, and {waits} wait for it already"), "wait until it is back".into()),
    };
    let raise = "or raise `spool` and `spool_bytes` in the config's table `keep`";
    Err(Error::new(Kind::Full, "send to", to, cause).next(format!("{next}, {raise}")))
}
