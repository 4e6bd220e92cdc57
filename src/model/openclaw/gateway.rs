//! What a gateway's config says, as far as our mail is concerned.

use serde_json::Value;

use super::text::expanded;
use crate::model::config::{HOOKS, PORT};

/// A text that may stand for a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// None is there.
    Missing,
    /// It is known.
    Known(String),
    /// It is somewhere else, in words: a variable that is not set here, or a reference of OpenClaw's.
    Elsewhere(String),
}

/// A gateway's config.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where it listens.
    pub port: u16,
    /// It speaks https.
    pub tls: bool,
    /// It listens on other addresses than this PC's own.
    pub open: bool,
    /// The gateway's own token.
    pub auth: Text,
    /// Its agents; none are named if it has only the one that needs no name.
    pub agents: Vec<String>,
    /// The one that is marked as the default.
    pub default_agent: Option<String>,
    /// `hooks`
    pub hooks: Hooks,
    /// A heartbeat's answer may go to a peer of its.
    pub heartbeat_leaks: bool,
    /// Agents may not run commands, says `tools`.
    pub no_exec: bool,
}

/// Its table `hooks`.
#[derive(Clone, Debug)]
pub struct Hooks {
    pub(super) enabled: bool,
    /// Their secret.
    pub token: Text,
    /// Their path.
    pub path: String,
    pub(super) agents: Option<Vec<String>>,
    pub(super) request_key: bool,
    pub(super) prefixes: Vec<String>,
    /// The mappings, as they are written.
    pub mappings: Vec<Value>,
}

impl Gateway {
    /// Reads a document whose includes are in it; `known` gives variables.
    pub fn read(document: &Value, known: &dyn Fn(&str) -> Option<String>) -> Gateway {
        let at = |pointer: &str| document.pointer(pointer).unwrap_or(&Value::Null);
        let port = match at("/gateway/port") {
            Value::String(text) => expanded(text, known).ok().and_then(|text| text.trim().parse().ok()),
            number => number.as_f64().filter(|it| *it >= 1.0 && *it <= 65535.0).map(|number| number as u16),
        };
        let (agents, default_agent) = agents(document);
        let path = expanded(at("/hooks/path").as_str().unwrap_or(HOOKS), known).unwrap_or_default();
        let path = format!("/{}", path.trim_matches('/'));
        let list = |pointer: &str| at(pointer).as_array().map(|list| list.iter().filter_map(word).collect());
        let target = at("/agents/defaults/heartbeat/target").as_str().unwrap_or("owner");
        let peers = at("/channels/a2a/peers").as_object().is_some_and(|peers| !peers.is_empty());
        let denied: Vec<String> = list("/tools/deny").unwrap_or_default();
        Gateway {
            port: port.unwrap_or(PORT),
            tls: truth(at("/gateway/tls/enabled")),
            open: !matches!(at("/gateway/bind").as_str(), None | Some("loopback")),
            auth: text(at("/gateway/auth/token"), known),
            agents,
            default_agent,
            hooks: Hooks {
                enabled: truth(at("/hooks/enabled")),
                token: text(at("/hooks/token"), known),
                path: if path == "/" { HOOKS.to_owned() } else { path },
                agents: list("/hooks/allowedAgentIds"),
                request_key: truth(at("/hooks/allowRequestSessionKey")),
                prefixes: list("/hooks/allowedSessionKeyPrefixes").unwrap_or_default(),
                mappings: at("/hooks/mappings").as_array().cloned().unwrap_or_default(),
            },
            heartbeat_leaks: peers && target == "owner" && truth(at("/channels/a2a/enabled")),
            no_exec: denied.iter().any(|tool| ["exec", "group:runtime", "*"].contains(&tool.as_str())),
        }
    }

    /// Its address on this PC.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }
}

/// The names of its agents: a table now, a list before 2026.8.
fn agents(document: &Value) -> (Vec<String>, Option<String>) {
    let entries = document.pointer("/agents/entries").and_then(Value::as_object).into_iter().flatten();
    let list = document.pointer("/agents/list").and_then(Value::as_array).into_iter().flatten();
    let listed = list.filter_map(|agent| Some((agent.get("id")?.as_str()?.to_owned(), agent)));
    let all: Vec<_> = entries.map(|(id, agent)| (id.clone(), agent)).chain(listed).collect();
    let default = all.iter().find(|(_, agent)| agent.get("default").is_some_and(truth));
    let default = default.map(|(id, _)| id.clone());
    (all.into_iter().map(|(id, _)| id).collect(), default)
}

fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn text(value: &Value, known: &dyn Fn(&str) -> Option<String>) -> Text {
    match value {
        Value::Null => Text::Missing,
        Value::String(text) => match expanded(text, known) {
            Ok(text) if text.trim().is_empty() => Text::Missing,
            Ok(text) => Text::Known(text),
            Err(name) => Text::Elsewhere(format!("in the variable {name}, which is not set here")),
        },
        _ => Text::Elsewhere("where a reference of OpenClaw's says".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit;
    use super::*;

    fn read(text: &str) -> Gateway {
        Gateway::read(&edit::read(text).unwrap(), &|name| (name == "TOKEN").then(|| "t0k".to_owned()))
    }

    #[test]
    fn a_config_that_says_nothing_has_openclaws_defaults() {
        let gateway = read("{}");
        assert_eq!(
            (gateway.url().as_str(), gateway.hooks.path.as_str()),
            ("http://127.0.0.1:18789", "/hooks")
        );
        assert_eq!(gateway.hooks.token, Text::Missing);
        assert!(
            gateway.agents.is_empty() && !gateway.hooks.enabled && !gateway.open && !gateway.heartbeat_leaks
        );
    }

    #[test]
    fn both_forms_of_agents_are_read_and_variables_with_them() {
        let gateway = read(
            "{ // now\n gateway: { port: 0x4965, bind: 'lan', auth: { token: '${GONE}' } }, hooks: { token: \"${TOKEN}\", path: 'in/' },\n\
             agents: { entries: { main: {}, ops: { default: true } }, defaults: { workspace: 'C:\\\\Users\\\\me\\\\claw' } },\n\
             channels: { a2a: { enabled: true, peers: { x: {} } } }, }",
        );
        assert_eq!((gateway.port, gateway.open, gateway.heartbeat_leaks), (18789, true, true));
        assert_eq!((gateway.hooks.path.as_str(), &gateway.hooks.token), ("/in", &Text::Known("t0k".into())));
        assert!(matches!(&gateway.auth, Text::Elsewhere(where_) if where_.contains("GONE")));
        assert_eq!(gateway.agents, ["main", "ops"]);
        assert_eq!(gateway.default_agent.as_deref(), Some("ops"));
        let old = read(
            "{agents: {list: [{id: 'main', default: true}, {id: 'x'}, {}]}, hooks: {token: {source: 'env', id: 'x'}}}",
        );
        assert_eq!(old.agents, ["main", "x"]);
        assert!(matches!(old.hooks.token, Text::Elsewhere(_)));
        assert!(read("{tools: {deny: ['exec']}}").no_exec);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let gateway = read("{gateway: {port: 'x', bind: 7}, hooks: [], agents: 'all', tools: {deny: {}}}");
        assert_eq!((gateway.port, gateway.agents.len()), (18789, 0));
    }
}
