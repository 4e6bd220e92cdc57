//! Sending to several: everybody, whoever has a role, a group of the config. Each gets a message of its own, all of them
//! stored in one transaction; who they are is decided here, on what the local store knows of the peers.
//!
//! A word that stands for whoever is there (`all`, `@role`) leaves out those of whom mail would come to nothing, and says
//! so; a group that somebody wrote down is for all of its members or for nobody.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::attach::{may_have_files, reaches};
use super::peers;
use super::recipient::room;
use super::send::{Draft, address_all, send_all};
use super::tasks::store_with_mail;
use crate::engine::node::Node;
use crate::error::{Error, Kind, Result};
use crate::model::envelope::format_time;
use crate::model::group::{ANY, Broadcast, Group, Meant, Recipient};
use crate::model::id::MessageId;
use crate::model::name::{self, Address, Name};
use crate::model::presence::Presence;
use crate::model::role::Role;
use crate::model::task::{Deed, Details, Event, TITLE, TaskId};
use crate::store::db::{Message, NewMessage, Peer};

const DEED: &str = "send to";

/// To whom, and as which one.
#[derive(Clone, Debug)]
pub struct Call {
    /// Those that are meant.
    pub group: Group,
    /// The caller's own id of the broadcast, which makes sending it again a no-op.
    pub id: Option<MessageId>,
    /// The one who speaks gets a copy, too, if it is one of them.
    pub own: bool,
    /// It is work for one of them, who alone holds it for so long without a word.
    pub any: Option<Duration>,
}

impl Call {
    /// To all of them, without the one who speaks.
    pub fn new(group: Group) -> Call {
        Call { group, id: None, own: false, any: None }
    }
}

/// A broadcast, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Broadcasted {
    /// What all copies have in common.
    pub broadcast: Broadcast,
    /// The copies, one for each member.
    pub members: Vec<Message>,
    /// Who was meant and got none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Somebody who was meant and got no copy.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Who.
    pub name: Name,
    /// Why, in words.
    pub why: String,
}

/// Who is meant by a recipient on this PC.
pub fn meant(node: &Node, to: &Recipient) -> Meant {
    to.meant(&node.config.groups)
}

/// Why `to` is nobody of whom `word` (`--all`, say) can be said, which is for several.
pub fn is_no_group(node: &Node, deed: &str, to: &Address, word: &str) -> Error {
    let fold = to.instance.fold();
    match node.db.peer(&fold) {
        Err(error) => return error,
        Ok(None) if to.agent.is_none() && !to.instance.same_as(node.instance()) => {}
        Ok(_) => return Error::usage(deed, to, format!("it is one, and {word} is for several")),
    }
    let groups = node.config.groups.values().map(|group| group.name.as_str());
    let near = name::near(to.instance.as_str(), groups);
    let cause = "the config has no group of that name, and no instance of it was seen on the share";
    Error::new(Kind::NotFound, deed, to, cause).next(match near.as_slice() {
        [] => "name its members in the config's table `groups`, or say all or @ROLE".into(),
        near => format!("did you mean {}?", near.join(" or ")),
    })
}

/// Stores one message for each member of a group, all or none, with one local fsync. `draft` makes each one's, whose id is
/// not asked for. Cost: no share operation.
///
/// # Errors
/// Nobody is in it (with near words), more than the config allows are; a member that `send` refuses, which is named; the id
/// is another broadcast's; a broadcast led to it.
pub fn broadcast(node: &mut Node, call: &Call, draft: impl Fn(Address) -> Draft) -> Result<Broadcasted> {
    prepare(node, call, draft)?.send(node)
}

/// A broadcast before it is sent: one draft for each member, with its id.
pub(super) struct Prepared {
    broadcast: Broadcast,
    pub(super) drafts: Vec<Draft>,
    left_out: Vec<LeftOut>,
    /// The task that it is to be, if one alone works on it.
    task: Option<TaskId>,
}

impl Prepared {
    /// Stores it, all or nothing.
    pub(super) fn send(self, node: &mut Node) -> Result<Broadcasted> {
        let Prepared { broadcast, drafts, left_out, task } = self;
        let members = match task {
            None => send_all(node, drafts)?,
            Some(task) => {
                let messages = address_all(node, drafts)?;
                let event = added(node, &task, &broadcast, &messages);
                store_with_mail(node, &event, &messages)?;
                broadcast.id.as_ref().map_or(Ok(vec![]), |id| node.db.copies(id))?
            }
        };
        Ok(Broadcasted { broadcast, members, left_out })
    }
}

