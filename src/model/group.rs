//! Groups: words that mean several, and what a message says of the one it was sent to.
//!
//! ```text
//! recipient := "all" | "@" role | name of a group in the config | address
//! "broadcast" := {"group": recipient as its sender wrote it, "id": what all copies have in common, "any"?: seconds}
//! ```
//! A group of the config goes before an instance of the same name. Who is meant is decided when a message is sent, and
//! each gets a copy under an id of its own; `to` names that one alone, so that an answer goes to the sender alone.
//! With `any` it is work for one of them: `id` is that of a [task](super::task), and a member's lanpost hands it to its
//! agent when it holds the claim of that, for so many seconds without a word.
//! In the plain protocol a person may write `"to": "all"` or `"to": "@role"` into an open slot: it is for whoever reads
//! that slot, and says how it was meant.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};

use super::config::Groups;
use super::id::MessageId;
use super::name::{Address, Name, NameError};
use super::task::TaskId;

/// Means every mailbox; no instance, agent or role is called so.
pub const ALL: &str = "all";
/// What stands before a role.
const ROLE: char = '@';
/// The field of an envelope that tells of its broadcast.
pub const FIELD: &str = "broadcast";
/// What a heartbeat says in `features` if its lanpost knows `any`: another one would take a copy for mail.
pub const ANY: &str = "any";
/// The longest group that a message may name, in bytes: a role's name and its sign.
const MOST: usize = super::name::MAX_BYTES + 1;

/// Whom a message is for, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everybody.
    All,
    /// Whoever has this role.
    Role(Name),
    /// One, or a group of the config.
    Named(Address),
}

/// Several that a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// Everybody.
    All,
    /// Whoever has this role.
    Role(Name),
    /// Those that the config names.
    Named(Name),
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// This one.
    One(Address),
    /// These.
    Several(Group),
}

impl Recipient {
    /// Who is meant, where these are the groups.
    pub fn meant(&self, groups: &Groups) -> Meant {
        match self {
            Recipient::All => Meant::Several(Group::All),
            Recipient::Role(name) => Meant::Several(Group::Role(name.clone())),
            Recipient::Named(to) => {
                let group = groups.get(&to.instance.fold()).filter(|_| to.agent.is_none());
                group.map_or_else(
                    || Meant::One(to.clone()),
                    |group| Meant::Several(Group::Named(group.name.clone())),
                )
            }
        }
    }
}

impl FromStr for Recipient {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Recipient, NameError> {
        if text.eq_ignore_ascii_case(ALL) {
            return Ok(Recipient::All);
        }
        match text.strip_prefix(ROLE) {
            Some(role) => Name::parse(role).map(Recipient::Role),
            None => text.parse().map(Recipient::Named),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipient::All => f.pad(ALL),
            Recipient::Role(name) => write!(f, "{ROLE}{name}"),
            Recipient::Named(address) => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group::All => f.pad(ALL),
            Group::Role(name) => write!(f, "{ROLE}{name}"),
            Group::Named(name) => write!(f, "{name}"),
        }
    }
}

/// Of which broadcast a message is a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broadcast {
    /// To whom it was sent, in its sender's words.
    pub group: String,
    /// What all copies have in common; a plain writer gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// One member alone works on it, for so many seconds without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any: Option<u64>,
}

impl Broadcast {
    /// The task that one member alone works on, if it is such a broadcast.
    pub fn task(&self) -> Option<TaskId> {
        self.id.as_ref().filter(|_| self.any.is_some())?.as_str().parse().ok()
    }

    /// What an envelope says in [`FIELD`], taken out of it. What is of another shape stays: a newer version tells it in
    /// another way.
    pub fn take(map: &mut Map<String, Value>) -> Option<Broadcast> {
        let said = map.get(FIELD)?.as_object()?;
        let group = said.get("group")?.as_str().filter(|group| is_group(group))?.to_owned();
        let id = match said.get("id") {
            None => None,
            Some(id) => Some(id.as_str()?.parse().ok()?),
        };
        let any = match said.get(ANY) {
            None => None,
            Some(seconds) => Some(seconds.as_u64().filter(|seconds| *seconds <= i64::MAX as u64)?),
        };
        map.remove(FIELD);
        Some(Broadcast { group, id, any })
    }

    /// The broadcast that a plain writer means by `to`, if that is a word for several.
    pub fn meant(to: &str) -> Option<Broadcast> {
        match to.parse::<Recipient>().ok()? {
            Recipient::Named(_) => None,
            several => Some(Broadcast { group: several.to_string(), id: None, any: None }),
        }
    }

    /// What stands in [`FIELD`].
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Whether a text may stand for a group. A newer version may have other words, but nothing that acts or fills a screen.
fn is_group(text: &str) -> bool {
    (1..=MOST).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recipient_is_everybody_a_role_or_one() {
        let read = |text: &str| text.parse::<Recipient>();
        assert_eq!(read("ALL"), Ok(Recipient::All));
        assert_eq!(read("@builder").map(|to| to.to_string()), Ok("@builder".to_owned()));
        assert_eq!(read("lab/main").map(|to| to.to_string()), Ok("lab/main".to_owned()));
        for bad in ["@", "@all", "@a/b", "all/main", "", "@con"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broadcast_is_what_it_was_written_as() {
        for text in [
            r#"{"any":1800,"group":"all","id":"01942a3f-0c00-7000-8000-000000000001"}"#,
            r#"{"group":"@审查","id":"01942a3f-0c00-7000-8000-000000000001"}"#,
            r#"{"group":"all"}"#,
        ] {
            let mut map = Map::from_iter([(FIELD.to_owned(), serde_json::from_str(text).unwrap())]);
            let broadcast = Broadcast::take(&mut map).unwrap();
            assert!(map.is_empty());
            assert_eq!(broadcast.to_value().to_string(), text);
        }
        assert_eq!(Broadcast::meant("All").unwrap().group, "all");
        assert_eq!((Broadcast::meant("lab"), Broadcast::meant("a b")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_none_is_kept(group in ".{0,80}", id in ".{0,80}") {
            let said = json!({"group": group, "id": id});
            let mut map = Map::from_iter([(FIELD.to_owned(), said.clone())]);
            match Broadcast::take(&mut map) {
                Some(broadcast) => prop_assert_eq!(broadcast.to_value(), said),
                None => prop_assert_eq!(map.get(FIELD), Some(&said)),
            }
        }
    }
}
