//! What a person should look at, of all that `status` knows, each in a sentence with the next step.

use std::time::Duration;

use super::{LATELY, Status};
use crate::engine::condition;
use crate::engine::listening::{self, Listening};
use crate::engine::node::Node;
use crate::engine::ops::{self, PeerView};
use crate::engine::recall::SUPERSEDED;
use crate::error::Result;
use crate::model::envelope::format_time;
use crate::model::heartbeat::Activity;
use crate::model::presence::Presence;
use crate::model::route::span;
use crate::model::trust::Cause;
use crate::model::wake::Why;
use crate::store::db::RefusedCount;
use crate::sys::flock::Holder;

/// How long mail may wait in the spool beside a running daemon before a person should look, in seconds.
const STUCK: i64 = 60;

/// With less room than this, in bytes, the store counts as full: a batch of mail and its write-ahead log need as much.
const FULL: u64 = 4 << 20;

/// Says that nothing can be stored. The disk itself is asked: a full store could not have noted it.
pub(super) fn full_disk(room: Option<u64>) -> Option<String> {
    let room = room.filter(|room| *room < FULL)?;
    Some(format!(
        "this PC's disk is full: {} KiB are left where the state folder is, and no mail is taken in or accepted; make room \
         there, and mail goes on by itself",
        room >> 10
    ))
}

/// What a person should look at, the most pressing first.
pub(super) fn problems(
    status: &Status,
    condition: &condition::Condition,
    node: &Node,
    full: Option<String>,
) -> Vec<String> {
    let mut problems = Vec::from_iter(full);
    // What the store could not note, or the share not be asked, says nothing about peers.
    let peers_were_seen = problems.is_empty() && status.share.available;
    if let Some(stall) = &status.share.stalled {
        problems.push(format!(
            "the share is {stall}; look at the network and at the file server, mail goes on by itself"
        ));
    }
    problems.extend(ops::routes::restored(node).ok().flatten().map(str::to_owned));
    if let Some(cause) = &condition.share_away {
        problems.push(format!("the share is away: {cause}"));
    }
    let away = condition.share_away.is_some();
    if let Some(trouble) = condition.trouble.as_ref().filter(|_| !away) {
        problems.push(format!("trouble on the share: {trouble}"));
    }
    problems.extend(condition.harms.iter().map(|harm| format!("how the share is mounted: {harm}")));
    if let Some(why) =
        condition.tasks.as_ref().filter(|why| !away && condition.trouble.as_ref() != Some(*why))
    {
        problems.push(format!("tasks wait, mail does not: {why}"));
    }
    if let Some(why) = condition.unswept.first() {
        let more = match condition.unswept.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        problems.push(format!("what is past its time on the share could not be deleted{more}: {why}"));
    }
    if let Some(number) = condition.lease_lost_to {
        problems.push(format!(
            "another daemon runs instance {} (lease {number}): this one stopped writing; stop one of the two",
            node.instance()
        ));
    }
    let waited =
        node.db.oldest_spooled().ok().flatten().map(|at| node.clock.wall_ms().saturating_sub(at) / 1_000);
    if let Some(waited) = waited.filter(|waited| *waited > STUCK && status.daemon.is_some()) {
        problems.push(format!("mail has waited in the spool for {waited} s: the daemon's log says why"));
    }
    if status.daemon.is_none() {
        problems.push("no daemon runs: start `lanpost run`".into());
    }
    if status.quarantined > 0 {
        problems.push(format!(
            "set aside as unreadable or refused: {}; `lanpost inbox --quarantine` shows",
            status.quarantined
        ));
    }
    problems.extend(crowds(condition, node));
    problems.extend(distrust(status, node));
    if peers_were_seen {
        problems.extend(
            silent_peers(node, status.daemon.as_ref().is_some_and(Holder::is_daemon)).unwrap_or_default(),
        );
    }
    if status.daemon.as_ref().is_some_and(Holder::is_daemon) {
        if let Ok(Listening::Not(why)) = listening::load(&node.db) {
            problems.push(format!("takes no mail directly: {why}"));
        }
        problems.extend(crowded(node).unwrap_or_default());
        problems.extend(detours(node).unwrap_or_default());
    }
    if let Ok(Some((count, why))) = node.db.file_trouble() {
        problems
            .push(format!("messages that wait for their files: {count}; one of these can't be moved: {why}"));
    }
    problems.extend(bereft(node).unwrap_or_default());
    problems.extend(full_spools(node).unwrap_or_default());
    if let Some(held) = &status.wakes_held {
        match held.why {
            Why::Budget | Why::Unverified => {
                problems.push(format!("wakes held: {held}; `lanpost wake log` shows what used it up"));
            }
            Why::Asked => problems.push(format!("wakes held: {held}; `lanpost wake resume` tries before")),
            Why::Window | Why::Retry | Why::Quiet | Why::Hold => {}
        }
    }
    if status.unwoken > 0 {
        problems.push(format!(
            "unread messages that nobody is woken for any more: {} (`lanpost inbox`, `lanpost wake log`); when `lanpost wake \
             test` works, `lanpost wake resume`",
            status.unwoken
        ));
    }
    if let Some(wake) = status.wakes.last().filter(|wake| wake.state == "failed" || wake.state == "retry") {
        let detail = wake.detail.as_deref().unwrap_or_default();
        problems.push(format!("the last wake ended as {}: {detail}", wake.state));
    }
    problems
}

