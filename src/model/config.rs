//! The config file: TOML text in, checked values out, and the commented text that `lanpost init` writes.
//!
//! Grammar: `instance`, `agents`, `roles`, `state`, then `trust`, the tables `share`, `look`, `wake`, `ask`, `limits`,
//! `keep`, `files`, `log`, `plain`, `direct`, `groups`, one `peers.NAME` for each peer with whom something is agreed, and
//! one `commands.NAME` for each command that is offered; see [`template`].
//! Durations are text like `"50ms"` or `"1h 30m"`, sizes like `"1MiB"`, `"1MB"` (1000-based) or plain bytes.
//! Invariants: an unknown key is an error; a bad value is reported with its line; every number lies in its range, so
//! that nobody downstream overflows a clock or busy-loops; a secret is named by a reference ([`SecretRef`]), and what
//! stands in its place is never repeated.
//! Paths are only joined, never looked up: the same text gives the same value on every system.

mod a2a;
mod ask;
mod command;
mod direct;
mod explain;
mod fields;
mod files;
mod fresh;
mod groups;
mod openclaw;
mod remote;
mod rewrite;
mod template;
mod value;
mod wake;
mod webhook;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::error::Result;
use crate::model::direct::Endpoint;
use crate::model::exec::RemoteCommand;
use crate::model::name::Name;
use crate::model::role::Role;
use crate::model::route::{self, Route};
use crate::model::secret::SecretRef;
use crate::model::trust::{Policy, Trust, Verdict};
use crate::model::wake::{Class, rules};

pub use a2a::A2aConfig;
pub use ask::AskConfig;
pub use command::split_command;
pub use direct::DirectConfig;
pub use files::FilesConfig;
pub use groups::{GroupConfig, Groups};
pub use openclaw::{HOOKS, HookMode, MAPPING, OpenClawConfig, PORT, hooks_path};
pub use rewrite::with_openclaw;
pub use template::{template, template_after};
pub use value::{Size, parse_duration};
pub use wake::{Feed, Telling, WakeConfig};
pub use webhook::WebhookConfig;

use explain::{explain, unfit};
use fields::*;
use value::*;

/// Everything a daemon is told; what has a default need not be written.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that it was read from; empty if it was not.
    #[serde(skip)]
    pub file: PathBuf,
    /// Whose mailbox this PC keeps.
    pub instance: Name,
    /// Who works behind it.
    #[serde(default, deserialize_with = "agents")]
    pub agents: Vec<Name>,
    /// What it and they are there for.
    #[serde(default, deserialize_with = "groups::roles")]
    pub roles: Vec<Role>,
    /// The state folder: database and keys, on a local disk.
    #[serde(deserialize_with = "path")]
    pub state: PathBuf,
    /// How a peer's key comes to be believed.
    #[serde(default)]
    pub trust: Trust,
    /// The folder in common.
    #[serde(deserialize_with = "share")]
    pub share: ShareConfig,
    /// How often to look.
    #[serde(default, deserialize_with = "look")]
    pub look: Look,
    /// Whom to wake and how.
    #[serde(default, deserialize_with = "wake")]
    pub wake: WakeConfig,
    /// What is done about requests that nobody answers.
    #[serde(default)]
    pub ask: AskConfig,
    /// How large things may get.
    #[serde(default)]
    pub limits: Limits,
    /// How long things are kept, and how much for whom.
    #[serde(default)]
    pub keep: Keep,
    /// Which files are taken, and how many are kept.
    #[serde(default)]
    pub files: FilesConfig,
    /// How much of the daemon's log is kept.
    #[serde(default)]
    pub log: LogConfig,
    /// What is done with mail that nobody's key stands behind.
    #[serde(default)]
    pub plain: PlainConfig,
    /// Whether mail is taken over the network.
    #[serde(default, deserialize_with = "direct::direct")]
    pub direct: DirectConfig,
    /// What is agreed with single peers.
    #[serde(default, deserialize_with = "peers")]
    pub peers: Peers,
    /// Several at once, under one name.
    #[serde(default, deserialize_with = "groups::groups")]
    pub groups: Groups,
    /// What peers may have run here, by name.
    #[serde(default, deserialize_with = "remote::commands")]
    pub commands: BTreeMap<String, RemoteCommand>,
}

/// The tables `peers.NAME`, by the folds of the names.
pub type Peers = BTreeMap<String, PeerConfig>;

/// The table `plain`.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct PlainConfig {
    /// What is done with unverified mail of names that have no policy of their own.
    pub policy: Policy,
}

/// A table `peers.NAME`.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct PeerConfig {
    /// What is done with its mail.
    pub policy: Option<Policy>,
    /// Mail for it is sealed, or not sent.
    pub seal: bool,
    /// When its mail wakes, unless one of `wake.rules` says.
    pub wake: Option<Class>,
    /// The ways that mail for it may take, the best first; none: [`route::DEFAULT`].
    #[serde(deserialize_with = "direct::routes")]
    pub routes: Option<Vec<Route>>,
    /// Where its daemon is, if not where its heartbeat says.
    pub url: Option<Endpoint>,
    /// Its gateway, whose agent takes mail by A2A.
    pub a2a: Option<A2aConfig>,
}

