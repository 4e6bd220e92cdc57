//! Rules of the config by sender and type: which mail wakes now, with the batch, or never. The first that matches counts.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::Class;
use crate::model::name::Address;

/// A table `[[wake.rules]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whose mail.
    #[serde(default)]
    pub from: Who,
    /// Of which type; `*` stands for any text.
    #[serde(rename = "type", default = "any")]
    pub kind: String,
    /// What it does.
    pub wake: Class,
}

/// Senders that a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// All.
    #[default]
    Anybody,
    /// An instance with all its agents, or one agent.
    At(Address),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        match text {
            "*" => Ok(Who::Anybody),
            _ => text.parse().map(Who::At).map_err(|why| {
                format!(
                    "{text:?} is neither \"*\" nor an instance or agent like \"lab\" or \"lab/scout\": {why}"
                )
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Who, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

fn any() -> String {
    "*".to_owned()
}

impl Rule {
    /// Whether it is for mail of this sender and type.
    pub fn matches(&self, sender: &str, kind: &str) -> bool {
        is_like(&self.kind, kind) && self.from.is(sender)
    }
}

impl Who {
    fn is(&self, sender: &str) -> bool {
        let Who::At(wanted) = self else { return true };
        sender.parse::<Address>().is_ok_and(|sender| {
            let agent = match (&wanted.agent, &sender.agent) {
                (None, _) => true,
                (Some(wanted), Some(agent)) => wanted.same_as(agent),
                (Some(_), None) => false,
            };
            agent && wanted.instance.same_as(&sender.instance)
        })
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// What the first of `rules` that matches says; `None` if none does.
pub fn first(rules: &[Rule], sender: &str, kind: &str) -> Option<Class> {
    rules.iter().find(|rule| rule.matches(sender, kind)).map(|rule| rule.wake)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, like) in [
            ("task", "task", true),
            ("task", "tasks", false),
            ("task*", "task.new", true),
            ("*", "", true),
            ("*.done", "task.done", true),
            ("*.done", "task.done.not", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("**", "x", true),
            ("你*", "你好", true),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rule =
            |from: &str, kind: &str, wake| Rule { from: from.parse().unwrap(), kind: kind.into(), wake };
        let rules = [
            rule("lab/scout", "task*", Class::Now),
            rule("Lab", "*", Class::Never),
            rule("*", "log", Class::Batch),
        ];
        for (sender, kind, class) in [
            ("lab/Scout", "task", Some(Class::Now)),
            ("lab/scout", "note", Some(Class::Never)),
            ("lab", "task", Some(Class::Never)),
            ("office/scout", "log", Some(Class::Batch)),
            ("office/scout", "task", None),
            ("a: stranger", "log", Some(Class::Batch)),
            ("labs", "x", None),
        ] {
            assert_eq!(first(&rules, sender, kind), class, "{sender} {kind}");
        }
        assert!("lab/".parse::<Who>().unwrap_err().contains("lab/scout"));
    }

    proptest! {
        #[test]
        fn a_pattern_is_like_what_it_was_made_of(parts in prop::collection::vec("[a-c你]{0,3}", 1..5), fill in "[a-c你]{0,3}") {
            prop_assert!(is_like(&parts.join("*"), &parts.join(&fill)));
        }
    }
}