/// Mail whose recipients wait for files that we can't give them any more.
fn bereft(node: &Node) -> Result<Option<String>> {
    let waiting = node.db.bereft()?;
    let Some(first) = waiting.first() else { return Ok(None) };
    let more = match waiting.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let words = ops::trace::bereft(&node.db.lost_names(first)?);
    Ok(Some(format!("message {} to {}{more}: {words}", first.id, first.to)))
}

/// That whoever comes directly may have found no room.
fn crowded(node: &Node) -> Result<Option<String>> {
    Ok(listening::crowd(&node.db, node.clock.wall_ms())?.map(|(crowd, ago)| {
        let (what, ago) = (crowd.words(), span(ago));
        format!("{what}, {ago} ago; mail that found none came by the share, or later: look who connects (`ss -tn`, `netstat -n`)")
    }))
}

/// Routes that failed, and what mail goes by instead.
fn detours(node: &Node) -> Result<Vec<String>> {
    let mut detours = vec![];
    for PeerView { name, route, presence, .. } in ops::peers(node)? {
        // A PC that is off is no trouble of the network, as long as nothing is to go there.
        let off = matches!(presence, Presence::Late | Presence::Gone) && route.a2a.is_none();
        if off && node.db.waits_for(&name.fold())?.0 == 0 {
            continue;
        }
        if route.why.is_some() || route.a2a.is_some() {
            detours.push(match route.waits {
                true => format!("mail for {name} {}", route.words),
                false => format!("mail for {name} goes by {}", route.words),
            });
        }
    }
    Ok(detours)
}

/// What is more than we take: mail over its sender's quota, names, lanes, lines that are none.
fn crowds(condition: &condition::Condition, node: &Node) -> Vec<String> {
    let mut problems: Vec<String> = condition
        .waiting
        .iter()
        .map(|(source, why)| format!("mail of {source} waits on the share: {why}; nobody else's does"))
        .collect();
    if condition.over_quota > condition.waiting.len() {
        let more = condition.over_quota - condition.waiting.len();
        problems.push(format!("mail of {more} more senders waits on the share for the same reasons"));
    }
    if condition.unadmitted > 0 {
        problems.push(format!(
            "{} names in status/ on the share are left out, since {} are known (`limits.peers`): look who put them there",
            condition.unadmitted, node.config.limits.peers
        ));
    }
    if condition.left_out > 0 {
        problems.push(format!(
            "there are more lanes in our mailbox than a look asks about (`limits.lanes`): {} wait for their turn; look \
             who put them there",
            condition.left_out
        ));
    }
    let dropped = node.db.quarantine_dropped().unwrap_or(0);
    if dropped > 0 {
        problems.push(format!("unreadable lines that found no room in the quarantine: {dropped}"));
    }
    problems
}

