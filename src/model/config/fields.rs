//! Values and tables that must fit together, or be of a certain form, to be read at all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::command::check_command;
use super::value::*;
use super::{Look, PeerConfig, Peers, ShareConfig, WakeConfig};
use crate::model::name::Name;
use crate::model::quiet::{self, Span};
use crate::model::secret::SecretRef;

/// Agents behind one instance: all their names stand in its heartbeat, of which others read 16 KiB.
const AGENTS: usize = 100;

pub(super) fn agents<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Name>, D::Error> {
    let agents = Vec::<Name>::deserialize(from)?;
    if agents.len() > AGENTS {
        return Err(D::Error::custom(format!(
            "{} agents; at most {AGENTS} have room in a heartbeat",
            agents.len()
        )));
    }
    for (i, agent) in agents.iter().enumerate() {
        if let Some(twin) = agents.iter().take(i).find(|other| other.same_as(agent)) {
            return Err(D::Error::custom(format!("the agents {twin} and {agent} have the same name")));
        }
    }
    Ok(agents)
}

pub(super) fn peers<'de, D: Deserializer<'de>>(from: D) -> Result<Peers, D::Error> {
    let mut peers = Peers::new();
    for (name, peer) in BTreeMap::<Name, PeerConfig>::deserialize(from)? {
        super::a2a::check(&peer).map_err(|why| D::Error::custom(format!("the peer {name}: {why}")))?;
        if peers.insert(name.fold(), peer).is_some() {
            return Err(D::Error::custom(format!("the peer {name} has two tables")));
        }
    }
    Ok(peers)
}

pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("the path is empty"));
    }
    // "C:\temp\new" in double quotes is good TOML and means a tab and a newline.
    if text.chars().any(char::is_control) {
        return Err(D::Error::custom(format!(
            "{text:?} holds a control character; write Windows paths in single quotes, as in 'C:\\x'"
        )));
    }
    if text == "~" || text.starts_with("~/") || text.starts_with(r"~\") {
        return Err(D::Error::custom(format!(
            "{text:?} is taken as it is, without a shell; write the folder in full"
        )));
    }
    Ok(PathBuf::from(text))
}

pub(super) fn user<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let user = String::deserialize(from)?;
    if user.trim().is_empty() || user.chars().any(char::is_control) {
        return Err(D::Error::custom("it is no user name; write it as 'SERVER\\user' in single quotes"));
    }
    Ok(Some(user))
}

pub(super) fn reference<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretRef>, D::Error> {
    SecretRef::deserialize(from).map(Some)
}

pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<ShareConfig, D::Error> {
    let share = ShareConfig::deserialize(from)?;
    match (&share.user, &share.password) {
        (Some(_), None) => {
            let cause = "`user` needs a `password`: 'keyring:NAME', 'file:PATH' or 'env:VARIABLE'";
            Err(D::Error::custom(cause))
        }
        (None, Some(_)) => Err(D::Error::custom("`password` needs a `user`, as in 'SERVER\\user'")),
        _ => Ok(share),
    }
}

pub(super) fn command<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    check_command(&words).map_err(D::Error::custom)?;
    Ok(words)
}

pub(super) fn look<'de, D: Deserializer<'de>>(from: D) -> Result<Look, D::Error> {
    let look = Look::deserialize(from)?;
    for (key, longest) in [("idle", look.idle), ("rest", look.rest)] {
        if look.busy > longest {
            let (busy, longest) = (show(look.busy), show(longest));
            return Err(D::Error::custom(format!("busy ({busy}) is longer than {key} ({longest})")));
        }
    }
    Ok(look)
}

pub(super) fn wake<'de, D: Deserializer<'de>>(from: D) -> Result<WakeConfig, D::Error> {
    let wake = WakeConfig::deserialize(from)?;
    let ways = [
        (!wake.command.is_empty()).then_some("command"),
        wake.webhook.is_some().then_some("webhook"),
        wake.openclaw.is_some().then_some("openclaw"),
    ];
    if let [one, other, ..] = ways.into_iter().flatten().collect::<Vec<_>>()[..] {
        return Err(D::Error::custom(format!("both `{one}` and `{other}` would wake; keep one of them")));
    }
    if wake.retry > wake.retry_max {
        let (retry, max) = (show(wake.retry), show(wake.retry_max));
        return Err(D::Error::custom(format!("retry ({retry}) is longer than retry_max ({max})")));
    }
    if wake.again > wake.again_max {
        let (again, max) = (show(wake.again), show(wake.again_max));
        return Err(D::Error::custom(format!("again ({again}) is longer than again_max ({max})")));
    }
    Ok(wake)
}

pub(super) fn spans<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Span>, D::Error> {
    let spans = Vec::<String>::deserialize(from)?;
    let spans = spans.iter().map(|span| span.parse().map_err(D::Error::custom));
    let spans = spans.collect::<Result<Vec<Span>, _>>()?;
    if quiet::is_all_day(&spans) {
        let why = "it leaves no minute of the day, so nobody would ever be woken; to wake nobody, leave out the wake \
                   command, or say `lanpost wake hold`";
        return Err(D::Error::custom(why));
    }
    Ok(spans)
}

pub(super) fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tz>, D::Error> {
    let name = String::deserialize(from)?;
    match name.parse() {
        Ok(zone) => Ok(Some(zone)),
        Err(_) => Err(D::Error::custom(format!("{name:?} is no time zone like \"Asia/Shanghai\""))),
    }
}
