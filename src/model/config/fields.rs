//! Values and tables that must fit together, or be of a certain form, to be read at all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::command::check_command;
use super::value::*;
use super::{Look, PeerConfig, Peers, ShareConfig, WakeConfig};
use crate::model::name::Name;
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
    if wake.retry > wake.retry_max {
        let (retry, max) = (show(wake.retry), show(wake.retry_max));
        return Err(D::Error::custom(format!("retry ({retry}) is longer than retry_max ({max})")));
    }
    Ok(wake)
}
