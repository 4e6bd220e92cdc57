//! Roles: what an instance, or an agent behind it, is there for. Named in its config, published in its heartbeat, and
//! addressed as `@role` by whoever wants all that have it.
//!
//! Grammar: `role := name | agent "/" name`; without an agent the instance itself has it.
//! A heartbeat's roles are read leniently: what is no role, and what is beyond the most, is stepped over, so that no word
//! of a newer version makes an instance one that speaks the plain protocol.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::name::{Name, NameError};

/// Roles of one instance: they stand in its heartbeat, of which others read 16 KiB.
pub const MOST: usize = 20;

/// A role, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role {
    /// The agent that has it; the instance itself if `None`.
    pub agent: Option<Name>,
    /// What it is called.
    pub name: Name,
}

impl Role {
    /// Whether both say the same of the same one.
    pub fn same_as(&self, other: &Role) -> bool {
        let agent = |role: &Role| role.agent.as_ref().map(Name::fold);
        self.name.same_as(&other.name) && agent(self) == agent(other)
    }
}

/// Reads the roles of a heartbeat.
///
/// # Errors
/// Those of the JSON alone.
pub fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
    let Value::Array(words) = Value::deserialize(from)? else { return Ok(vec![]) };
    let role = |word: &Value| word.as_str().and_then(|text| text.parse().ok());
    Ok(words.iter().filter_map(role).take(MOST).collect())
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Role, NameError> {
        match text.split_once('/') {
            None => Ok(Role { agent: None, name: Name::parse(text)? }),
            Some(("", _) | (_, "")) => Err(NameError::Half(text.to_owned())),
            Some((agent, name)) => Ok(Role { agent: Some(Name::parse(agent)?), name: Name::parse(name)? }),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            None => write!(f, "{}", self.name),
            Some(agent) => write!(f, "{agent}/{}", self.name),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = NameError;

    fn try_from(text: String) -> Result<Role, NameError> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> String {
        role.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_an_instances_or_an_agents() {
        for text in ["builder", "checker/reviewer", "助手/审查"] {
            assert_eq!(text.parse::<Role>().unwrap().to_string(), text);
        }
        for bad in ["", "/", "a/", "/a", "a/b/c", "all", "@builder", "con"] {
            assert!(bad.parse::<Role>().is_err(), "{bad}");
        }
        let same =
            |one: &str, other: &str| one.parse::<Role>().unwrap().same_as(&other.parse::<Role>().unwrap());
        assert!(same("Checker/Reviewer", "checker/reviewer"));
        assert!(!same("reviewer", "checker/reviewer") && !same("builder", "reviewer"));
    }

    #[test]
    fn whatever_stands_in_a_heartbeat_its_roles_are_read() {
        let read = |value: Value| lenient(value).unwrap().len();
        assert_eq!(read(json!(["builder", 7, null, "a b", {"role": "x"}, "main/reviewer"])), 2);
        assert_eq!((read(json!("builder")), read(json!({"builder": []})), read(json!(null))), (0, 0, 0));
        let many: Vec<String> = (0..1_000).map(|n| format!("r{n}")).collect();
        assert_eq!(read(json!(many)), MOST);
    }
}
