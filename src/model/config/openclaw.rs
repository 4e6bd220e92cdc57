//! The table `wake.openclaw`: the OpenClaw gateway whose agents are woken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::fields::reference;
use super::value::*;
use super::webhook::timeout;
use crate::model::name::Name;
use crate::model::secret::SecretRef;
use crate::model::url::HttpUrl;

/// Where a gateway listens if nobody says otherwise.
pub const PORT: u16 = 18_789;
/// The path of its hooks, likewise.
pub const HOOKS: &str = "/hooks";
/// What our mapping there is called.
pub const MAPPING: &str = "lanpost";

/// The table `wake.openclaw`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct OpenClawConfig {
    /// The gateway; the paths below it are `hooks` and `path`.
    #[serde(deserialize_with = "server")]
    pub url: HttpUrl,
    /// The token of its hooks; not that of the gateway.
    #[serde(deserialize_with = "reference")]
    pub token: Option<SecretRef>,
    /// Which hook is called.
    pub mode: HookMode,
    /// The path of its hooks (`hooks.path` there).
    #[serde(deserialize_with = "hooks")]
    pub hooks: String,
    /// The path of the mapping, below that of the hooks (`match.path` there).
    #[serde(deserialize_with = "segment")]
    pub path: String,
    /// The gateway's agent for mail to none in particular, and to those that `agents` does not name.
    #[serde(deserialize_with = "agent")]
    pub agent: Option<String>,
    /// The gateway's agents by ours.
    #[serde(deserialize_with = "agents")]
    pub agents: BTreeMap<String, String>,
    /// Given up after this.
    #[serde(deserialize_with = "duration::<_, { ANSWER.0 }, { ANSWER.1 }>")]
    pub timeout: Duration,
}

/// Which hook of the gateway is called.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HookMode {
    /// A mapping: what the agent is told stands in the gateway's own config.
    #[default]
    Mapping,
    /// `/hooks/agent`: a turn for each sender, told by us.
    Agent,
    /// `/hooks/wake`: a short note in the main session.
    Wake,
}

impl Default for OpenClawConfig {
    fn default() -> Self {
        OpenClawConfig {
            url: HttpUrl::parse(&format!("http://127.0.0.1:{PORT}")).expect("the address is one"),
            token: None,
            mode: HookMode::default(),
            hooks: HOOKS.to_owned(),
            path: MAPPING.to_owned(),
            agent: None,
            agents: BTreeMap::new(),
            timeout: timeout(),
        }
    }
}

impl OpenClawConfig {
    /// The gateway's agent for mail to `agent` of ours (empty: to none in particular); `None`: its default.
    pub fn agent(&self, agent: &str) -> Option<&str> {
        let own = Name::parse(agent).ok().and_then(|name| self.agents.get(&name.fold()));
        own.or(self.agent.as_ref()).map(String::as_str)
    }
}

/// An address without a path, which would be left out.
fn server<'de, D: Deserializer<'de>>(from: D) -> Result<HttpUrl, D::Error> {
    let url = HttpUrl::deserialize(from)?;
    match url.target() {
        "" | "/" => Ok(url),
        _ => Err(D::Error::custom(
            "it has a path or a query, and takes the gateway's address alone, like \"http://127.0.0.1:18789\"; the path \
             of its hooks goes into `hooks`",
        )),
    }
}

/// A path that the gateway's hooks may have: `/` and letters.
///
/// # Errors
/// It is none, in words.
pub fn hooks_path(text: &str) -> Result<String, &'static str> {
    let path = text.trim_matches('/');
    let sound = !path.is_empty() && path.split('/').all(is_segment);
    if sound { Ok(format!("/{path}")) } else { Err("it is no path like \"/hooks\"") }
}

fn hooks<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    hooks_path(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn segment<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let path = text.trim_matches('/');
    if path.split('/').all(is_segment) {
        Ok(path.to_owned())
    } else {
        Err(D::Error::custom("it is no path like \"lanpost\""))
    }
}

fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    !text.is_empty() && text.chars().all(plain) && text != "." && text != ".."
}

fn agent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    agent_id(String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

/// By the folds of our agents' names.
fn agents<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut agents = BTreeMap::new();
    for (name, id) in BTreeMap::<Name, String>::deserialize(from)? {
        if agents.insert(name.fold(), agent_id(id).map_err(D::Error::custom)?).is_some() {
            return Err(D::Error::custom(format!("the agent {name} is named twice")));
        }
    }
    Ok(agents)
}

fn agent_id(id: String) -> Result<String, &'static str> {
    if id.is_empty() || id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it is no name of an agent of the gateway");
    }
    Ok(id)
}