impl Config {
    /// What is done with mail of `peer` (folded). A policy of its own counts before the one for plain mail.
    pub fn policy(&self, peer: &str, verdict: Verdict) -> Policy {
        let own = self.peers.get(peer).and_then(|peer| peer.policy);
        own.unwrap_or(match verdict {
            Verdict::Verified => Policy::Allow,
            Verdict::Unverified => self.plain.policy,
        })
    }

    /// An agent that is woken by itself, as the config spells it.
    pub fn agent(&self, agent: &Name) -> Option<String> {
        let own = self.agents.iter().find(|own| own.same_as(agent)).map(ToString::to_string);
        let theirs = || {
            let gateway = self.wake.openclaw.as_ref()?;
            gateway.agents.contains_key(&agent.fold()).then(|| agent.fold())
        };
        own.or_else(theirs)
    }

    /// When mail of `sender`, who writes as `peer` (folded), wakes.
    pub fn wakes(&self, peer: &str, sender: &str, kind: &str) -> Class {
        let own = || self.peers.get(peer).and_then(|peer| peer.wake);
        rules::first(&self.wake.rules, sender, kind).or_else(own).unwrap_or(Class::Batch)
    }

    /// Whether mail for `peer` (folded) may take a route.
    pub fn takes(&self, peer: &str, route: Route) -> bool {
        self.routes(peer).contains(&route)
    }

    /// The routes that mail for `peer` (folded) may take, the best first.
    pub fn routes(&self, peer: &str) -> &[Route] {
        let own = self.peers.get(peer);
        own.and_then(|peer| peer.routes.as_deref()).unwrap_or(
            match own.is_some_and(|peer| peer.a2a.is_some()) {
                true => &route::WITH_GATEWAY,
                false => &route::DEFAULT,
            },
        )
    }

    /// The gateway of `peer` (folded), if mail for it may go there.
    pub fn gateway(&self, peer: &str) -> Option<&A2aConfig> {
        self.peers.get(peer)?.a2a.as_ref().filter(|_| self.takes(peer, Route::A2a))
    }

    /// Whether all mail for `peer` (folded) is sealed.
    pub fn seals(&self, peer: &str) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.seal)
    }
}

/// The table `share`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ShareConfig {
    /// Where the share is mounted.
    #[serde(deserialize_with = "path")]
    pub path: PathBuf,
    /// The user that Windows logs in to the server as; elsewhere the system mounts the share.
    #[serde(default, deserialize_with = "user")]
    pub user: Option<String>,
    /// Where that user's password is kept.
    #[serde(default, deserialize_with = "reference")]
    pub password: Option<SecretRef>,
}

impl ShareConfig {
    /// A share that is reached without a login.
    pub fn at(path: impl Into<PathBuf>) -> ShareConfig {
        ShareConfig { path: path.into(), user: None, password: None }
    }
}

/// The table `look`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Look {
    /// Whether file notifications are used at all.
    pub notify: bool,
    /// The interval right after traffic.
    #[serde(deserialize_with = "duration::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub busy: Duration,
    /// The longest interval while notifications are not believed.
    #[serde(deserialize_with = "duration::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub idle: Duration,
    /// The longest interval while they are.
    #[serde(deserialize_with = "duration::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub rest: Duration,
    /// A full look runs at least this often.
    #[serde(deserialize_with = "duration::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub full: Duration,
    /// How often our own status file is renewed.
    #[serde(deserialize_with = "duration::<_, { HEARTBEAT.0 }, { HEARTBEAT.1 }>")]
    pub heartbeat: Duration,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            notify: true,
            busy: Duration::from_millis(50),
            idle: Duration::from_secs(2),
            rest: Duration::from_secs(10),
            full: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// The table `limits`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message as a line of its lane.
    #[serde(deserialize_with = "size::<_, { MESSAGE.0 }, { MESSAGE.1 }>")]
    pub message: Size,
    /// A lane's segment rolls at this size.
    #[serde(deserialize_with = "size::<_, { SEGMENT.0 }, { SEGMENT.1 }>")]
    pub segment: Size,
    /// A lane's segment rolls at this age.
    #[serde(deserialize_with = "duration::<_, { AGE.0 }, { AGE.1 }>")]
    pub segment_age: Duration,
    /// Instances of the share that are remembered.
    #[serde(deserialize_with = "number::<_, _, { PEERS.0 }, { PEERS.1 }>")]
    pub peers: usize,
    /// Files of our mailbox that one look asks about.
    #[serde(deserialize_with = "number::<_, _, { LANES.0 }, { LANES.1 }>")]
    pub lanes: usize,
    /// Messages that are taken in from one sender within an hour.
    #[serde(deserialize_with = "number::<_, _, { MESSAGES.0 }, { MESSAGES.1 }>")]
    pub sender_messages: u64,
    /// And bytes.
    #[serde(deserialize_with = "size::<_, { SPOOL_BYTES.0 }, { SPOOL_BYTES.1 }>")]
    pub sender_bytes: Size,
    /// Bytes of one sender's mail that lie unread here before more is taken in.
    #[serde(deserialize_with = "size::<_, { SPOOL_BYTES.0 }, { SPOOL_BYTES.1 }>")]
    pub sender_unread: Size,
    /// Bytes of unreadable lines that are kept.
    #[serde(deserialize_with = "size::<_, { SPOOL_BYTES.0 }, { SPOOL_BYTES.1 }>")]
    pub quarantine: Size,
    /// Whom one broadcast goes to at most.
    #[serde(deserialize_with = "number::<_, _, { MEMBERS.0 }, { MEMBERS.1 }>")]
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message: Size(MIB),
            segment: Size(8 * MIB),
            segment_age: Duration::from_secs(24 * 3600),
            peers: 1_000,
            lanes: 5_000,
            sender_messages: 100_000,
            sender_bytes: Size(1024 * MIB),
            sender_unread: Size(256 * MIB),
            quarantine: Size(64 * MIB),
            members: 100,
        }
    }
}