/// Decides who is meant, and makes their drafts.
pub(super) fn prepare(node: &mut Node, call: &Call, draft: impl Fn(Address) -> Draft) -> Result<Prepared> {
    let Call { group, id, own, any } = call;
    let id = id.clone().unwrap_or_else(|| node.clock.message_id());
    if !id.is_tame() {
        let cause = format!("the id {:?} could be taken for an option or a folder", id.as_str());
        return Err(Error::usage(DEED, group, cause).next("begin it with a letter, a digit or '_'"));
    }
    let seconds = any.map(|any| any.as_secs());
    let broadcast = Broadcast { group: group.to_string(), id: Some(id.clone()), any: seconds };
    let task = broadcast.task();
    if any.is_some() && task.is_none() {
        let error = Error::usage(DEED, group, format!("the id {id} of work for one of several is no UUID"));
        return Err(error.next("leave out --id, or give a UUID in lower case"));
    }
    let known = node.db.copies(&id)?;
    if known.iter().any(|copy| copy.broadcast.as_ref() != Some(&broadcast)) {
        let cause =
            format!("another broadcast has the id {id}: to another group, or for another number of them");
        return Err(Error::usage(DEED, group, cause).next("give each an id of its own"));
    }
    let (to, left_out) = match known.is_empty() {
        true => {
            let us = Address::from(node.instance().clone());
            let Draft { agent, attached, .. } = draft(us.clone());
            let found = members(node, group, (!own).then_some(&Address { agent, ..us }))?;
            if !attached.is_empty() {
                may_have_files(call)?;
                who_takes_files(node, group, &draft, found)?
            } else if any.is_some() {
                who_knows_any(node, group, found)?
            } else {
                found
            }
        }
        // Who is meant was decided when it was sent first.
        false => (known.iter().filter_map(|copy| copy.to.parse().ok()).collect(), vec![]),
    };
    let copy = |to: Address| {
        let again = known.iter().find(|copy| copy.to == to.to_string()).map(|copy| copy.id.clone());
        let draft = draft(to);
        let thread = draft.thread.clone().or_else(|| Some(id.to_string()));
        let own = again.unwrap_or_else(|| node.clock.message_id());
        Draft { id: Some(own), thread, broadcast: Some(broadcast.clone()), ..draft }
    };
    let drafts = to.into_iter().map(copy).collect();
    let task = task.filter(|_| known.is_empty());
    Ok(Prepared { broadcast, drafts, left_out, task })
}

/// The broadcast of ours whose id begins with `prefix`, and how far each copy has come; `None` if that is no broadcast, or
/// may be a message that is no copy of it.
///
/// # Errors
/// The local store's.
pub fn find_broadcast(node: &Node, prefix: &str) -> Result<Option<Broadcasted>> {
    let [id] = &node.db.broadcasts(prefix)?[..] else { return Ok(None) };
    let is_copy = |message: &Message| {
        message.broadcast.as_ref().is_some_and(|broadcast| broadcast.id.as_ref() == Some(id))
    };
    // Ids that are made at once begin alike.
    if prefix.is_empty() || id.as_str() != prefix && !node.db.find(prefix, None)?.iter().all(is_copy) {
        return Ok(None);
    }
    let members = node.db.copies(id)?;
    let broadcast = members.first().and_then(|copy| copy.broadcast.clone());
    Ok(broadcast.map(|broadcast| Broadcasted { broadcast, members, left_out: vec![] }))
}

/// Who is in a group but `speaker`, and who is meant by it and left out.
fn members(
    node: &mut Node,
    group: &Group,
    speaker: Option<&Address>,
) -> Result<(Vec<Address>, Vec<LeftOut>)> {
    let (mut members, mut left_out) = match group {
        Group::Named(name) => {
            let written = node.config.groups.get(&name.fold()).map(|group| group.members.clone());
            (written.unwrap_or_default(), vec![])
        }
        Group::All => whoever(node, None)?,
        Group::Role(role) => whoever(node, Some(role))?,
    };
    members.extend(ours(node, group));
    members.retain(|member| speaker.is_none_or(|speaker| !is_speaker(node, member, speaker)));
    let most = node.config.limits.members;
    if members.len() > most {
        let cause = format!("{} are meant; one broadcast goes to {most} at most", members.len());
        return Err(Error::usage(DEED, group, cause).next("raise `limits.members` in the config"));
    }
    match members.is_empty() {
        true => Err(nobody(node, group, &left_out)?),
        false => {
            left_out.sort_by(|a, b| a.name.cmp(&b.name));
            Ok((members, left_out))
        }
    }
}