/// What a person should know of keys and forgeries.
fn distrust(status: &Status, node: &Node) -> Vec<String> {
    let mut found = vec![];
    let own = node.db.keys(&node.instance().fold(), node.clock.wall_ms()).ok().and_then(|keys| keys.pinned());
    if own.is_some_and(|own| node.db.meta(SUPERSEDED).is_ok_and(|key| key == Some(own.to_string()))) {
        found.push(
            "our key was given up for a newer one that this state folder does not have, so peers do not believe us: `lanpost \
             trust rotate` makes another, and `lanpost trust accept` there takes it"
                .to_owned(),
        );
    }
    match status.undecided.as_slice() {
        [] => {}
        [name] => found.push(format!("a key of {name} waits for a decision: `lanpost trust show {name}`")),
        [name, more @ ..] => found.push(format!(
            "keys of {name} and {} more wait for a decision: `lanpost trust list` shows them",
            more.len()
        )),
    }
    let from = format_time(node.clock.wall() - chrono::TimeDelta::days(LATELY));
    let alarming = |refused: &&RefusedCount| refused.cause != Cause::Denied.as_str() && refused.last >= from;
    let alarming: Vec<_> = status.refused.iter().filter(alarming).collect();
    let count: u64 = alarming.iter().map(|refused| refused.count).sum();
    if let Some(last) = alarming.last() {
        let (whose, shown) = match last.peer.as_str() {
            "" => ("several names", "inbox --quarantine".to_owned()),
            peer => (peer, format!("trust show {peer}")),
        };
        // What can't be opened may well be from whom it says.
        let only_sealed = alarming.iter().all(|refused| refused.cause == Cause::Sealed.as_str());
        let why = if only_sealed { "" } else { " as not from whom it claims to be" };
        found.push(format!(
            "refused{why}: {count}, last in the name of {whose} ({}, {}); `lanpost {shown}`",
            last.cause, last.last
        ));
    }
    if status.held > 0 {
        found.push(format!("messages that are held: {}; `lanpost inbox --held` shows them", status.held));
    }
    found
}

/// Peers that fell silent without a word: lately, or with mail of ours that waits for them.
fn silent_peers(node: &Node, runs: bool) -> Result<Vec<String>> {
    let now = node.clock.wall_ms();
    let (mut late, mut silent) = (0, vec![]);
    for peer in node.db.peers()?.iter().filter(|peer| !peer.name.same_as(node.instance())) {
        let stopped = peer.heartbeat.as_ref().is_some_and(|beat| beat.state == Activity::Stopped);
        match ops::peers::presence(node, peer, runs)?.0 {
            // One that was never seen to change may just have been seen for the first time.
            Presence::Late if peer.changed_at.is_some() => late += 1,
            Presence::Gone if !stopped => {
                let (count, _) = node.db.waits_for(&peer.name.fold())?;
                let still =
                    humantime::format_duration(Duration::from_secs(peer.silent(now).as_secs() / 60 * 60));
                let line =
                    format!("{count} messages wait for {}, which has been silent for {still}", peer.name);
                silent.extend((count > 0).then_some(line));
            }
            _ => {}
        }
    }
    if late > 0 {
        silent.insert(0, format!("peers that are late: {late}; `lanpost peers` shows"));
    }
    Ok(silent)
}

/// Peers that are not online, or never say whether they are, and for which almost as much waits as may.
fn full_spools(node: &Node) -> Result<Vec<String>> {
    let keep = &node.config.keep;
    let mut full = vec![];
    for peer in node.db.peers()? {
        let why = match ops::peers::presence(node, &peer, node.daemon_runs())?.0 {
            Presence::Online => continue,
            Presence::Plain => "of whose open slot nobody was seen to read them",
            Presence::Late | Presence::Gone => "which is not online",
        };
        let (count, bytes) = node.db.waits_for(&peer.name.fold())?;
        if count >= keep.spool / 5 * 4 && count > 0 || bytes >= keep.spool_bytes.0 / 5 * 4 {
            full.push(format!(
                "{count} messages ({bytes} bytes) wait for {}, {why}; at {} or {} `send` refuses more",
                peer.name, keep.spool, keep.spool_bytes
            ));
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_and_one_that_does_not_say_is_not() {
        assert!(full_disk(Some(0)).is_some_and(|said| said.contains("disk is full: 0 KiB")));
        assert!(full_disk(Some(FULL)).is_none() && full_disk(None).is_none());
    }
}