/// The table `keep`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// Finished mail with its trace, and wakes, are deleted here after this.
    #[serde(deserialize_with = "duration::<_, { KEEP.0 }, { KEEP.1 }>")]
    pub messages: Duration,
    /// Acknowledged segments of ours are deleted on the share after this.
    #[serde(deserialize_with = "duration::<_, { KEEP.0 }, { KEEP.1 }>")]
    pub segments: Duration,
    /// What was set aside as unreadable is deleted after this.
    #[serde(deserialize_with = "duration::<_, { KEEP.0 }, { KEEP.1 }>")]
    pub quarantine: Duration,
    /// What the log says of anything but messages is deleted after this.
    #[serde(deserialize_with = "duration::<_, { KEEP.0 }, { KEEP.1 }>")]
    pub events: Duration,
    /// Mail for a peer that has been gone for this long fails.
    #[serde(deserialize_with = "duration::<_, { KEEP.0 }, { KEEP.1 }>")]
    pub gone_after: Duration,
    /// Messages that may wait for a peer that is not online.
    #[serde(deserialize_with = "number::<_, _, { SPOOL.0 }, { SPOOL.1 }>")]
    pub spool: u64,
    /// The bytes of their contents.
    #[serde(deserialize_with = "size::<_, { SPOOL_BYTES.0 }, { SPOOL_BYTES.1 }>")]
    pub spool_bytes: Size,
}

impl Default for Keep {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Keep {
            messages: days(30),
            segments: days(7),
            quarantine: days(30),
            events: Duration::from_secs(8_766 * 3600),
            gone_after: days(30),
            spool: 100_000,
            spool_bytes: Size(256 * MIB),
        }
    }
}

/// The table `log`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The log file is put aside at this size.
    #[serde(deserialize_with = "size::<_, { LOG.0 }, { LOG.1 }>")]
    pub size: Size,
    /// Log files that are kept, with the one that is being written.
    #[serde(deserialize_with = "number::<_, _, { LOGS.0 }, { LOGS.1 }>")]
    pub files: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { size: Size(5 * MIB), files: 5 }
    }
}

impl Config {
    /// The command that sets this instance up anew, by the words of its command line.
    pub fn init_again(&self) -> Vec<&OsStr> {
        let mut words = vec![OsStr::new("lanpost")];
        if !self.file.as_os_str().is_empty() {
            words.extend([OsStr::new("--config"), self.file.as_os_str()]);
        }
        words.extend(["init", "--force", "--instance", self.instance.as_str(), "--share"].map(OsStr::new));
        words.push(self.share.path.as_os_str());
        words
    }
}

/// Reads the config in `text`; `origin` is its file, for messages and because relative paths start at its folder.
pub fn parse(text: &str, origin: &Path) -> Result<Config> {
    let mut config: Config = toml::from_str(text).map_err(|error| explain(error, text, origin))?;
    config.file = origin.to_owned();
    groups::check(&config).map_err(|why| unfit(&why, origin))?;
    let folder = origin.parent().unwrap_or(Path::new(""));
    let webhook = config.wake.webhook.as_mut().map(|hook| [&mut hook.bearer, &mut hook.hmac]);
    let token = config.wake.openclaw.as_mut().map(|gateway| &mut gateway.token);
    let secrets = webhook.into_iter().flatten().chain(token).chain([&mut config.share.password]);
    let gateways = config.peers.values_mut().filter_map(|peer| Some(&mut peer.a2a.as_mut()?.token));
    let secrets = secrets.filter_map(Option::as_mut).chain(gateways).filter_map(|secret| match secret {
        SecretRef::File(path) => Some(path),
        _ => None,
    });
    let folders = config.commands.values_mut().filter_map(|command| command.folder.as_mut());
    for path in [&mut config.state, &mut config.share.path].into_iter().chain(secrets).chain(folders) {
        if !is_windows_absolute(&path.to_string_lossy()) {
            *path = folder.join(&*path);
        }
    }
    Ok(config)
}

/// `\\server\share` and `C:\x` stay as they are on every system; elsewhere they will not be found, and by that name.
fn is_windows_absolute(path: &str) -> bool {
    path.starts_with(r"\\")
        || matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
