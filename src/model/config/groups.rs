//! The key `roles` and the table `groups`: what this instance is there for, and who is meant by one name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::Config;
use crate::model::name::{Address, Name};
use crate::model::role::{self, Role};

/// The table `groups`, by the folds of the names.
pub type Groups = BTreeMap<String, GroupConfig>;

/// One line of the table `groups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name as it was written.
    pub name: Name,
    /// Who is in it, each once; somebody is.
    pub members: Vec<Address>,
}

pub(super) fn roles<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
    let roles = Vec::<Role>::deserialize(from)?;
    if roles.len() > role::MOST {
        let (count, most) = (roles.len(), role::MOST);
        return Err(D::Error::custom(format!("{count} roles; at most {most} have room in a heartbeat")));
    }
    for (i, role) in roles.iter().enumerate() {
        if roles.iter().take(i).any(|other| other.same_as(role)) {
            return Err(D::Error::custom(format!("the role {role} is there twice")));
        }
    }
    Ok(roles)
}

pub(super) fn groups<'de, D: Deserializer<'de>>(from: D) -> Result<Groups, D::Error> {
    let mut groups = Groups::new();
    for (name, members) in BTreeMap::<Name, Vec<Address>>::deserialize(from)? {
        if members.is_empty() {
            return Err(D::Error::custom(format!("nobody is in the group {name}")));
        }
        for (i, member) in members.iter().enumerate() {
            if members.iter().take(i).any(|other| other.same_as(member)) {
                return Err(D::Error::custom(format!("{member} is in the group {name} twice")));
            }
        }
        let fold = name.fold();
        let group = GroupConfig { name, members };
        if let Some(twin) = groups.insert(fold, group) {
            return Err(D::Error::custom(format!("the group {} is there twice", twin.name)));
        }
    }
    Ok(groups)
}

/// Whether roles and groups fit what else the config says.
///
/// # Errors
/// Why not.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let known = |agent: &Name| config.agents.is_empty() || config.agent(agent).is_some();
    if let Some(role) = config.roles.iter().find(|role| role.agent.as_ref().is_some_and(|it| !known(it))) {
        return Err(format!("`roles`: {role} is of an agent that `agents` does not name"));
    }
    for (fold, group) in &config.groups {
        let GroupConfig { name, members } = group;
        if *fold == config.instance.fold() || config.peers.contains_key(fold) {
            return Err(format!("`groups`: {name} is an instance, too; mail for it could mean either"));
        }
        let most = config.limits.members;
        if members.len() > most {
            let count = members.len();
            return Err(format!(
                "`groups`: {name} has {count} members; one broadcast goes to {most} at most (`limits.members`)"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::config::parse;

    fn read(more: &str) -> Result<Config, String> {
        let text = format!("instance = 'lab'\nstate = 's'\nshare.path = '/s'\n{more}");
        parse(&text, Path::new("/c.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn groups_and_roles_are_read() {
        let config = read(
            "agents = ['main']\nroles = ['builder', 'Main/reviewer']\n[groups]\nBuilders = ['lab', 'desk/main']\n",
        );
        let config = config.unwrap();
        let group = &config.groups["builders"];
        assert_eq!((group.name.as_str(), group.members.len()), ("Builders", 2));
        assert_eq!(config.roles[1].to_string(), "Main/reviewer");
    }

    #[test]
    fn what_could_mean_two_things_is_an_error() {
        let many: Vec<String> = (0..21).map(|n| format!("r{n}")).collect();
        let crowd: Vec<String> = (0..101).map(|n| format!("pc{n}")).collect();
        for (more, why) in [
            ("[groups]\nLAB = ['desk']\n", "LAB is an instance, too"),
            ("[groups]\ndesk = ['den']\n[peers.Desk]\nseal = true\n", "desk is an instance, too"),
            ("[groups]\nall = ['desk']\n", "reserved"),
            ("[groups]\nx = []\n", "nobody is in the group x"),
            ("[groups]\nx = ['Desk', 'desk']\n", "desk is in the group x twice"),
            ("[groups]\nx = ['desk']\nX = ['den']\n", "the group X is there twice"),
            ("[groups]\nx = ['@builder']\n", "holds '@'"),
            ("roles = ['x', 'X']\n", "the role X is there twice"),
            ("agents = ['main']\nroles = ['ops/x']\n", "ops/x is of an agent that `agents` does not name"),
            (&format!("roles = {many:?}\n"), "at most 20 have room"),
            (&format!("[groups]\nx = {crowd:?}\n"), "x has 101 members; one broadcast goes to 100 at most"),
        ] {
            let error = read(more).unwrap_err();
            assert!(error.contains(why), "{more}: {error}");
        }
        assert!(read("roles = ['ops/x']\n").is_ok(), "a config without agents has any");
    }
}