/// Those whose lanpost knows that one alone is to work on it; another one would take it for mail, and so would a person.
///
/// # Errors
/// A member of a group does not; or nobody does.
fn who_knows_any(
    node: &Node,
    group: &Group,
    (found, mut left_out): (Vec<Address>, Vec<LeftOut>),
) -> Result<(Vec<Address>, Vec<LeftOut>)> {
    let why = "it is not known to have a lanpost that shares work";
    let mut members = vec![];
    for member in found {
        let beat = node.db.peer(&member.instance.fold())?.and_then(|peer| peer.heartbeat);
        let own = member.instance.same_as(node.instance());
        let knows = own || beat.is_some_and(|beat| beat.has(ANY));
        match (knows, group) {
            (true, _) => members.push(member),
            (false, Group::Named(_)) => {
                let error = Error::new(Kind::NotFound, DEED, &member, why);
                return Err(error.next("start its daemon, bring it up to date, or take it out of the group"));
            }
            (false, _) => left_out.push(LeftOut { name: member.instance, why: why.into() }),
        }
    }
    match members.is_empty() {
        true => Err(nobody(node, group, &left_out)?),
        false => Ok((members, left_out)),
    }
}

/// Those whom files reach that are the same for all.
///
/// # Errors
/// A member of a group is none of them; or nobody is.
fn who_takes_files(
    node: &Node,
    group: &Group,
    draft: &dyn Fn(Address) -> Draft,
    (found, mut left_out): (Vec<Address>, Vec<LeftOut>),
) -> Result<(Vec<Address>, Vec<LeftOut>)> {
    let mut members = vec![];
    for member in found {
        match reaches(node, &draft(member.clone()), &member) {
            Ok(()) => members.push(member),
            Err(error) if error.is_in_store() || matches!(group, Group::Named(_)) => return Err(error),
            Err(error) => left_out.push(LeftOut { name: member.instance, why: error.what() }),
        }
    }
    match members.is_empty() {
        true => Err(nobody(node, group, &left_out)?),
        false => Ok((members, left_out)),
    }
}

/// That there is such work, for all who look at tasks. `claim --next` leaves it to the group: it is for no other role.
fn added(node: &Node, task: &TaskId, broadcast: &Broadcast, messages: &[NewMessage]) -> Event {
    let first = messages.first().map(|message| &message.envelope);
    let sealed = messages.iter().any(|message| message.envelope.sealed.is_some());
    let words = first.filter(|_| !sealed).map(|envelope| match &envelope.content {
        Value::String(text) => {
            text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
        }
        other => other.to_string(),
    });
    let group = &broadcast.group;
    let words = words.filter(|words| !words.is_empty()).unwrap_or_else(|| format!("mail for one of {group}"));
    let end = (0..=words.len().min(TITLE)).rev().find(|at| words.is_char_boundary(*at));
    let title = words[..end.unwrap_or_default()].chars().filter(|c| !c.is_control()).collect();
    let from = first.and_then(|envelope| envelope.from.parse().ok());
    Event {
        id: node.clock.message_id(),
        from: from.unwrap_or_else(|| node.instance().clone().into()),
        timestamp: format_time(node.clock.wall()),
        task: task.clone(),
        version: 1,
        token: 0,
        deed: Deed::Add(Details { title, role: Some(group.clone()), ..Details::default() }),
    }
}

/// We are one of all, and have roles; a group names us or not.
fn ours(node: &Node, group: &Group) -> Vec<Address> {
    let us = node.instance();
    match group {
        Group::All => vec![us.clone().into()],
        Group::Role(role) => addresses(us, &node.config.roles, role),
        Group::Named(_) => vec![],
    }
}

/// Whether a member is the one who speaks: mail to an instance is its agents' as well.
fn is_speaker(node: &Node, member: &Address, speaker: &Address) -> bool {
    member.instance.same_as(node.instance()) && (member.agent.is_none() || member.same_as(speaker))
}

/// The addresses at which an instance has a role.
fn addresses(instance: &Name, roles: &[Role], wanted: &Name) -> Vec<Address> {
    let found = roles.iter().filter(|role| role.name.same_as(wanted));
    found.map(|role| Address { instance: instance.clone(), agent: role.agent.clone() }).collect()
}

/// The peers, or where those are that have a role, without those of whom mail would come to nothing.
fn whoever(node: &mut Node, role: Option<&Name>) -> Result<(Vec<Address>, Vec<LeftOut>)> {
    let runs = node.daemon_runs();
    let (mut members, mut left_out) = (vec![], vec![]);
    for peer in peers::known(node)? {
        if peer.name.same_as(node.instance()) {
            continue;
        }
        let addresses = match (role, &peer.heartbeat) {
            (None, _) => vec![peer.name.clone().into()],
            (Some(role), Some(beat)) => addresses(&peer.name, &beat.roles, role),
            (Some(_), None) => vec![],
        };
        if addresses.is_empty() {
            continue;
        }
        match in_vain(node, &peer, role.is_some(), runs)? {
            None => members.extend(addresses),
            Some(why) => left_out.push(LeftOut { name: peer.name, why }),
        }
    }
    Ok((members, left_out))
}

/// Why mail for a peer would come to nothing, or to whoever calls itself so.
fn in_vain(node: &mut Node, peer: &Peer, by_role: bool, runs: bool) -> Result<Option<String>> {
    let fold = peer.name.fold();
    if node.config.gateway(&fold).is_some() {
        return Ok(None);
    }
    if peer.heartbeat.is_none() && peer.changed_at.is_none() {
        return Ok(Some("nothing of it was seen but an open slot, which anybody may have made".into()));
    }
    let keys = node.db.keys(&fold, node.clock.wall_ms())?;
    match (keys.pinned(), keys.is_bound()) {
        (None, true) => return Ok(Some("its key was revoked".into())),
        // Anybody could write a heartbeat, and have what a role is sent.
        (None, false) if by_role => return Ok(Some("none of its keys is pinned".into())),
        _ => {}
    }
    let (presence, silent) = peers::presence(node, peer, runs)?;
    if presence == Presence::Gone && silent >= node.config.keep.gone_after {
        let days = silent.as_secs() / 86_400;
        return Ok(Some(format!("it has been gone for {days} days, and mail for it fails")));
    }
    match room(node, &fold, 1) {
        Ok(()) => Ok(None),
        Err(full) if full.kind() == Kind::Full && !full.is_in_store() => {
            Ok(Some("it is not online, and as much waits for it as may (`keep.spool`)".into()))
        }
        Err(error) => Err(error),
    }
}

/// Why nobody is in a group, and what may have been meant.
fn nobody(node: &Node, group: &Group, left_out: &[LeftOut]) -> Result<Error> {
    if !left_out.is_empty() {
        let list: Vec<_> = left_out.iter().map(|one| format!("{}: {}", one.name, one.why)).collect();
        let error = Error::new(
            Kind::NotFound,
            DEED,
            group,
            format!("nobody is left to send it to ({})", list.join("; ")),
        );
        return Ok(error.next("name whom you mean to write to all the same"));
    }
    let (cause, wanted) = match group {
        Group::All => ("nobody else was seen on the share", ""),
        Group::Role(role) => ("nobody was seen to have that role", role.as_str()),
        Group::Named(_) => ("nobody is in it but ourselves; --self sends us a copy", ""),
    };
    let mut words: Vec<String> = node.config.groups.values().map(|group| group.name.to_string()).collect();
    let beats = node.db.peers()?.into_iter().filter_map(|peer| peer.heartbeat);
    words.extend(beats.flat_map(|beat| beat.roles).map(|role| format!("@{}", role.name.fold())));
    words.sort();
    words.dedup();
    let near = name::near(wanted, words.iter().map(|word| word.trim_start_matches('@')));
    let meant: Vec<_> =
        words.into_iter().filter(|word| near.iter().any(|it| it == word.trim_start_matches('@'))).collect();
    let error = Error::new(Kind::NotFound, DEED, group, cause);
    Ok(match meant.is_empty() {
        true => error.next("`lanpost peers` lists who is there, and their roles"),
        false => error.next(format!("did you mean {}? `lanpost peers` lists all roles", meant.join(" or "))),
    })
}
